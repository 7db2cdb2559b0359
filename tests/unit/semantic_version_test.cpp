// semantic_version_test.cpp: precedence of versions.
#include "host/semantic_version.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using winnow::compare_versions;

TEST_CASE("versions have the order of semver.org, section 11", "[semantic_version]") {
  const std::vector<std::string> rising = {"0.9.99",
                                           "1.0.0-alpha",
                                           "1.0.0-alpha.1",
                                           "1.0.0-alpha.beta",
                                           "1.0.0-beta",
                                           "1.0.0-beta.2",
                                           "1.0.0-beta.11",
                                           "1.0.0-rc.1",
                                           "1.0.0",
                                           "1.0.9",
                                           "1.0.10",
                                           "1.10.0",
                                           "18446744073709551616.0.0"};
  for (std::size_t i = 0; i < rising.size(); ++i)
    for (std::size_t k = 0; k < rising.size(); ++k) {
      CAPTURE(rising[i], rising[k]);
      CHECK((compare_versions(rising[i], rising[k]) < 0) == (i < k));
      CHECK((compare_versions(rising[i], rising[k]) == 0) == (i == k));
    }
}

TEST_CASE("what stands behind a plus does not count", "[semantic_version]") {
  CHECK((compare_versions("1.2.3+gcc12", "1.2.3") == 0));
  CHECK((compare_versions("1.2.3-rc.1+a", "1.2.3-rc.1+b") == 0));
}
