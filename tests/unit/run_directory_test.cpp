// run_directory_test.cpp: making, continuing, refusing and locking a run directory; durable writes.
#include "host/run_directory.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "host/error.hpp"
#include "host/folder_lock.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using winnow::test::read_bytes;
using winnow::test::TemporaryFolder;
using winnow::test::write_bytes;
namespace fs = std::filesystem;

namespace {

const std::string kToml = "seed = 1\n";
const std::string kLock = R"({"plugins":{"sit":{"sha256":"aa"}},"winnow":"1"})";

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

Failure refusal(const fs::path& path, const std::string& toml = kToml,
                const std::string& lock = kLock) {
  return failure([&] { open_run_directory(path, toml, lock); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::unique_ptr<Journal> open_journal_of(const RunDirectory& directory) {
  return open_journal(
      journal_path(directory.path()), [](std::string_view) {}, nullptr);
}

Image dot(std::uint8_t value) { return {1, 1, 1, {value}}; }

std::vector<std::string> names(const fs::path& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder))
    found.push_back(entry.path().filename().string());
  std::sort(found.begin(), found.end());
  return found;
}

// Runs `action` in a child process; returns its exit status.
int in_child(const std::function<int()>& action) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(action());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a new run directory has the config, the hashes and an empty journal",
          "[run_directory]") {
  TemporaryFolder folder;
  const auto directory = open_run_directory(folder / "a/b/run", kToml, kLock);
  CHECK(directory->path() == folder / "a/b/run");
  CHECK(names(folder / "a/b/run") ==
        std::vector<std::string>{".lock", "journal.wnj", "lock.json", "run.toml", "samples"});
  CHECK(read_bytes(folder / "a/b/run/run.toml") == kToml);
  CHECK(read_bytes(folder / "a/b/run/lock.json") == kLock);
  CHECK_FALSE(directory->finished());
}

TEST_CASE("folders get 0755 and files 0644, less the umask", "[run_directory]") {
  TemporaryFolder folder;
  const auto mode = [&](const std::string& name) {
    struct stat status;
    REQUIRE(::stat((folder / name).c_str(), &status) == 0);
    return status.st_mode & 0777;
  };
  const mode_t before = ::umask(0);
  open_run_directory(folder / "open", kToml, kLock);
  ::umask(077);
  open_run_directory(folder / "closed", kToml, kLock);
  ::umask(before);
  CHECK(mode("open") == 0755);
  CHECK(mode("open/run.toml") == 0644);
  CHECK(mode("closed") == 0700);
  CHECK(mode("closed/run.toml") == 0600);
}

TEST_CASE("the same config and hashes go on in the same folder", "[run_directory]") {
  TemporaryFolder folder;
  for (int i = 0; i < 3; ++i) {
    const auto directory = open_run_directory(folder / "run/", kToml, kLock);
    const auto journal = open_journal_of(*directory);
    CHECK(journal->bytes() == 8 + 9 * static_cast<std::uint64_t>(i));
    journal->append("x");
    directory->commit(*journal);
  }
}

TEST_CASE("a changed config is refused with the difference and two ways out", "[run_directory]") {
  TemporaryFolder folder;
  open_run_directory(folder / "run", kToml, kLock);
  const Failure failed = refusal(folder / "run", "seed = 2\n");
  CHECK(failed.exit == Exit::kUsage);
  CHECK(contains(failed.text, "seed"));
  CHECK(contains(failed.text, "--out"));
  CHECK(contains(failed.text, "go back to the config"));
  CHECK(read_bytes(folder / "run/run.toml") == kToml);
}

TEST_CASE("changed programs or models are refused with what changed", "[run_directory]") {
  TemporaryFolder folder;
  open_run_directory(folder / "run", kToml, kLock);
  const Failure failed = refusal(folder / "run", kToml,
                                 R"({"plugins":{"sit":{"sha256":"bb"}},"winnow":"1","model":"m"})");
  CHECK(failed.exit == Exit::kUsage);
  CHECK(contains(failed.text, "plugins.sit.sha256: \"aa\" -> \"bb\""));
  CHECK(contains(failed.text, "model: (absent) -> \"m\""));
  CHECK_FALSE(contains(failed.text, "winnow:"));
  CHECK(contains(failed.text, "--out"));
  // The same hashes in another order are the same.
  open_run_directory(folder / "run", kToml, R"({"winnow":"1", "plugins":{"sit":{"sha256":"aa"}}})");
}

TEST_CASE("a folder with other things in it is refused and left as it was", "[run_directory]") {
  TemporaryFolder folder;
  for (const std::string name : {"notes.txt", "lock.json", "journal.wnj", ".tmp-x"}) {
    const fs::path other = folder / ("with-" + name);
    fs::create_directory(other);
    write_bytes(other / name, "mine");
    const Failure failed = refusal(other);
    CHECK(failed.exit != Exit::kDone);
    CHECK(contains(failed.text, "--out"));
    CHECK(names(other) == std::vector<std::string>{name});
  }
  write_bytes(folder / "file", "mine");
  CHECK(refusal(folder / "file").exit == Exit::kUsage);
}

TEST_CASE("a folder whose making was interrupted counts as fresh", "[run_directory]") {
  TemporaryFolder folder;
  const fs::path run = folder / "run";
  fs::create_directories(run / "samples");
  write_bytes(run / ".lock", "");
  write_bytes(run / "journal.wnj", "WNJR");
  write_bytes(run / "lock.json", "{\"half\":");
  write_bytes(run / ".tmp-run.toml", "se");
  const auto directory = open_run_directory(run, kToml, kLock);
  CHECK(read_bytes(run / "lock.json") == kLock);
  CHECK_FALSE(fs::exists(run / ".tmp-run.toml"));
  CHECK(open_journal_of(*directory)->bytes() == 8);
}

TEST_CASE("a run that lost its journal, hashes or config is refused", "[run_directory]") {
  TemporaryFolder folder;
  for (const std::string name : {"journal.wnj", "lock.json", "run.toml"}) {
    const fs::path run = folder / ("without-" + name);
    {
      const auto directory = open_run_directory(run, kToml, kLock);
      const auto journal = open_journal_of(*directory);
      journal->append("x");
      directory->commit(*journal);
    }
    fs::remove(run / name);
    const Failure failed = refusal(run);
    CHECK(failed.exit == Exit::kJournal);
    CHECK(contains(failed.text, name));
    CHECK_FALSE(fs::exists(run / name));
  }
}

TEST_CASE("a second writer is refused by the name of the first", "[run_directory]") {
  TemporaryFolder folder;
  const auto directory = open_run_directory(folder / "run", kToml, kLock);
  const int status = in_child([&] {
    const Failure failed = refusal(folder / "run");
    const std::string holder = "process " + std::to_string(::getppid()) + " on host '";
    return failed.exit == Exit::kJournal && contains(failed.text, holder) ? 0 : 1;
  });
  CHECK(status == 0);
  CHECK(refusal(folder / "run").exit == Exit::kJournal);  // in the same process too
}

TEST_CASE("the lock goes with its holder, and a stale name in it does not count",
          "[run_directory]") {
  TemporaryFolder folder;
  CHECK(in_child([&] {
          const auto kept = open_run_directory(folder / "run", kToml, kLock).release();
          return kept ? 0 : 1;  // dies with the lock held
        }) == 0);
  CHECK(contains(read_bytes(folder / "run/.lock"), "\"pid\""));
  open_run_directory(folder / "run", kToml, kLock);
}

TEST_CASE("a lock file that was deleted does not let two writers in", "[run_directory]") {
  TemporaryFolder folder;
  const auto first = lock_folder(folder.path());
  fs::remove(folder / ".lock");
  const auto second = lock_folder(folder.path());  // the best that can be done: the name is free
  CHECK(failure([&] { lock_folder(folder.path()); }).exit == Exit::kJournal);
}

TEST_CASE("samples appear with the commit and carry their recipe", "[run_directory]") {
  TemporaryFolder folder;
  const auto directory = open_run_directory(folder / "run", kToml, kLock);
  const auto journal = open_journal_of(*directory);
  directory->write_sample("t0", dot(1), "{\"id\":1}");
  CHECK_FALSE(fs::exists(folder / "run/samples/t0.png"));
  directory->write_sample("t0", dot(2), "{\"id\":2}");  // the later one counts
  directory->write_sample("t1", dot(3), "{\"id\":3}");
  journal->append("both");
  directory->commit(*journal);
  CHECK(journal->bytes() == 8 + 8 + 4);
  std::string text;
  CHECK(read_png(folder / "run/samples/t0.png", &text).pixels[0] == 2);
  CHECK(text == "{\"id\":2}");
  CHECK(names(folder / "run/samples") == std::vector<std::string>{"t0.png", "t1.png"});
}

TEST_CASE("a committed sample survives an uncommitted newer one", "[run_directory]") {
  TemporaryFolder folder;
  {
    const auto directory = open_run_directory(folder / "run", kToml, kLock);
    const auto journal = open_journal_of(*directory);
    directory->write_sample("t0", dot(1), "{}");
    directory->commit(*journal);
    directory->write_sample("t0", dot(2), "{}");
  }
  open_run_directory(folder / "run", kToml, kLock);
  CHECK(names(folder / "run/samples") == std::vector<std::string>{"t0.png"});
  CHECK(read_png(folder / "run/samples/t0.png").pixels[0] == 1);
}

TEST_CASE("a sample with equal bytes is left alone, also in place of a pending one",
          "[run_directory]") {
  TemporaryFolder folder;
  const auto directory = open_run_directory(folder / "run", kToml, kLock);
  const auto journal = open_journal_of(*directory);
  const auto inode = [&] {
    struct stat status;
    REQUIRE(::stat((folder / "run/samples/t0.png").c_str(), &status) == 0);
    return status.st_ino;
  };
  directory->write_sample("t0", dot(1), "{}");
  directory->commit(*journal);
  const auto before = inode();
  directory->write_sample("t0", dot(2), "{}");
  directory->write_sample("t0", dot(1), "{}");
  directory->commit(*journal);
  CHECK(inode() == before);
  CHECK(read_png(folder / "run/samples/t0.png").pixels[0] == 1);
}

TEST_CASE("many samples become visible in one commit", "[run_directory]") {
  TemporaryFolder folder;
  const auto directory = open_run_directory(folder / "run", kToml, kLock);
  const auto journal = open_journal_of(*directory);
  for (int i = 0; i < 100; ++i) directory->write_sample(std::to_string(i), dot(1), "{}");
  directory->commit(*journal);
  CHECK(names(folder / "run/samples").size() == 100);
}

TEST_CASE("names that leave the folder or hide in it are refused", "[run_directory]") {
  TemporaryFolder folder;
  const auto directory = open_run_directory(folder / "run", kToml, kLock);
  for (const std::string& name :
       {std::string(), std::string(".."), std::string("a/b"), std::string("../x"),
        std::string(".lock"), std::string("a\0b", 3), std::string("a\nb"), std::string(201, 'a')}) {
    CHECK(failure([&] { directory->write_sample(name, dot(1), "{}"); }).exit == Exit::kInternal);
    CHECK(failure([&] { directory->write_file(name, "x"); }).exit == Exit::kInternal);
  }
  for (const char* name : {"run.toml", "lock.json", "journal.wnj", "samples"})
    CHECK(failure([&] { directory->write_file(name, "x"); }).exit == Exit::kInternal);
  CHECK(read_bytes(folder / "run/run.toml") == kToml);
}

TEST_CASE("a run is finished when its summary is a whole JSON object", "[run_directory]") {
  TemporaryFolder folder;
  const auto directory = open_run_directory(folder / "run", kToml, kLock);
  for (const char* half : {"", "{\"ledger\": {", "[1]", "7"}) {
    write_bytes(folder / "run/summary.json", half);
    CHECK_FALSE(directory->finished());
  }
  directory->write_file("summary.json", "{\"ledger\": {}}\n");
  CHECK(directory->finished());
  CHECK(read_bytes(folder / "run/summary.json") == "{\"ledger\": {}}\n");
  CHECK_FALSE(fs::exists(folder / "run/.tmp-summary.json"));
}

TEST_CASE("a folder that cannot be written is a mistake of usage", "[run_directory]") {
  TemporaryFolder folder;
  write_bytes(folder / "file", "");
  CHECK(refusal(folder / "file/run").exit == Exit::kUsage);
  CHECK(refusal("").exit == Exit::kUsage);
  fs::create_directory(folder / "closed");
  fs::permissions(folder / "closed", fs::perms(0555));
  const int status = in_child([&] {
    if (::geteuid() == 0) {
      fs::permissions(folder.path(), fs::perms(0755));
      if (::setresuid(65534, 65534, 65534) != 0) return 2;
    }
    const Failure made = refusal(folder / "closed/run");
    const Failure used = refusal(folder / "closed");
    return made.exit == Exit::kUsage && contains(made.text, "closed/run") &&
                   used.exit == Exit::kUsage && contains(used.text, "ermission denied")
               ? 0
               : 1;
  });
  CHECK(status == 0);
}
