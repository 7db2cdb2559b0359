// sdk_plugin_test.cpp: what winnow.hpp makes of plain classes: tables, fences, options, tensors.
#include <cmath>
#include <map>

#include "tests/support/catch.hpp"
#include "winnow/winnow.hpp"

namespace {

struct Sink {  // an error sink and a call around it
  std::string text;
  wn_status code = WN_OK;
  std::map<std::uint64_t, std::string> items;
  wn_errors errors{
      WN_SIZE(wn_errors, set_item), 0, this,
      [](void* ctx, wn_status status, const char* data, std::uint64_t size) {
        static_cast<Sink*>(ctx)->code = status;
        static_cast<Sink*>(ctx)->text.assign(data, size);
      },
      [](void* ctx, std::uint64_t item, wn_status, const char* data, std::uint64_t size) {
        static_cast<Sink*>(ctx)->items[item] = std::string(data, size);
      }};
  wn_call call{};
  Sink() {
    call.struct_size = WN_SIZE(wn_call, memory_budget);
    call.errors = &errors;
  }
};

struct Plain {  // the least that a verifier is
  static constexpr const char* kId = "test.plain";
  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch.class_id(i) < 0)
        batch.fail(i, WN_E_INVALID_ARGUMENT, "no class");
      else
        scores[i] = batch.sample(i)[0];
  }
};

struct Full {
  static constexpr const char* kId = "test.full";
  static constexpr const char* kOptions = "[[plugin.option]]\n";
  explicit Full(const wn::Options& options) : target(options.f64("target")) {
    if (target < 0) throw wn::Error(WN_E_INVALID_ARGUMENT, "target must not be negative");
  }
  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .n_heads = 2}; }
  void score(const wn::VerifierBatch&, std::span<float> scores) const {
    for (float& score : scores) score = static_cast<float>(target);
  }
  void grad(const wn::VerifierBatch&, const wn_tensor&) { throw 3; }
  void reset() { throw std::bad_alloc(); }
  void accept(const wn::VerifierBatch&) { throw std::runtime_error("cannot accept"); }
  std::string save() const { return std::string(10000, 'x') + std::to_string(target); }
  void load(std::string_view bytes) { target = std::stod(std::string(bytes.substr(10000))); }
  double target;
};

template <class T>
const wn_plugin_1& plugin() {
  static const wn_plugin_1 made = wn::detail::descriptor<T>("1.2.3");
  return made;
}

template <class T>
struct Instance {
  wn_instance* raw = nullptr;
  Sink sink;
  wn_status status;
  explicit Instance(double target = 0.5) {
    wn_option option{};
    option.struct_size = WN_SIZE(wn_option, list_len);
    option.type = WN_OPT_F64;
    option.key = {"target", 6};
    option.f = target;
    const wn_option* options[] = {&option};
    status = plugin<T>().create(nullptr, options, 1, &sink.call, &raw);
  }
  ~Instance() {
    if (raw) plugin<T>().destroy(raw);
  }
  template <class Table>
  const Table* table(const char* id) const {
    return static_cast<const Table*>(plugin<T>().get_interface(id));
  }
};

struct Samples {  // [3, 1, 1, 2] and conditions of class 0, -1, 2
  float values[6] = {0, 1, 2, 3, 4, 5};
  std::int64_t shape[4] = {3, 1, 1, 2};
  wn_tensor tensor{values, {1, 0}, 4, {2, 32, 1}, shape, nullptr, 0};
  wn_condition conditions[3] = {};
  const wn_condition* pointers[3];
  wn_verifier_batch batch{};
  Samples() {
    for (int i = 0; i < 3; ++i) {
      conditions[i].class_id = i == 1 ? -1 : i;
      pointers[i] = &conditions[i];
    }
    batch.struct_size = WN_SIZE(wn_verifier_batch, previews);
    batch.n = 3;
    batch.samples = &tensor;
    batch.conditions = pointers;
  }
};

}  // namespace

