// status.cpp: what a run has done, counted from its journal; implements read_status of run.hpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <map>

#include "host/disk.hpp"
#include "host/error.hpp"
#include "host/journal.hpp"
#include "host/run.hpp"
#include "host/run_directory.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::uint64_t occurrences(std::string_view text, std::string_view word) {
  std::uint64_t n = 0;
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + word.size()))
    ++n;
  return n;
}

// Counts records by the text that records.cpp writes: to parse a million of them as JSON takes
// seconds, and people poll `status`.
class Tally {
 public:
  void add(std::string_view record) {
    ++records_;
    const std::string_view kind = text_between(record, R"({"k":")", '"');
    if (kind == "done")
      ++task_of(record).done;
    else if (kind == "fail")
      ++task_of(record).failed;
    else if (kind == "ask")
      task_of(record).asked += candidates_of(record);
    else if (kind == "final")
      task_of(record).final = true;
    else if (kind == "clock")
      clock_ = record;
    else if (kind == "run")
      run_ = record;
    else if (kind != "grad")
      throw unreadable();
  }

  void fill(RunStatus& status) const try {
    if (!run_.empty()) status.tasks = json::parse(run_).at("tasks");
    if (!clock_.empty()) {
      const json clock = json::parse(clock_);
      status.seconds = clock.at("seconds");
      status.walked_nfe = clock.at("nfe");
    }
    for (const auto& [index, task] : tasks_) {
      status.tasks_done += task.final ? 1 : 0;
      status.candidates_done += task.done;
      status.candidates_failed += task.failed;
      if (!task.final && task.asked > task.done + task.failed)
        status.candidates_open += task.asked - task.done - task.failed;
    }
  } catch (const json::exception&) {
    throw unreadable();
  }

 private:
  struct TaskCount {
    std::uint64_t asked = 0, done = 0, failed = 0;
    bool final = false;
  };

  static std::string_view text_between(std::string_view text, std::string_view before, char end) {
    const std::size_t at = text.find(before);
    if (at == text.npos) return {};
    text.remove_prefix(at + before.size());
    return text.substr(0, text.find(end));
  }

  // A candidate that is judged again (RESCORE) stands for an old one.
  static std::uint64_t candidates_of(std::string_view ask) {
    const std::size_t list = ask.find(R"(,"c":[)");
    if (list == ask.npos) return 0;
    const std::string rescore = fmt::format(R"("op":{},)", WN_CAND_RESCORE);
    return occurrences(ask.substr(list), R"({"id":)") - occurrences(ask.substr(list), rescore);
  }

  TaskCount& task_of(std::string_view record) {
    const std::string_view digits = text_between(record, R"(,"t":)", ',');
    std::uint64_t index = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), index).ec != std::errc())
      throw unreadable();
    return tasks_[index];
  }

  Error unreadable() const {
    return Error(Exit::kJournal,
                 fmt::format("record {} of the journal is not what this winnow writes", records_));
  }

  std::map<std::uint64_t, TaskCount> tasks_;
  std::string run_, clock_;
  std::uint64_t records_ = 0;
};

// A shared lock is refused while a writer holds its own. It is given back at once, and never taken
// while one is at work.
bool has_writer(const fs::path& directory) {
  const disk::File file(::open((directory / ".lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.fd() < 0) return false;
  return ::flock(file.fd(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

bool has_summary(const fs::path& directory) {
  std::ifstream in(directory / "summary.json", std::ios::binary);
  return in && in.peek() == '{' && json::accept(in);
}

}  // namespace

RunStatus read_status(const fs::path& directory) {
  const fs::path journal = journal_path(directory);
  std::error_code failed;
  if (!fs::is_directory(directory, failed))
    throw Error(Exit::kUsage,
                fmt::format("'{}' is {}, expected a run directory", directory.string(),
                            fs::exists(directory, failed) ? "no folder" : "not there"));
  if (!fs::exists(journal, failed))
    throw Error(Exit::kUsage, fmt::format("'{}' is no run directory: it holds no {}",
                                          directory.string(), journal.filename().string()));
  RunStatus status;
  Tally tally;
  status.locked = has_writer(directory);
  status.finished = has_summary(directory);
  read_journal(
      journal, [&](std::string_view record) { tally.add(record); }, &status.notice);
  // What a writer is just writing looks like a torn tail.
  if (status.locked) status.notice.clear();
  tally.fill(status);
  return status;
}

}  // namespace winnow
