// semantic_version.cpp: see semantic_version.hpp.
#include "host/semantic_version.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace winnow {
namespace {

using Parts = std::vector<std::string_view>;

Parts split(std::string_view text) {
  Parts parts;
  for (std::size_t at = 0; !text.empty() && at <= text.size();) {
    const std::size_t end = std::min(text.find('.', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool is_number(std::string_view part) {
  return !part.empty() && part.find_first_not_of("0123456789") == part.npos;
}

// Numbers of any length by their value, before words; words by their bytes.
std::weak_ordering compare(std::string_view a, std::string_view b) {
  if (is_number(a) != is_number(b))
    return is_number(a) ? std::weak_ordering::less : std::weak_ordering::greater;
  if (is_number(a)) {
    const auto value = [](std::string_view n) {
      return n.substr(std::min(n.find_first_not_of('0'), n.size()));
    };
    a = value(a), b = value(b);
    if (a.size() != b.size()) return a.size() <=> b.size();
  }
  return a <=> b;
}

std::weak_ordering compare(const Parts& a, const Parts& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (const auto order = compare(a[i], b[i]); order != 0) return order;
  return a.size() <=> b.size();
}

struct Version {
  explicit Version(std::string_view text) {
    text = text.substr(0, text.find('+'));
    const std::size_t dash = std::min(text.find('-'), text.size());
    core = split(text.substr(0, dash));
    if (dash < text.size()) before_release = split(text.substr(dash + 1));
  }
  Parts core, before_release;
};

}  // namespace

std::weak_ordering compare_versions(const std::string& a, const std::string& b) {
  const Version x(a), y(b);
  if (const auto order = compare(x.core, y.core); order != 0) return order;
  // 2.0.0-rc.1 comes before 2.0.0.
  if (x.before_release.empty() != y.before_release.empty())
    return x.before_release.empty() ? std::weak_ordering::greater : std::weak_ordering::less;
  return compare(x.before_release, y.before_release);
}

}  // namespace winnow