TEST_CASE("a table is offered only when the class has its members", "[sdk]") {
  const Instance<Plain> plain;
  const Instance<Full> full;
  for (const char* id : {WN_VERIFIER_GRAD_1, WN_VERIFIER_SET_1, WN_STATE_1}) {
    CHECK(plugin<Plain>().get_interface(id) == nullptr);
    CHECK(plugin<Full>().get_interface(id) != nullptr);
  }
  CHECK(plugin<Plain>().get_interface(WN_VERIFIER_1) != nullptr);
  CHECK(plugin<Plain>().get_interface(WN_SAMPLER_1) == nullptr);
  CHECK(plugin<Plain>().options_toml == nullptr);
  CHECK(std::string(plugin<Full>().options_toml) == "[[plugin.option]]\n");
  CHECK(std::string(plugin<Full>().kind) == "verifier");
  CHECK(std::string(plugin<Full>().version) == "1.2.3");
}

TEST_CASE("info has sane defaults and writes no further than the host's struct", "[sdk]") {
  const Instance<Plain> plain;
  const Instance<Full> full;
  wn_verifier_info info{};
  info.struct_size = WN_SIZE(wn_verifier_info, preview_time);
  REQUIRE(plain.table<wn_verifier_1>(WN_VERIFIER_1)->info(plain.raw, &info) == WN_OK);
  CHECK(info.n_heads == 1);
  CHECK(info.preview_time == -1);
  CHECK(info.flags == 0);
  info.struct_size = WN_SIZE(wn_verifier_info, n_heads);
  info.preview_time = 0.25;
  REQUIRE(full.table<wn_verifier_1>(WN_VERIFIER_1)->info(full.raw, &info) == WN_OK);
  CHECK(info.n_heads == 2);
  CHECK(info.flags == (WN_F_DETERMINISTIC | WN_F_GRAD));
  CHECK(info.struct_size == WN_SIZE(wn_verifier_info, n_heads));
  CHECK(info.preview_time == 0.25);
}

TEST_CASE("one item may fail while the others are scored", "[sdk]") {
  Instance<Plain> plain;
  Samples samples;
  float scores[3] = {-1, -1, -1};
  wn_status status[3] = {};
  REQUIRE(plain.table<wn_verifier_1>(WN_VERIFIER_1)
              ->score(plain.raw, &plain.sink.call, &samples.batch, scores, status) == WN_OK);
  CHECK(scores[0] == 0);
  CHECK(scores[2] == 4);
  CHECK(status[0] == WN_OK);
  CHECK(status[1] == WN_E_INVALID_ARGUMENT);
  CHECK(plain.sink.items.at(1) == "no class");
}

TEST_CASE("every head has room in the scores", "[sdk]") {
  Instance<Full> full;
  Samples samples;
  float scores[7] = {};
  wn_status status[3] = {};
  REQUIRE(full.table<wn_verifier_1>(WN_VERIFIER_1)
              ->score(full.raw, &full.sink.call, &samples.batch, scores, status) == WN_OK);
  CHECK(scores[5] == 0.5f);
  CHECK(scores[6] == 0);
}

TEST_CASE("no exception passes a table, whatever is thrown", "[sdk]") {
  Instance<Full> full;
  Samples samples;
  wn_status status[3] = {};
  const auto* grad = full.table<wn_verifier_grad_1>(WN_VERIFIER_GRAD_1);
  const auto* set = full.table<wn_verifier_set_1>(WN_VERIFIER_SET_1);
  CHECK(grad->grad(full.raw, &full.sink.call, &samples.batch, &samples.tensor, status) ==
        WN_E_INTERNAL);
  CHECK(full.sink.text == "an exception that is no std::exception");
  CHECK(set->reset(full.raw) == WN_E_RESOURCE_EXHAUSTED);
  CHECK(set->accept(full.raw, &full.sink.call, &samples.batch) == WN_E_INTERNAL);
  CHECK(full.sink.text == "cannot accept");

  const Instance<Full> wrong(-1);
  CHECK(wrong.status == WN_E_INVALID_ARGUMENT);
  CHECK(wrong.sink.text == "target must not be negative");
  CHECK(wrong.raw == nullptr);
}

