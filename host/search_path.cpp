// search_path.cpp: where packages are looked for; implements default_search_path of registry.hpp.
#include <sys/auxv.h>

#include <cstdlib>
#include <string_view>

#include "host/plugin_install.hpp"
#include "host/registry.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBelow = "winnow/plugins";

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// With another user's rights the environment is not to be believed.
bool is_trusted() { return getauxval(AT_SECURE) == 0; }

class Builder {
 public:
  explicit Builder(bool trusted) : trusted_(trusted) {}

  SearchPath build(const std::vector<fs::path>& named) {
    for (const auto& path : named) add(path, "--plugin", /*required=*/true);
    const std::string instead = trusted_ ? variable("WN_PLUGIN_PATH") : "";
    if (instead.empty())
      add_default_places();
    else
      add_all(instead, "WN_PLUGIN_PATH", "");
    path_.disable = split(variable("WN_PLUGINS_DISABLE"), ',');
    path_.enable = split(variable("WN_PLUGINS_ENABLE"), ',');
    return std::move(path_);
  }

 private:
  void add(const fs::path& path, const std::string& origin, bool required = false) {
    path_.entries.push_back({fs::absolute(path).lexically_normal(), origin, required});
  }
  void add_all(const std::string& list, const std::string& origin, const fs::path& below) {
    for (const auto& part : split(list, ':'))
      add(below.empty() ? fs::path(part) : part / below, origin);
  }

  void add_default_places() {
    const fs::path below = kBelow;
    if (trusted_) {
      add_all(variable("WN_ADD_PLUGIN_PATH"), "WN_ADD_PLUGIN_PATH", "");
      if (const auto user = user_plugin_folder()) add(*user, "user");
    }
    const std::string dirs = trusted_ ? variable("XDG_DATA_DIRS") : "";
    add_all(dirs.empty() ? "/usr/local/share:/usr/share" : dirs, "system", below);
    std::error_code none;
    const fs::path binary = fs::read_symlink("/proc/self/exe", none);
    if (!none) add(binary.parent_path().parent_path() / "lib" / below, kInstallPrefix);
  }

  bool trusted_;
  SearchPath path_;
};

}  // namespace

std::optional<fs::path> user_plugin_folder() {
  const std::string data = variable("XDG_DATA_HOME"), home = variable("HOME");
  if (!is_trusted() || (data.empty() && home.empty())) return std::nullopt;
  const fs::path shared = data.empty() ? fs::path(home) / ".local/share" : fs::path(data);
  return fs::absolute(shared / kBelow).lexically_normal();
}

SearchPath default_search_path(const std::vector<fs::path>& named) {
  return Builder(is_trusted()).build(named);
}

}  // namespace winnow
