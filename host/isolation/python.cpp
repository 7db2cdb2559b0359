// python.cpp: see python.hpp.
#include "host/isolation/python.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "host/elf_file.hpp"
#include "host/error.hpp"
#include "host/isolation/child.hpp"
#include "host/plugin_install.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

// Equal hashes of texts, and with them equal orders of sets, in every process; nothing of the
// user's beside the environment; what is printed is seen at once; a crash names its line.
constexpr const char* kSettings[] = {
    "PYTHONHASHSEED=0",          "PYTHONNOUSERSITE=1", "PYTHONSAFEPATH=1",    "PYTHONUTF8=1",
    "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "PYTHONFAULTHANDLER=1"};

// A script, as of pyenv, would need the right to start further programs.
bool is_program(const fs::path& file) {
  std::error_code none;
  return fs::is_regular_file(file, none) && ::access(file.c_str(), X_OK) == 0 &&
         read_elf_header(file).has_value();
}

std::optional<fs::path> on_the_path() {
  const char* path = std::getenv("PATH");
  std::string list = path ? path : "";
  for (std::size_t colon; !list.empty(); list.erase(0, colon)) {
    colon = std::min(list.find(':'), list.size());
    const fs::path program = fs::absolute(list.substr(0, colon)) / "python3";
    if (colon > 0 && is_program(program)) return program.lexically_normal();
    if (colon < list.size()) ++colon;
  }
  return std::nullopt;
}

// winnow_sdk of this installation, or of this build.
fs::path own_sdk() {
  const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  for (const char* up : {"..", "../.."})
    if (const fs::path sdk = folder / up / "lib/winnow/python"; fs::exists(sdk / "winnow_sdk"))
      return fs::canonical(sdk);
  throw Error(Exit::kPlugin, fmt::format("{}: lib/winnow/python with winnow_sdk is not beside it, "
                                         "so that no plugin in Python can run",
                                         folder.string()));
}

// "home" of a pyvenv.cfg: the folder of the interpreter that an environment was made of.
fs::path home_in(const fs::path& config) {
  std::ifstream in(config);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("home ") || line.starts_with("home="))
      if (const auto at = line.find('/'); at != std::string::npos) return line.substr(at);
  return {};
}

void add_installation(std::vector<fs::path>& reads, const fs::path& prefix) {
  // Not all of it: somebody may have an interpreter in ~/bin.
  for (const char* part : {"bin", "lib", "lib64"}) reads.push_back(prefix / part);
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

fs::path python_for(const PackageManifest& package) {
  std::string first;
  if (const auto plugins = user_plugin_folder()) {
    const fs::path environment = plugins->parent_path() / "python" / package.id;
    const fs::path program = environment / "bin/python3";
    if (is_program(program)) return program;
    std::error_code none;
    if (fs::exists(environment, none))
      throw Error(Exit::kPlugin,
                  fmt::format("{}: its environment {} has no interpreter bin/python3", package.id,
                              environment.string()));
    first = environment.string();
  }
  if (const auto program = on_the_path()) return *program;
  throw Error(Exit::kPlugin, fmt::format("{}: is written in Python, and there is neither an "
                                         "environment {} nor a python3 on the PATH",
                                         package.id, first));
}

std::vector<fs::path> python_reads(const fs::path& program) {
  const fs::path sdk = own_sdk();
  std::vector<fs::path> reads{sdk, sdk / "winnow_sdk"};  // of a build, that is a link
  const fs::path prefix = program.parent_path().parent_path();
  if (const fs::path home = home_in(prefix / "pyvenv.cfg"); !home.empty()) {
    reads.push_back(prefix);
    add_installation(reads, home.parent_path());
  } else {
    add_installation(reads, prefix);
  }
  const fs::path real = fs::canonical(program);
  add_installation(reads, real.parent_path().parent_path());
  reads.push_back("/etc" / real.filename());  // Debian's sitecustomize lies in /etc/python3.11
  return reads;
}

void become_python(const fs::path& program, const FoundPlugin& found, const std::string& lacking) {
  std::vector<std::string> words{program.string(),
                                 "-m",
                                 "winnow_sdk",
                                 "serve",
                                 std::to_string(kPythonWire),
                                 std::to_string(kSocketFile),
                                 std::to_string(kInputsFile),
                                 std::to_string(kExchangeFile),
                                 found.package->path.string(),
                                 found.variant().file.string(),
                                 found.plugin().id,
                                 lacking};
  std::vector<std::string> environment{"PYTHONPATH=" + own_sdk().string()};
  environment.insert(environment.end(), std::begin(kSettings), std::end(kSettings));
  for (char** entry = environ; *entry; ++entry) environment.emplace_back(*entry);
  ::execve(program.c_str(), pointers_to(words).data(), pointers_to(environment).data());
  throw Error(Exit::kPlugin, fmt::format("{}: {} cannot be started: {}", found.plugin().id,
                                         program.string(), strerror(errno)));
}

}  // namespace winnow
