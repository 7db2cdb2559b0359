// unpacked.hpp: a package to look at, wherever it is: in a folder or packed.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "host/error.hpp"

namespace winnow {

// `text` with every `from` as `to`.
std::string with_paths(std::string text, const std::filesystem::path& from,
                       const std::filesystem::path& to);

// Calls body(); messages of Errors speak of what the user named instead of a temporary folder.
template <typename Body>
auto speaking_of(const std::filesystem::path& named, const std::filesystem::path& temporary,
                 Body body) try {
  return body();
} catch (const Error& error) {
  throw Error(error.exit(), with_paths(error.what(), temporary, named));
}

// A package's folder, or its winnow-plugin.toml, as it is; a .tar.gz in a temporary folder that is
// gone afterwards.
class Unpacked {
 public:
  // Throws Error(Exit::kUsage) when there is nothing, and as unpack_archive of package_archive.hpp.
  explicit Unpacked(const std::filesystem::path& source);
  ~Unpacked();
  Unpacked(const Unpacked&) = delete;

  const std::filesystem::path& directory() const { return directory_; }

 private:
  std::filesystem::path directory_, temporary_;
};

}  // namespace winnow
