// run_directory.cpp: making, checking and locking the folder of a run, and its durable writes.
#include "host/run_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include "host/config.hpp"
#include "host/disk.hpp"
#include "host/error.hpp"
#include "host/folder_lock.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxText = 64ull << 20;       // bytes of run.toml and lock.json
constexpr std::uint64_t kMaxSummary = 1024ull << 20;  // bytes of summary.json
constexpr std::uint64_t kEmptyJournal = 8;            // bytes of one without records
constexpr std::size_t kSyncThreads = 16;

bool is_temporary(const fs::path& path) {
  return path.filename().string().starts_with(disk::kTemporary);
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    found.push_back(at->path());
  if (error) throw disk::failure("read", folder, error.value());
  std::sort(found.begin(), found.end());
  return found;
}

// Also makes the entry in the parent durable: a run that was paid for must not vanish with its
// folder.
void make_folder(const fs::path& folder) {
  if (fs::is_directory(folder)) return;
  const fs::path parent = folder.parent_path();
  if (!parent.empty() && parent != folder) make_folder(parent);
  if (::mkdir(folder.c_str(), 0755) != 0) {
    if (errno == EEXIST && fs::is_directory(folder)) return;
    throw disk::failure("create folder", folder, errno);
  }
  try {
    disk::sync_folder(parent);
  } catch (const Error&) {
    // A parent that may be searched and written, but not read, cannot be opened for this.
  }
}

// What lies in a folder without run.toml and was not left by a writer that was killed while it made
// a run directory there.
std::optional<std::string> stranger(const fs::path& folder) {
  const auto found = entries(folder);
  // The lock is always made first, so without it even a lock.json is somebody else's.
  const bool begun = fs::exists(folder / ".lock");
  for (const auto& path : found) {
    const std::string name = path.filename().string();
    const bool ours =
        begun && (name == ".lock" || name == "lock.json" || is_temporary(path) ||
                  (name == "journal.wnj" && fs::file_size(path) <= kEmptyJournal) ||
                  (name == "samples" && fs::is_directory(path) && entries(path).empty()));
    if (!ours) return name;
  }
  return std::nullopt;
}

void refuse_strangers(const fs::path& folder) {
  const auto found = stranger(folder);
  if (!found) return;
  if (*found == "journal.wnj")
    throw Error(
        Exit::kJournal,
        fmt::format("'{}' has a journal with records but no run.toml; restore run.toml from "
                    "a copy, or give another folder with --out",
                    folder.string()));
  throw Error(Exit::kUsage,
              fmt::format("'{}' is no run directory and not empty: it has '{}' but no run.toml; "
                          "give a new or empty folder with --out",
                          folder.string(), *found));
}

void remove_temporaries(const fs::path& folder) {
  for (const auto& path : entries(folder)) {
    std::error_code error;
    if (is_temporary(path) && !fs::remove_all(path, error) && error)
      throw disk::failure("delete", path, error.value());
  }
}

void create(const fs::path& folder, const std::string& run_toml, const std::string& lock_json) {
  make_folder(folder / "samples");
  open_journal(
      journal_path(folder), [](std::string_view) {}, nullptr);
  disk::replace_file(folder, "lock.json", lock_json);
  // Last: a folder is a run directory from the moment that this is there.
  disk::replace_file(folder, "run.toml", run_toml);
}

// "plugins.sit.sha256: "ab" -> "cd"", one per line.
std::string lock_difference(const std::string& old_text, const std::string& new_text) {
  const auto before = nlohmann::json::parse(old_text).flatten();
  const auto after = nlohmann::json::parse(new_text).flatten();
  std::set<std::string> keys;
  for (const auto* side : {&before, &after})
    for (const auto& item : side->items()) keys.insert(item.key());
  std::string text;
  for (const auto& key : keys) {
    const auto value = [&](const nlohmann::json& side) {
      return side.contains(key) ? side[key].dump() : std::string("(absent)");
    };
    if (value(before) == value(after)) continue;
    std::string name = key.substr(std::min<std::size_t>(1, key.size()));
    std::replace(name.begin(), name.end(), '/', '.');
    text +=
        fmt::format("{}{}: {} -> {}", text.empty() ? "" : "\n", name, value(before), value(after));
  }
  return text;
}

