// run_directory.hpp: the folder where a run lives:
//   run.toml (resolved config)  lock.json (hashes)  journal.wnj  samples/*.png  gallery.png
//   summary.json  .lock
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "host/journal.hpp"
#include "host/png.hpp"

namespace winnow {

// The writer's view. Holds an flock on .lock; a second writer gets Error(Exit::kJournal) that names
// the holder's pid and host. Not thread-safe. A name in it is one part of a path: 1 to 200 bytes,
// no
// '/', no control byte, no dot in front; else Error(Exit::kInternal).
class RunDirectory {
 public:
  virtual ~RunDirectory() = default;
  virtual const std::filesystem::path& path() const = 0;
  virtual bool finished() const = 0;  // summary.json is there and a whole JSON object
  // Writes samples/<name>.png to a temporary file; it appears under its name, durable (file, then
  // folder), with the next commit(), so that no older sample is lost by a kill in between. A file
  // with equal bytes that is already there is left alone. Full disk: Error(Exit::kResources),
  // earlier samples stay.
  virtual void write_sample(const std::string& name, const Image& image,
                            const std::string& recipe_json) = 0;
  // Makes samples durable first, then the journal's buffered records. After a full disk it may be
  // called again; after an I/O error in a sample it goes on failing, and the same command goes on.
  virtual void commit(Journal& journal) = 0;
  // Atomic (temporary file, fsync, rename, fsync of the folder): for summary.json, gallery.png and
  // the like. The files of the run directory itself (run.toml, lock.json, journal.wnj) are refused.
  virtual void write_file(const std::string& name, std::string_view bytes) = 0;
};

// Creates the folder (and parents) with an empty journal, lock.json and, last, run.toml, or opens
// it for going on; killed at any instant in between, the same call goes on. What a killed writer
// left half done is deleted. An existing run with another config is refused: Error(Exit::kUsage)
// with the difference and the two ways out. A lock.json that differs (plugin, model or binary
// changed): refused in the same way. A folder that is not empty and no run directory is refused
// untouched. Unwritable folder: Error(Exit::kUsage); full disk: Error(Exit::kResources); a run
// directory that lacks its journal or lock.json: Error(Exit::kJournal).
std::unique_ptr<RunDirectory> open_run_directory(const std::filesystem::path& path,
                                                 const std::string& run_toml,
                                                 const std::string& lock_json);

std::filesystem::path journal_path(const std::filesystem::path& run_directory);

// What of a run's plugins and models differs from what `lock_json` says, one per line; the program
// itself is not asked. Empty: nothing. Throws Error(Exit::kJournal) when the run's lock is lost or
// damaged.
std::string files_changed_since(const std::filesystem::path& run, const std::string& lock_json);

}  // namespace winnow
