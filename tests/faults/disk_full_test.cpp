// disk_full_test.cpp: the disk is full, then it is not; on a small tmpfs where root can mount one,
// and by a limit of the file size everywhere.
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>
#include <functional>
#include <vector>

#include "host/error.hpp"
#include "host/run_directory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using winnow::test::read_bytes;
using winnow::test::TemporaryFolder;
using winnow::test::write_bytes;
namespace fs = std::filesystem;

namespace {

// A file system of its own with `kib` KiB.
class SmallDisk {
 public:
  explicit SmallDisk(int kib) {
    mounted_ = ::mount("none", folder_.path().c_str(), "tmpfs", 0,
                       fmt::format("size={}k", kib).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  fs::path operator/(const std::string& name) const { return folder_ / name; }

  // Takes all space that is left.
  void fill() {
    std::ofstream out(folder_ / "filler", std::ios::binary);
    while (out.write(std::string(512, 'f').data(), 512).flush()) {
    }
  }
  void free() { fs::remove(folder_ / "filler"); }

 private:
  TemporaryFolder folder_;
  bool mounted_ = false;
};

#define NEEDS(disk)                                                                             \
  if (!(disk).mounted()) {                                                                      \
    WARN("cannot mount a tmpfs here (needs root); the file size limit is tested all the same"); \
    return;                                                                                     \
  }

struct Failure {
  Exit exit = Exit::kDone;
  std::string text;
};

Failure failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return {error.exit(), error.what()};
  }
  return {};
}

void check_says_disk_full(const Failure& failed) {
  CHECK(failed.exit == Exit::kResources);
  CHECK(failed.text.find("disk full") != std::string::npos);
  CHECK(failed.text.find("same command goes on") != std::string::npos);
}

std::string record(std::size_t i) { return fmt::format("{:0200}", i); }

std::unique_ptr<Journal> open_counting(const fs::path& file, std::size_t& n) {
  n = 0;
  return open_journal(
      file, [&](std::string_view payload) { REQUIRE(payload == record(n++)); }, nullptr);
}

// Appends and commits from record `next` on until the disk is full; the last one stays buffered.
Failure fill_journal(Journal& journal, std::size_t& next) {
  Failure failed;
  while (failed.exit == Exit::kDone) {
    journal.append(record(next++));
    failed = failure([&] { journal.commit(); });
  }
  return failed;
}

// A journal that meets its limit (raised by `make_room`) loses nothing, in this and the next
// process.
void fill_and_go_on(const fs::path& file, const std::function<void()>& make_room) {
  std::size_t n = 0;
  auto journal = open_counting(file, n);
  check_says_disk_full(fill_journal(*journal, n));
  const std::uint64_t good = journal->bytes();
  CHECK(good == 8 + 208 * (n - 1));
  CHECK(fs::file_size(file) == good);  // no torn tail is left
  CHECK(failure([&] { journal->commit(); }).exit == Exit::kResources);
  SECTION("in the same process") {
    make_room();
    journal->append(record(n++));
    journal->commit();  // the buffered record and the new one
  }
  SECTION("by the same command") {
    std::size_t again = 0;
    journal = open_counting(file, again);
    CHECK(again == n - 1);
    make_room();
    for (; again < n + 1; ++again) journal->append(record(again));
    journal->commit();
    ++n;
  }
  std::size_t found = 0;
  open_counting(file, found);
  CHECK(found == n);
}

// As with "ulimit -f": writes beyond `bytes` fail with EFBIG.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { lift(); }
  void lift() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

}  // namespace

TEST_CASE("a journal at a limit of the file size keeps all and goes on when it is lifted",
          "[faults][journal]") {
  TemporaryFolder folder(test::Medium::kMemory);
  FileSizeLimit limit(100'000);
  fill_and_go_on(folder / "j", [&] { limit.lift(); });
}

TEST_CASE("a journal on a full disk keeps all and goes on when space is freed",
          "[faults][journal]") {
  SmallDisk disk(64);
  NEEDS(disk)
  write_bytes(disk / "filler", std::string(16'384, 'f'));
  fill_and_go_on(disk / "j", [&] { disk.free(); });
}

TEST_CASE("a full disk is met and left a hundred times without a loss", "[faults][journal]") {
  SmallDisk disk(64);
  NEEDS(disk)
  std::size_t n = 0;
  auto journal = open_counting(disk / "j", n);
  for (int round = 0; round < 100; ++round) {
    disk.fill();
    const Failure failed = fill_journal(*journal, n);
    REQUIRE(failed.exit == Exit::kResources);
    disk.free();
    if (round % 2) {
      journal->commit();
    } else {
      std::size_t again = 0;
      journal = open_counting(disk / "j", again);
      REQUIRE(again == n - 1);
      n = again;
    }
    if (journal->bytes() > 40'000) {
      journal.reset();
      fs::remove(disk / "j");
      journal = open_counting(disk / "j", n);
    }
  }
}

TEST_CASE("a group that only fits in part is cut back as a whole", "[faults][journal]") {
  TemporaryFolder folder(test::Medium::kMemory);
  std::size_t n = 0;
  auto journal = open_counting(folder / "j", n);
  journal->append(record(n++));
  journal->commit();
  {
    FileSizeLimit limit(5'000);
    for (int i = 0; i < 100; ++i) journal->append(record(n++));
    check_says_disk_full(failure([&] { journal->commit(); }));
    CHECK(fs::file_size(folder / "j") == 8 + 208);
  }
  journal->commit();
  std::size_t found = 0;
  open_counting(folder / "j", found);
  CHECK(found == 101);
}

TEST_CASE("a sample that does not fit is refused, earlier ones stay, and it fits later",
          "[faults][run_directory]") {
  SmallDisk disk(256);
  NEEDS(disk)
  const auto directory = open_run_directory(disk / "run", "seed = 1\n", "{}");
  std::size_t n = 0;
  const auto journal = open_counting(journal_path(disk / "run"), n);
  directory->write_sample("first", Image{1, 1, 1, {7}}, "{}");
  journal->append(record(0));
  directory->commit(*journal);
  disk.fill();
  const std::string recipe(20'000, 'r');
  check_says_disk_full(failure([&] {
    directory->write_sample("second", Image{1, 1, 1, {8}}, recipe);
  }));
  check_says_disk_full(failure([&] { directory->write_file("summary.json", recipe); }));
  CHECK(fs::exists(disk / "run/samples/first.png"));
  CHECK_FALSE(directory->finished());
  disk.free();
  directory->write_sample("second", Image{1, 1, 1, {8}}, recipe);
  journal->append(record(1));
  directory->commit(*journal);
  directory->write_file("summary.json", "{}");
  CHECK(directory->finished());
  std::string text;
  read_png(disk / "run/samples/second.png", &text);
  CHECK(text == recipe);
}

TEST_CASE("a run directory that could not be made on a full disk is made when space is freed",
          "[faults][run_directory]") {
  SmallDisk disk(64);
  NEEDS(disk)
  const std::string config = "name = \"" + std::string(9'000, 'n') + "\"\n";
  disk.fill();
  fs::resize_file(disk / "filler", fs::file_size(disk / "filler") - 8192);
  check_says_disk_full(failure([&] { open_run_directory(disk / "run", config, "{}"); }));
  CHECK_FALSE(fs::exists(disk / "run/run.toml"));
  disk.free();
  open_run_directory(disk / "run", config, "{}");
  CHECK(read_bytes(disk / "run/run.toml") == config);
}
