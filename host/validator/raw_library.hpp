// raw_library.hpp: a plugin library with nothing of the host between it and a test: the only file
// of the validator that loads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "winnow/winnow.h"

namespace winnow::validator {

struct Handshake {
  wn_status status = WN_OK;
  std::string text;
  wn_library library{};  // as the plugin left it
  bool beyond = false;   // it wrote behind struct_size
};

// Never unmapped. Opening it throws End with the loader's words.
class RawLibrary {
 public:
  explicit RawLibrary(const std::filesystem::path& file);
  Handshake negotiate(std::uint32_t min_minor, std::uint32_t max_minor,
                      std::uint32_t magic = WN_MAGIC) const;
  // By this host's own range; throws End unless it succeeds.
  const wn_library& library();
  const wn_plugin_1& plugin(const std::string& id);
  void shutdown();

 private:
  std::filesystem::path file_;
  wn_negotiate_fn entry_ = nullptr;
  wn_library library_{};
};

// Loads what `file` needs, but not itself, so that its own share of the time can be measured.
void load_needed_libraries(const std::filesystem::path& file);

}  // namespace winnow::validator
