// corpus_test.cpp: what the fuzzers found, and what they started from, read again; each file
// also cut short and with single bits turned.
#include <algorithm>
#include <filesystem>
#include <random>

#include "tests/fuzz/targets.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> corpus_of(const fuzz::Target& target) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(CORPUS) / target.name))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("every reader takes or refuses each file of its corpus, whole, cut and damaged",
          "[fuzz]") {
  constexpr int kMutations = 40;
  for (const fuzz::Target& target : fuzz::targets()) {
    const std::vector<fs::path> files = corpus_of(target);
    CHECK_FALSE(files.empty());
    for (const fs::path& file : files) {
      CAPTURE(target.name, file.filename().string());
      const std::string bytes = test::read_bytes(file);
      REQUIRE_NOTHROW(target.run(bytes));
      std::mt19937 random(1);
      for (int i = 0; i < kMutations && !bytes.empty(); ++i) {
        std::string damaged = bytes;
        const std::size_t at = random() % bytes.size();
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
        CAPTURE(at, damaged[at]);
        REQUIRE_NOTHROW(target.run(damaged));
        REQUIRE_NOTHROW(target.run(bytes.substr(0, at)));
      }
    }
  }
}

TEST_CASE("the corpus has a folder for every reader and no other", "[fuzz]") {
  std::size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(CORPUS)) folders += entry.is_directory();
  CHECK(folders == fuzz::targets().size());
}
