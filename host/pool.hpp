// pool.hpp: recorded runs as pools of results, found by recipe keys: record once, search many.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/png.hpp"
#include "host/recipe_key.hpp"
#include "host/run_identity.hpp"

namespace winnow {

using Schedules = std::array<std::vector<double>, 2>;  // the sampler's times, by profile

// One run directory, finished or not, read into memory: about 150 bytes per candidate. Immutable;
// may be shared by threads.
class Pool {
 public:
  // What was recorded of one candidate, or of one final sample.
  struct Entry {
    std::uint64_t task = 0, candidate = 0;
    std::uint64_t numbers = 0;  // where its scores begin
    std::uint64_t hash = 0;     // of the sample
    double start = 1;           // where its own leg began
    bool has_hash = false;
    const char* file = nullptr;  // "best", "first" or "c": which PNG shows it; null: none
  };

  // Reads without a lock; a torn tail is passed over. `schedules`: of the sampler that made it.
  // Throws Error that names the directory: Exit::kUsage when it is none, Exit::kJournal when it is
  // damaged.
  static std::shared_ptr<const Pool> read(const std::filesystem::path& directory,
                                          const Schedules& schedules);
  // Of a run directory, without its journal.
  static RunIdentity read_identity(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  const RunIdentity& identity() const { return identity_; }
  const Schedules& schedules() const { return scope_.times; }
  std::size_t size() const { return entries_.size(); }

  // Candidates that were made twice have two entries.
  std::vector<const Entry*> find(const RecipeKey& key) const;
  // The values of a gradient noise at position 0; null: not recorded.
  const std::vector<float>* gradient(const RecipeKey& noise) const;
  // All heads of one verifier (in that run's order); empty: it did not judge this one.
  std::vector<float> scores(const Entry& entry, std::size_t verifier) const;
  std::filesystem::path sample_file(const Entry& entry) const;  // empty: none

 private:
  class Loader;
  std::filesystem::path directory_;
  RunIdentity identity_;
  KeyScope scope_;
  std::unordered_multimap<RecipeKey, Entry, RecipeKeyHash> entries_;
  std::unordered_map<RecipeKey, std::vector<float>, RecipeKeyHash> gradients_;
  std::vector<float> numbers_;  // of each entry, for each verifier: how many heads, and the heads
};

// Pools that were read, for a process that executes many runs (RunRequest::pools): each journal is
// read once, and again only when it has changed. Keeps all of them as long as it lives.
// Thread-safe; a second reader waits.
class PoolCache {
 public:
  std::shared_ptr<const Pool> get(const std::filesystem::path& directory,
                                  const Schedules& schedules);

 private:
  struct Kept {
    std::uintmax_t bytes = 0;
    std::filesystem::file_time_type written;
    std::shared_ptr<const Pool> pool;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Kept> kept_;
};

// The pools that one run takes results from.
class Pools {
 public:
  // `mine`: the identity of that run. Throws Error(Exit::kUsage) for a pool that was made by
  // another sampler, and what Pool::read throws. `cache` may be null.
  Pools(const std::vector<std::filesystem::path>& directories, const RunIdentity& mine,
        const Schedules& schedules, PoolCache* cache);

  struct Found {
    std::vector<std::vector<float>> scores;  // in the order of this run's verifiers; empty: none
    std::string hash;                        // as in the journal; empty: not decoded
  };
  // What the pools know of a recipe, taken together. `by_leg`: of each verifier, whether its scores
  // hang on the leg that the candidate was walked in (it looks at previews on the way); such scores
  // are only taken from legs that began at `start`.
  std::optional<Found> find(const RecipeKey& key, double start,
                            const std::vector<bool>& by_leg) const;
  const std::vector<float>* gradient(const RecipeKey& noise) const;  // null: not recorded
  // The sample of a recipe that ends at time 0, as it was written: 8 bits. Nothing when no PNG of
  // it can be read.
  std::optional<Image> sample(const RecipeKey& key) const;

  std::size_t size() const { return pools_.size(); }
  // The keys of the run's own recipes are to be made with these.
  const KeyScope& scope() const { return scope_; }
  const std::string& condition(std::uint64_t task) const { return conditions_.at(task); }

 private:
  struct Member {
    std::shared_ptr<const Pool> pool;
    std::vector<std::optional<std::size_t>> verifiers;  // this run's, as numbered there
  };
  KeyScope scope_;
  std::vector<std::string> conditions_;
  std::vector<Member> pools_;
};

}  // namespace winnow
