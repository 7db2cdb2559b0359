// targets.cpp: see targets.hpp.
#include "tests/fuzz/targets.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "host/config.hpp"
#include "host/error.hpp"
#include "host/image_set.hpp"
#include "host/journal.hpp"
#include "host/manifest.hpp"
#include "host/png.hpp"
#include "host/reference_file.hpp"
#include "host/study_config.hpp"
#include "plugins/safetensors.hpp"
#include "plugins/samplers/tokenizer/tokenizer.hpp"
#include "tests/support/toy_packages.hpp"

namespace winnow::fuzz {
namespace {

namespace fs = std::filesystem;

// Files in memory, and a few packages for configs to name.
class Desk {
 public:
  static const Desk& instance() {
    static const Desk desk;
    return desk;
  }

  const Registry& registry() const { return registry_; }

  fs::path file(const char* name, std::string_view bytes) const {
    test::write_bytes(folder_ / name, bytes);
    return folder_ / name;
  }

 private:
  Desk() : folder_(test::Medium::kMemory), registry_(test::toy_registry(folder_ / "packages")) {
    test::write_bytes(folder_ / "base.toml", test::toy_config());
    test::write_bytes(folder_ / "model.safetensors", "");
  }

  test::TemporaryFolder folder_;
  Registry registry_;
};

void promise(bool kept, const char* what) {
  if (!kept) throw std::logic_error(what);
}

// True if `read` took the file, false if it refused it as a reader may.
template <class Read>
bool taken(Read read) try {
  read();
  return true;
} catch (const Error& error) {
  if (error.exit() == Exit::kInternal) throw;
  promise(*error.what() != '\0', "a refusal says nothing");
  return false;
}

void read_a_manifest(std::string_view bytes) {
  taken([&] {
    const PackageManifest manifest =
        read_manifest(Desk::instance().file("winnow-plugin.toml", bytes));
    promise(!manifest.plugins.empty() && !manifest.variants.empty(), "an empty package");
    for (const Variant& variant : manifest.variants)
      promise(
          variant.file.is_relative() && std::ranges::find(variant.file, "..") == variant.file.end(),
          "a library outside of its package");
  });
}

void read_a_config(std::string_view bytes) {
  const Desk& desk = Desk::instance();
  std::string resolved;
  const bool sound = taken([&] {
    resolved = resolved_toml(load_config(desk.file("run.toml", bytes), {}, desk.registry()));
  });
  if (!sound) return;
  // A run directory keeps the resolved text and is continued from it.
  const RunConfig again = load_config(desk.file("resolved.toml", resolved), {}, desk.registry());
  promise(resolved_toml(again) == resolved, "a resolved config resolves to another one");
}

void read_a_study(std::string_view bytes) {
  const Desk& desk = Desk::instance();
  for (const bool quick : {false, true})
    taken([&] { load_study(desk.file("study.toml", bytes), quick, desk.registry()); });
}

void read_a_png(std::string_view bytes) {
  const Desk& desk = Desk::instance();
  taken([&] {
    const Image image = read_png(desk.file("picture.png", bytes));
    if (image.pixels.size() > 1 << 16) return;
    const Image again = read_png(desk.file("again.png", encode_png(image, "")));
    promise(again.pixels == image.pixels, "a picture does not come back");
  });
}

void read_a_journal(std::string_view bytes) {
  const fs::path file = Desk::instance().file("journal.wnj", bytes);
  taken([&] {
    std::size_t first = 0, second = 0;
    std::string notice;
    const std::uint64_t end = read_journal(
        file, [&](std::string_view) { ++first; }, &notice);
    promise(end <= bytes.size(), "a journal ends behind its end");
    open_journal(
        file, [](std::string_view) {}, &notice);
    read_journal(
        file, [&](std::string_view) { ++second; }, &notice);
    promise(first == second && notice.empty(), "a repaired journal is not whole");
  });
}

void read_statistics(std::string_view bytes) {
  taken([&] { read_reference(Desk::instance().file("reference.safetensors", bytes)); });
}

void read_an_idx_file(std::string_view bytes) {
  taken([&] {
    const ImageSet set(Desk::instance().file("images-idx3-ubyte", bytes));
    const auto [c, h, w] = set.shape();
    std::vector<float> pixels(static_cast<std::size_t>(c * h * w));
    set.read(set.size() - 1, pixels);
  });
}

void read_tensors(std::string_view bytes) {
  const fs::path path = Desk::instance().file("weights.safetensors", bytes);
  SafetensorsFile file;
  try {
    file = read_safetensors(path);
  } catch (const std::runtime_error&) {
    return;
  }
  for (const auto& [name, view] : file.tensors) {
    const std::byte* begin = file.mapping.get();
    promise(view.data >= begin && view.data + view.bytes <= begin + bytes.size(),
            "a tensor outside of its file");
  }
}

void encode_a_text(const Tokenizer& tokenizer, std::string_view text) {
  Encoding encoding;
  try {
    encoding = tokenizer.encode(text);
  } catch (const std::runtime_error&) {  // an unknown token that the model does not have, say
    return;
  }
  promise(encoding.mask.size() == encoding.ids.size(), "a mask of another length than the ids");
  for (const int64_t id : encoding.ids)
    promise(id >= 0 && id < tokenizer.size(), "an id beyond the tokenizer's size");
}

void read_a_tokenizer(std::string_view bytes) {
  const fs::path path = Desk::instance().file("tokenizer.json", bytes);
  try {
    const Tokenizer tokenizer = Tokenizer::load(path.string());
    for (const char* text :
         {"", " a  Cat's nai\u0308ve </s>", "\u6771\u4eac \U0001F3A8 \uff46\ufb01 100", "a \xff"})
      encode_a_text(tokenizer, text);
  } catch (const std::runtime_error&) {
  }
}

}  // namespace

std::span<const Target> targets() {
  static const Target kTargets[] = {{"manifest", read_a_manifest},  {"config", read_a_config},
                                    {"study", read_a_study},        {"png", read_a_png},
                                    {"journal", read_a_journal},    {"statistics", read_statistics},
                                    {"idx", read_an_idx_file},      {"safetensors", read_tensors},
                                    {"tokenizer", read_a_tokenizer}};
  return kTargets;
}

}  // namespace winnow::fuzz
