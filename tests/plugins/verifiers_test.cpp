// verifiers_test.cpp: the shipped example verifiers against values worked out by hand, through the
// real loader.
#include "host/plugin_library.hpp"
#include "tests/support/catch.hpp"
#include "winnow/winnow.h"

using namespace winnow;

namespace {

// An instance made with one option.
class Instance {
 public:
  Instance(const std::string& id, wn_option option) {
    const Registry registry =
        Registry::scan({{{PLUGINS, kInstallPrefix, true}}, {}, {}}, host_facts());
    library_ = load_library(registry.find(PluginKind::kVerifier, id));
    plugin_ = &library_->plugin(id);
    option.struct_size = WN_SIZE(wn_option, list_len);
    const wn_option* options[] = {&option};
    REQUIRE(plugin_->create(nullptr, options, 1, nullptr, &instance_) == WN_OK);
  }
  ~Instance() { plugin_->destroy(instance_); }
  Instance(const Instance&) = delete;

  // pixels[n, 1, height, width]
  std::vector<float> score(std::vector<float> pixels, std::int64_t n, std::int64_t height,
                           std::int64_t width) {
    std::int64_t shape[] = {n, 1, height, width};
    const wn_tensor samples = {pixels.data(), {1, 0}, 4, {2, 32, 1}, shape, nullptr, 0};
    wn_verifier_batch batch{};
    batch.struct_size = WN_SIZE(wn_verifier_batch, previews);
    batch.n = static_cast<std::uint64_t>(n);
    batch.samples = &samples;
    std::vector<float> scores(static_cast<std::size_t>(n), -1.0f);
    std::vector<wn_status> status(static_cast<std::size_t>(n), WN_OK);
    const auto* table = static_cast<const wn_verifier_1*>(plugin_->get_interface(WN_VERIFIER_1));
    REQUIRE(table->score(instance_, nullptr, &batch, scores.data(), status.data()) == WN_OK);
    return scores;
  }

 private:
  std::shared_ptr<PluginLibrary> library_;
  const wn_plugin_1* plugin_ = nullptr;
  wn_instance* instance_ = nullptr;
};

wn_option number(const char* key, double value) {
  wn_option option{};
  option.type = WN_OPT_F64;
  option.key = {key, std::char_traits<char>::length(key)};
  option.f = value;
  return option;
}

wn_option boolean(const char* key, bool value) {
  wn_option option = number(key, 0);
  option.type = WN_OPT_BOOL;
  option.i = value;
  return option;
}

}  // namespace

TEST_CASE("brightness is minus the squared distance of the mean from the target", "[verifiers]") {
  Instance brightness("winnow.brightness", number("target", 0.25));
  const auto scores = brightness.score({0, 0, 1, 0, 1, 1, 1, 1}, 2, 2, 2);  // means 1/4 and 1
  CHECK(scores[0] == 0.0f);
  CHECK(scores[1] == -0.5625f);
}

TEST_CASE("sharpness is the mean squared Laplacian of the inner pixels", "[verifiers]") {
  Instance sharpness("winnow.sharpness", boolean("logarithm", false));
  const auto scores = sharpness.score({0, 0, 0, 0, 1, 0, 0, 0, 0,  // one point: 4^2
                                       0, 1, 0, 0, 0, 0, 0, 0, 0,  // one neighbour: 1^2
                                       1, 1, 1, 1, 1, 1, 1, 1, 1},
                                      3, 3, 3);
  CHECK(scores == std::vector<float>{16, 1, 0});
  CHECK(sharpness.score({0, 1, 2, 3, 4, 5}, 1, 2, 3)[0] == 0.0f);  // no inner pixel
  CHECK(sharpness.score({0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 1, 3, 4)[0] ==
        8.5f);  // (4^2 + 1^2) / 2 inner pixels
}

TEST_CASE("the logarithm of sharpness is floored, so that it stays finite", "[verifiers]") {
  Instance sharpness("winnow.sharpness", boolean("logarithm", true));
  CHECK(sharpness.score(std::vector<float>(9, 0.5f), 1, 3, 3)[0] == -8.0f);
}
