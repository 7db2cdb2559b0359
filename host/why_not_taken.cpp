// why_not_taken.cpp: see why_not_taken.hpp.
#include "host/why_not_taken.hpp"

#include <map>

#include "host/error.hpp"
#include "host/isolation/python.hpp"
#include "host/library_file.hpp"

namespace winnow {
namespace {

std::string why_not_loaded(const FoundPlugin& found) {
  try {
    check_library_file(found);
    if (!found.variant().python.empty()) python_for(*found.package);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

std::vector<Verdict> verdicts(const Registry& registry, const PluginLock* lock) {
  std::map<std::filesystem::path, std::string> of_library;  // several plugins can share one
  std::vector<Verdict> verdicts;
  for (const FoundPlugin& found : registry.plugins()) {
    std::string& why_not = verdicts.emplace_back(Verdict{&found, found.skipped}).why_not;
    if (!why_not.empty()) continue;
    const auto [at, is_new] = of_library.try_emplace(found.library());
    if (is_new) at->second = why_not_loaded(found);
    why_not = at->second;
    if (why_not.empty() && lock) why_not = why_not_locked(*lock, found);
  }
  return verdicts;
}

}  // namespace winnow
