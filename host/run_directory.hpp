// run_directory.hpp: the folder where a run lives:
//   run.toml (resolved config)  lock.json (hashes)  journal.wnj  samples/*.png  gallery.png
//   summary.json  .lock
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/journal.hpp"
#include "host/png.hpp"

namespace winnow {

// The writer's view. Holds an flock on .lock; a second writer gets Error(Exit::kJournal) that names
// the holder's pid and host.
class RunDirectory {
 public:
  virtual ~RunDirectory() = default;
  virtual const std::filesystem::path& path() const = 0;
  virtual bool finished() const = 0;  // summary.json is there and complete
  // Writes samples/<name>.png to a temporary file and renames it; durable (file, then folder) after
  // the next commit(). A file with equal bytes that is already there is left alone.
  virtual void write_sample(const std::string& name, const Image& image,
                            const std::string& recipe_json) = 0;
  // Makes samples durable first, then the journal's buffered records.
  virtual void commit(Journal& journal) = 0;
  // Atomic (temporary file, fsync, rename, fsync of the folder): for summary.json, gallery.png and
  // the like.
  virtual void write_file(const std::string& name, std::string_view bytes) = 0;
};

// Creates the folder (and parents) with run.toml and lock.json, or opens it for going on. An
// existing run with another config is refused: Error(Exit::kUsage) with the difference and the two
// ways out. A lock.json that differs (plugin, model or binary changed): refused in the same way. A
// folder that is not empty and no run directory is refused. Unwritable folder: Error(Exit::kUsage);
// full disk: Error(Exit::kResources).
std::unique_ptr<RunDirectory> open_run_directory(const std::filesystem::path& path,
                                                 const std::string& run_toml,
                                                 const std::string& lock_json);

std::filesystem::path journal_path(const std::filesystem::path& run_directory);

}  // namespace winnow
