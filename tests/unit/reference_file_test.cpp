// reference_file_test.cpp: statistics come back as they were written, and damaged files are refused
// with their name.
#include "host/reference_file.hpp"

#include "host/disk.hpp"
#include "host/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

Reference small() {
  FeatureSet set;
  set.n = 5;
  set.n_features = 2;
  set.network = "abc";
  set.features = {0.5f, 1, 2, 3.25f, -4, 5, 6, 7, 8, 9.125f};
  Reference reference = make_reference(set, 3, 1);
  reference.plugin = "test.net";
  reference.source = "a \"folder\"";
  return reference;
}

}  // namespace

TEST_CASE("statistics come back from their file", "[metrics]") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "s.safetensors";
  for (const FeatureDtype dtype : {FeatureDtype::kF16, FeatureDtype::kF32}) {
    const Reference written = small();
    write_reference(file, written, dtype);
    const Reference read = read_reference(file);
    CHECK(read.plugin == written.plugin);
    CHECK(read.network == written.network);
    CHECK(read.source == written.source);
    CHECK(read.n == 5);
    CHECK(read.n_features == 2);
    CHECK(read.mean == written.mean);
    CHECK(read.covariance == written.covariance);
    CHECK(read.rows() == 3);
    CHECK(read.features == written.features);  // all of them fit float16
  }
}

TEST_CASE("statistics without rows come back, and numbers too large for float16 are refused",
          "[metrics]") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "s.safetensors";
  Reference reference = small();
  reference.features.clear();
  write_reference(file, reference, FeatureDtype::kF16);
  CHECK(read_reference(file).rows() == 0);
  reference.features = {1, 70000};
  CHECK_THROWS_WITH(write_reference(file, reference, FeatureDtype::kF16),
                    Catch::Contains("70000") && Catch::Contains("float16"));
  write_reference(file, reference, FeatureDtype::kF32);
  CHECK(read_reference(file).features == reference.features);
}

TEST_CASE("a damaged file of statistics is refused wherever it is damaged", "[metrics]") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "s.safetensors";
  write_reference(file, small(), FeatureDtype::kF32);
  const std::string good = disk::read_all(file, 1 << 20);
  const auto refused = [&](const std::string& bytes) {
    write_bytes(file, bytes);
    CHECK_THROWS_WITH(read_reference(file), Catch::Contains("s.safetensors"));
  };
  for (std::size_t size = 0; size < good.size(); size += 7) refused(good.substr(0, size));
  const auto replaced = [&](const std::string& what, const std::string& with) {
    std::string bytes = good;
    const std::size_t at = bytes.find(what);
    REQUIRE(at != bytes.npos);
    REQUIRE(what.size() == with.size());
    return bytes.replace(at, what.size(), with);
  };
  refused(replaced("winnow.statistics/1", "winnow.statistics/2"));
  refused(replaced("\"mean\"", "\"maen\""));
  refused(replaced("\"count\":\"5\"", "\"count\":\"x\""));
  refused(replaced("\"network\":\"abc\"", "\"network\":12345"));
  refused(replaced("\"shape\":[2,2]", "\"shape\":[2,3]"));
  refused(replaced("\"data_offsets\":[0,16]", "\"data_offsets\":[0,-6]"));
  refused(replaced("\"data_offsets\":[0,16]", "\"data_offsets\":[0,99]"));
  refused(replaced("\"F32\"", "\"F64\""));
  refused("not a tensor file");
  CHECK_THROWS_AS(read_reference(folder.path() / "nothing"), Error);
}