std::string without_program(const std::string& lock_json) {
  auto lock = nlohmann::ordered_json::parse(lock_json);
  lock.erase("program");
  return lock.dump();
}

std::string indented(const std::string& lines) {
  std::string text = "\n  ";
  for (const char c : lines) text += c == '\n' ? std::string("\n  ") : std::string(1, c);
  while (text.ends_with(' ') || text.ends_with('\n')) text.pop_back();
  return text;
}

// The text of a file that every run directory has.
std::string own_file(const fs::path& folder, const std::string& name) {
  if (!fs::exists(folder / name))
    throw Error(Exit::kJournal,
                fmt::format("the run in '{}' has lost its {}; restore it from a copy, or give "
                            "another folder with --out",
                            folder.string(), name));
  return disk::read_all(folder / name, kMaxText);
}

template <typename Difference>
std::string difference(const fs::path& file, const std::string& before, const std::string& after,
                       Difference&& compute) {
  if (before == after) return "";
  try {
    return compute(before, after);
  } catch (const std::exception& error) {
    throw Error(Exit::kJournal, fmt::format("'{}' is damaged ({}); restore it from a copy, or give "
                                            "another folder with --out",
                                            file.string(), error.what()));
  }
}

void check_same(const fs::path& folder, const std::string& run_toml, const std::string& lock_json) {
  if (!fs::exists(journal_path(folder))) own_file(folder, "journal.wnj");
  const std::string config =
      difference(folder / "run.toml", own_file(folder, "run.toml"), run_toml, config_difference);
  if (!config.empty())
    throw Error(Exit::kUsage,
                fmt::format("'{}' holds a run with another config:{}\ngive another folder with "
                            "--out, or go back to the config of {}",
                            folder.string(), indented(config), (folder / "run.toml").string()));
  const std::string lock =
      difference(folder / "lock.json", own_file(folder, "lock.json"), lock_json, lock_difference);
  if (!lock.empty())
    throw Error(Exit::kUsage,
                fmt::format("the run in '{}' was made with other programs or models:{}\ngive "
                            "another folder with --out, or put back what {} names",
                            folder.string(), indented(lock), (folder / "lock.json").string()));
}

void check_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 200 && name.front() != '.' &&
                    std::none_of(name.begin(), name.end(),
                                 [](unsigned char c) { return c == '/' || c < 0x20 || c == 0x7f; });
  if (!good)
    throw Error(Exit::kInternal, fmt::format("'{}' cannot name a file of a run directory, expected "
                                             "1 to 200 bytes, no '/' and no dot in front",
                                             name));
}

bool has_bytes(const fs::path& file, const std::string& bytes) {
  std::error_code error;
  if (fs::file_size(file, error) != bytes.size() || error) return false;
  return disk::read_all(file, bytes.size()) == bytes;
}