TEST_CASE("state travels through the host in pieces", "[sdk]") {
  const Instance<Full> from(0.25), to(0.75);
  Sink sink;
  struct Pipe {
    std::string bytes;
    std::size_t read = 0;
  } pipe;
  const wn_sink out{&pipe, [](void* ctx, const void* data, std::uint64_t n) {
                      n = std::min<std::uint64_t>(n, 77);
                      static_cast<Pipe*>(ctx)->bytes.append(static_cast<const char*>(data), n);
                      return static_cast<std::int64_t>(n);
                    }};
  const wn_source in{&pipe, [](void* ctx, void* data, std::uint64_t n) {
                       auto& mine = *static_cast<Pipe*>(ctx);
                       n = std::min<std::uint64_t>({n, 99, mine.bytes.size() - mine.read});
                       mine.bytes.copy(static_cast<char*>(data), n, mine.read);
                       mine.read += n;
                       return static_cast<std::int64_t>(n);
                     }};
  const auto* state = from.table<wn_state_1>(WN_STATE_1);
  REQUIRE(state->save(from.raw, &sink.call, &out) == WN_OK);
  REQUIRE(state->load(to.raw, &sink.call, &in) == WN_OK);
  CHECK(wn::detail::self<Full>(to.raw).target == 0.25);
}

TEST_CASE("options are typed, and a key that was not declared is named", "[sdk]") {
  const std::int64_t numbers[] = {1, 2, 3};
  const wn_str words[] = {{"a", 1}, {"bc", 2}};
  const auto make = [](const char* key, std::uint32_t type) {
    wn_option option{};
    option.struct_size = WN_SIZE(wn_option, list_len);
    option.type = type;
    option.key = {key, std::string_view(key).size()};
    return option;
  };
  wn_option flag = make("flag", WN_OPT_BOOL), list = make("list", WN_OPT_I64_LIST),
            empty = make("empty", WN_OPT_F64_LIST), file = make("file", WN_OPT_PATH),
            names = make("names", WN_OPT_STR_LIST);
  flag.i = 1;
  list.list = numbers;
  list.list_len = 3;
  names.list = words;
  names.list_len = 2;
  file.s = {"/a/b", 4};
  const wn_option* all[] = {&flag, &list, &empty, &file, &names};
  const wn::Options options(all, 5);
  CHECK(options.boolean("flag"));
  CHECK(options.i64_list("list") == std::vector<std::int64_t>{1, 2, 3});
  CHECK(options.f64_list("empty").empty());
  CHECK(options.path("file") == "/a/b");
  CHECK(options.str_list("names") == std::vector<std::string>{"a", "bc"});
  CHECK_FALSE(options.has("flags"));
  CHECK_THROWS_WITH(options.i64("flags"), Catch::Contains("\"flags\""));
  CHECK_THROWS_WITH(options.f64("flag"), Catch::Contains("not declared as f64"));
}

TEST_CASE("a tensor of another type, place or with strides is refused with what was found",
          "[sdk]") {
  Samples samples;
  CHECK(wn::Tensor<const float>(samples.tensor).item(2)[1] == 5);
  CHECK_THROWS_WITH(wn::Tensor<double>(samples.tensor), Catch::Contains("float32 [3, 1, 1, 2]"));
  wn_tensor other = samples.tensor;
  other.device.type = 2;
  CHECK_THROWS_WITH(wn::Tensor<float>(other), Catch::Contains("on a device"));
  other = samples.tensor;
  std::int64_t compact[] = {2, 99, 99, 1}, turned[] = {1, 1, 1, 3};
  other.strides = compact;  // strides of dimensions of size 1 do not matter
  CHECK(wn::Tensor<float>(other).values().size() == 6);
  other.strides = turned;
  CHECK_THROWS_AS(wn::Tensor<float>(other), wn::Error);
  other = samples.tensor;
  other.byte_offset = 2 * sizeof(float);
  other.shape[0] = 2;
  CHECK(wn::Tensor<float>(other).item(0)[0] == 2);
}

TEST_CASE("a host that is too old or is none is refused by the handshake", "[sdk]") {
  wn_loader loader{};
  loader.struct_size = WN_SIZE(wn_loader, library_dir);
  loader.magic = WN_MAGIC;
  wn_library library{};
  library.struct_size = WN_SIZE(wn_library, shutdown);
  REQUIRE((wn::detail::negotiate<Plain, Full>(&loader, &library, "1.0.0")) == WN_OK);
  CHECK(library.n_plugins == 2);
  CHECK(std::string(library.plugins[1]->id) == "test.full");
  CHECK(library.pointer_bits == 64);
  loader.magic = 1;
  CHECK((wn::detail::negotiate<Plain, Full>(&loader, &library, "1.0.0")) == WN_E_INCOMPATIBLE);
  loader.magic = WN_MAGIC;
  loader.min_minor = 7;
  CHECK((wn::detail::negotiate<Plain, Full>(&loader, &library, "1.0.0")) == WN_E_INCOMPATIBLE);
}
