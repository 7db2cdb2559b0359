// kill_test.cpp: SIGKILL of a writer of journal and run directory, at random instants and at every
// system call. Every acknowledged record is there afterwards, once and in order.
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "host/run_directory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using winnow::test::Medium;
using winnow::test::read_bytes;
using winnow::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

const std::string kToml = "seed = 1\n";
const std::string kLock = "{\"winnow\": \"1\"}";

// Now and then a long one, so that a kill can fall into the middle of a write.
std::string record(std::uint64_t i) {
  const std::size_t length = i % 97 == 0 ? 300'000 : 20 + i * 7919 % 300;
  std::string text = fmt::format("{} ", i);
  text.resize(text.size() + length, static_cast<char>('a' + i % 26));
  return text;
}

bool has_sample(std::uint64_t i) { return i % 16 == 3; }
std::string sample_name(std::uint64_t i) { return fmt::format("sample-{}", i); }
Image sample_image(std::uint64_t i) {
  return {2, 1, 1, {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)}};
}

void write_records(RunDirectory& directory, Journal& journal, std::uint64_t& next,
                   std::uint64_t n) {
  for (; n > 0; --n, ++next) {
    if (has_sample(next))
      directory.write_sample(sample_name(next), sample_image(next), record(next).substr(0, 20));
    journal.append(record(next));
  }
  directory.commit(journal);
}

// Goes on where the journal ends, as fast as it can, and acknowledges each commit with the number
// of committed records.
[[noreturn]] void write_for_ever(const fs::path& path, int acknowledge) {
  const auto directory = open_run_directory(path, kToml, kLock);
  std::uint64_t next = 0;
  const auto journal = open_journal(
      journal_path(path), [&](std::string_view) { ++next; }, nullptr);
  for (;;) {
    write_records(*directory, *journal, next, 1 + next % 23);
    if (::write(acknowledge, &next, sizeof(next)) != sizeof(next)) ::_exit(1);
  }
}

// The last number that the writer acknowledged before it was killed after `delay`; 0: none.
std::uint64_t kill_writer(const fs::path& path, std::chrono::microseconds delay) {
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(pipe[0]);
    try {
      write_for_ever(path, pipe[1]);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "writer: %s\n", error.what());
    }
    ::_exit(1);
  }
  ::close(pipe[1]);
  std::thread killer([&] {
    std::this_thread::sleep_for(delay);
    ::kill(child, SIGKILL);
  });
  std::uint64_t last = 0, number = 0;
  while (::read(pipe[0], &number, sizeof(number)) == sizeof(number)) last = number;
  ::close(pipe[0]);
  killer.join();
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));  // it did not fail by itself
  return last;
}

// All records from 0 on, each once, and the samples that belong to those from `from` on.
std::uint64_t check_records(const fs::path& path, std::uint64_t from) {
  if (!fs::exists(journal_path(path))) return 0;
  std::uint64_t n = 0;
  read_journal(
      journal_path(path),
      [&](std::string_view payload) {
        REQUIRE(payload == record(n));
        if (n >= from && has_sample(n)) {
          std::string text;
          const Image image = read_png(path / "samples" / (sample_name(n) + ".png"), &text);
          REQUIRE(image.pixels == sample_image(n).pixels);
          REQUIRE(text == record(n).substr(0, 20));
        }
        ++n;
      },
      nullptr);
  return n;
}

struct Kills {
  int unmade = 0;  // before there was a run
  int torn = 0;
  std::uint64_t acknowledged = 0;
};

// 100 kills over 5 run directories.
Kills kill_often(Medium medium, int longest_us) {
  Kills kills;
  std::mt19937 random(7);
  for (int run = 0; run < 5; ++run) {
    TemporaryFolder folder(medium);
    const fs::path path = folder / "run";
    std::uint64_t known = 0;
    for (int i = 0; i < 20; ++i) {
      const auto delay = std::chrono::microseconds(random() % static_cast<unsigned>(longest_us));
      const std::uint64_t acknowledged = kill_writer(path, delay);
      kills.unmade += !fs::exists(path / "run.toml");
      const std::uint64_t found = check_records(path, known);
      REQUIRE(found >= std::max(acknowledged, known));
      known = found;
    }
    {
      const auto directory = open_run_directory(path, kToml, kLock);
      open_journal(
          journal_path(path), [](std::string_view) {}, nullptr);
    }
    CHECK(check_records(path, 0) == known);
    if (fs::exists(path / "torn"))
      for ([[maybe_unused]] const auto& entry : fs::directory_iterator(path / "torn")) ++kills.torn;
    kills.acknowledged += known;
  }
  return kills;
}

// A whole small run: 39 records, three samples, a summary. Goes on where it was killed.
void small_run(const fs::path& path) {
  const auto directory = open_run_directory(path, kToml, kLock);
  std::uint64_t next = 0;
  const auto journal = open_journal(
      journal_path(path), [&](std::string_view) { ++next; }, nullptr);
  while (next < 39)
    write_records(*directory, *journal, next, std::min<std::uint64_t>(13, 39 - next));
  if (!directory->finished()) directory->write_file("summary.json", "{\"records\": 39}");
}

enum class Traced { kKilled, kEnded, kNoTracing };

// Runs small_run and kills it at its n-th stop before or after a system call, unless it ends
// before.
Traced kill_at_stop(const fs::path& path, int n) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
    ::raise(SIGSTOP);
    small_run(path);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return Traced::kNoTracing;
  for (int stop = 0; stop < n && WIFSTOPPED(status); ++stop) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
  }
  if (!WIFSTOPPED(status)) {
    REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return Traced::kEnded;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return Traced::kKilled;
}

// What a run leaves, but for the lock's holder and copies of torn tails.
std::map<std::string, std::string> contents(const fs::path& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const std::string name = fs::relative(entry.path(), path).string();
    if (entry.is_regular_file() && name != ".lock" && !name.starts_with("torn/"))
      files[name] = read_bytes(entry.path());
  }
  return files;
}

}  // namespace

TEST_CASE("a hundred random kills in memory lose nothing and double nothing", "[faults][kill]") {
  const Kills kills = kill_often(Medium::kMemory, 12'000);
  INFO(kills.torn << " torn tails, " << kills.unmade << " kills before there was a run");
  CHECK(kills.acknowledged > 0);
}

TEST_CASE("a hundred random kills on disk lose nothing and double nothing", "[faults][kill]") {
  const Kills kills = kill_often(Medium::kDisk, 80'000);
  CHECK(kills.acknowledged > 0);
}

TEST_CASE("a small run killed at every system call ends as one that was never killed",
          "[faults][kill]") {
  TemporaryFolder folder(Medium::kMemory);
  small_run(folder / "undisturbed");
  const auto expected = contents(folder / "undisturbed");
  REQUIRE(expected.size() == 4 + 3);  // files of the run, samples
  int n = 1;
  for (;; n += 2) {  // killed behind one call or before the next is the same
    const fs::path path = folder / fmt::format("run-{}", n);
    const Traced traced = kill_at_stop(path, n);
    if (traced == Traced::kNoTracing) {
      WARN("processes cannot be traced here; kills at random instants are tested all the same");
      return;
    }
    INFO("killed at stop " << n);
    small_run(path);
    REQUIRE(contents(path) == expected);
    fs::remove_all(path);
    if (traced == Traced::kEnded) break;
  }
  CHECK(n > 100);
}