// Side by side, because the kernel then makes many small files durable with one write of its own
// journal: five times as fast for 200 files.
void sync_all(const std::vector<fs::path>& files) {
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> errors(std::min(files.size(), kSyncThreads));
  const auto work = [&](std::exception_ptr& error) {
    try {
      for (std::size_t i; (i = next++) < files.size();)
        disk::sync_data(disk::open(files[i], O_RDWR), files[i]);
    } catch (...) {
      error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < errors.size(); ++i)
      threads.emplace_back([&, i] { work(errors[i]); });
    if (!errors.empty()) work(errors[0]);
  }
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

class LockedRunDirectory : public RunDirectory {
 public:
  LockedRunDirectory(fs::path path, disk::File lock)
      : path_(std::move(path)), samples_(path_ / "samples"), lock_(std::move(lock)) {}

  const fs::path& path() const override { return path_; }

  bool finished() const override {
    const fs::path summary = path_ / "summary.json";
    if (!fs::exists(summary)) return false;
    const std::string text = disk::read_all(summary, kMaxSummary);
    const auto begin = text.find_first_not_of(" \t\r\n");
    return begin != std::string::npos && text[begin] == '{' && nlohmann::json::accept(text);
  }

  void write_sample(const std::string& name, const Image& image,
                    const std::string& recipe_json) override {
    check_name(name);
    const std::string file = name + ".png";
    const std::string bytes = encode_png(image, recipe_json);
    pending_.erase(file);
    if (has_bytes(samples_ / file, bytes)) {
      // Perhaps written by a run that was killed before it was durable.
      pending_[file] = samples_ / file;
      return;
    }
    const fs::path temporary = samples_ / (std::string(disk::kTemporary) + file);
    disk::write_new(temporary, bytes, /*durable=*/false);
    pending_[file] = temporary;
  }

  void commit(Journal& journal) override {
    if (!broken_.empty()) throw Error(Exit::kResources, broken_);
    if (!pending_.empty()) publish_samples();
    journal.commit();
  }

  void write_file(const std::string& name, std::string_view bytes) override {
    check_name(name);
    if (name == "run.toml" || name == "lock.json" || name == "journal.wnj" || name == "samples" ||
        name == "torn")
      throw Error(Exit::kInternal, fmt::format("'{}' belongs to the run directory itself", name));
    disk::replace_file(path_, name, bytes);
  }

 private:
  void publish_samples() {
    std::vector<fs::path> files;
    for (const auto& [name, file] : pending_) files.push_back(file);
    try {
      sync_all(files);
    } catch (const Error& error) {
      // A second sync would say yes, although the kernel may have dropped the bytes.
      broken_ = error.what();
      throw;
    }
    for (auto& [name, file] : pending_) {
      if (!is_temporary(file)) continue;
      const fs::path target = samples_ / name;
      if (std::rename(file.c_str(), target.c_str()) != 0)
        throw disk::failure("write", target, errno);
      file = target;
    }
    disk::sync_folder(samples_);
    pending_.clear();
  }

  fs::path path_;
  fs::path samples_;
  disk::File lock_;
  std::map<std::string, fs::path> pending_;  // file name, and where its bytes are until the commit
  std::string broken_;
};

}  // namespace

fs::path journal_path(const fs::path& run_directory) { return run_directory / "journal.wnj"; }

std::unique_ptr<RunDirectory> open_run_directory(const fs::path& path, const std::string& run_toml,
                                                 const std::string& lock_json) try {
  if (path.empty()) throw Error(Exit::kUsage, "the run directory's path is empty");
  const fs::path folder = path.has_filename() ? path : path.parent_path();
  make_folder(folder);
  const auto is_run = [&] { return fs::exists(folder / "run.toml"); };
  if (!is_run()) refuse_strangers(folder);  // before the lock, so that nothing is left in them
  disk::File lock = lock_folder(folder);
  if (is_run()) {
    check_same(folder, run_toml, lock_json);
    make_folder(folder / "samples");
    remove_temporaries(folder);
    remove_temporaries(folder / "samples");
  } else {
    refuse_strangers(folder);
    remove_temporaries(folder);
    create(folder, run_toml, lock_json);
  }
  return std::make_unique<LockedRunDirectory>(folder, std::move(lock));
} catch (const fs::filesystem_error& error) {
  throw disk::failure("use", error.path1(), error.code().value());
}

std::string files_changed_since(const fs::path& run, const std::string& lock_json) {
  return difference(run / "lock.json", own_file(run, "lock.json"), lock_json,
                    [](const std::string& before, const std::string& after) {
                      return lock_difference(without_program(before), without_program(after));
                    });
}

}  // namespace winnow
