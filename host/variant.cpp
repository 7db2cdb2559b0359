// variant.cpp: the conditions of [[variant]] tables.
#include "host/variant.hpp"

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace winnow {
namespace {

using Numbers = std::vector<int>;

std::optional<Numbers> numbers_of(std::string_view text) {
  Numbers numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0) return std::nullopt;
    numbers.push_back(number);
    if (next == end) return numbers;
    if (*next != '.') return std::nullopt;
    at = next + 1;
  }
  return std::nullopt;
}

// <0, 0, >0 as a is older than, equal to, newer than b.
int compare(Numbers a, Numbers b) {
  a.resize(std::max(a.size(), b.size()));
  b.resize(a.size());
  if (a == b) return 0;
  return a < b ? -1 : 1;
}

bool fulfils_one(const Numbers& version, std::string_view need) {
  const auto at = need.find_first_not_of("=<>");
  if (at == std::string_view::npos) return false;
  const std::string_view sign = need.substr(0, at);
  std::string_view rest = need.substr(at);
  const bool family = rest.ends_with(".*");
  if (family) rest.remove_suffix(2);
  const auto wanted = numbers_of(rest);
  if (!wanted) return false;
  if (family)
    return sign == "==" && version.size() >= wanted->size() &&
           std::equal(wanted->begin(), wanted->end(), version.begin());
  const int order = compare(version, *wanted);
  return (sign == "==" && order == 0) || (sign == ">=" && order >= 0) ||
         (sign == "<=" && order <= 0) || (sign == ">" && order > 0) || (sign == "<" && order < 0);
}

#if defined(__x86_64__)
bool cpu_has(const std::string& feature) {
  // __builtin_cpu_supports takes literals only.
#define WINNOW_CPU(name) \
  if (feature == name) return __builtin_cpu_supports(name) != 0;
  WINNOW_CPU("sse3")
  WINNOW_CPU("ssse3")
  WINNOW_CPU("sse4.1")
  WINNOW_CPU("sse4.2")
  WINNOW_CPU("popcnt")
  WINNOW_CPU("avx")
  WINNOW_CPU("avx2")
  WINNOW_CPU("fma")
  WINNOW_CPU("bmi")
  WINNOW_CPU("bmi2")
  WINNOW_CPU("avx512f")
  WINNOW_CPU("avx512bw")
  WINNOW_CPU("avx512cd")
  WINNOW_CPU("avx512dq")
  WINNOW_CPU("avx512vl")
  WINNOW_CPU("avx512vnni")
  WINNOW_CPU("avx512vbmi")
#undef WINNOW_CPU
  return false;
}
#else
bool cpu_has(const std::string&) { return false; }
#endif

std::string why_not_libc(const std::string& need) {
  const std::string prefix = "glibc";
  const std::string have = gnu_get_libc_version();
  if (need.empty() ||
      (need.starts_with(prefix) && version_fulfils(have, need.substr(prefix.size()))))
    return "";
  return fmt::format("needs {}, this system has glibc {}", need, have);
}

std::string why_not_libtorch(const LibtorchNeed& need, const HostFacts& facts) {
  if (need.link != "host") return "";  // one of its own lives in a process of its own
  const std::string wanted =
      fmt::format("needs LibTorch{}{}", need.version.empty() ? "" : " ", need.version);
  if (facts.libtorch_version.empty()) return wanted + ", this host was built without one";
  if (!need.version.empty() && !version_fulfils(facts.libtorch_version, need.version))
    return fmt::format("{}, this host has {}", wanted, facts.libtorch_version);
  if (!need.stable_abi.empty() && !version_fulfils(facts.libtorch_version, ">=" + need.stable_abi))
    return fmt::format("needs a LibTorch with the stable ABI of {}, this host has {}",
                       need.stable_abi, facts.libtorch_version);
  return "";
}

}  // namespace

bool version_fulfils(const std::string& version, const std::string& need) {
  const auto numbers = numbers_of(version);
  if (!numbers || need.empty()) return false;
  for (std::size_t at = 0; at <= need.size();) {
    const auto end = std::min(need.find(',', at), need.size());
    std::string_view part = std::string_view(need).substr(at, end - at);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!fulfils_one(*numbers, part)) return false;
    at = end + 1;
  }
  return true;
}

std::string why_not(const Variant& variant, const HostFacts& facts) {
  utsname system{};
  uname(&system);
  if (!variant.os.empty() && variant.os != "linux")
    return fmt::format("is for {}, this is linux", variant.os);
  if (!variant.arch.empty() && variant.arch != system.machine)
    return fmt::format("is for {}, this machine is {}", variant.arch, system.machine);
  if (const auto reason = why_not_libc(variant.libc); !reason.empty()) return reason;
  for (const auto& feature : variant.cpu)
    if (!cpu_has(feature)) return fmt::format("needs a CPU with {}", feature);
  return why_not_libtorch(variant.libtorch, facts);
}

}  // namespace winnow
