// pool.cpp: see pool.hpp.
#include "host/pool.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <set>

#include "host/disk.hpp"
#include "host/records.hpp"
#include "host/run_directory.hpp"
#include "host/sha256.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kMaxText = 64ull << 20;
constexpr const char *kBest = "best", *kFirst = "first", *kOwn = "c";

std::string text_of(const fs::path& directory, const char* name) {
  if (!fs::exists(directory / name))
    throw Error(Exit::kUsage, fmt::format("it has no {}, so it is no run directory", name));
  return disk::read_all(directory / name, kMaxText);
}

template <typename Read>
auto naming(const fs::path& directory, Read read) {
  const auto text = [&](const char* why) {
    return fmt::format("pool '{}' cannot be used: {}", directory.string(), why);
  };
  try {
    return read();
  } catch (const Error& error) {
    throw Error(error.exit(), text(error.what()));
  } catch (const json::exception& error) {
    throw Error(Exit::kJournal, text(error.what()));
  }
}

}  // namespace

// Turns the records of a journal into entries.
class Pool::Loader {
 public:
  explicit Loader(Pool& pool, std::string config_hash)
      : pool_(pool), config_hash_(std::move(config_hash)) {}

  void add(std::string_view payload) {
    const json record = json::parse(payload);
    const std::string& kind = record.at("k").get_ref<const std::string&>();
    if (kind == "ask") asked(record);
    if (kind == "done") done(record);
    if (kind == "grad")
      pool_.gradients_[live(record.at("t")).keys.of_noise(record.at("n"))] = gradient_of(record);
    if (kind == "final") over(record);
    if (kind == "run" && record.at("config") != config_hash_)
      throw Error(Exit::kJournal, "the journal belongs to another run.toml than the one beside it");
  }

 private:
  struct Live {
    Live(const KeyScope& scope, std::string condition) : keys(scope, std::move(condition)) {}
    RecipeKeys keys;
    std::uint64_t first = 0;           // the first candidate that is scored at time 0
    std::set<std::uint64_t> finished;  // those that end at time 0
  };

  Live& live(std::uint64_t task) {
    const auto found = live_.find(task);
    if (found != live_.end()) return found->second;
    return live_.try_emplace(task, pool_.scope_, pool_.identity_.conditions.at(task)).first->second;
  }

  void asked(const json& record) {
    Live& task = live(record.at("t"));
    const AskedRecipes recipes = recipes_of(record);
    for (const Noise& noise : recipes.noises) task.keys.add(noise);
    for (const Candidate& c : recipes.candidates) {
      task.keys.add(c);
      if (!c.scored || c.stop_time > 0 || c.op == WN_CAND_RESCORE) continue;
      if (!task.first) task.first = c.id;
      if (pool_.identity_.keeps_all || task.first == c.id) task.finished.insert(c.id);
    }
  }

  void done(const json& record) {
    Entry entry;
    entry.task = record.at("t");
    entry.candidate = record.at("c");
    Live& task = live(entry.task);
    entry.start = task.keys.start_of(entry.candidate);
    if (task.finished.contains(entry.candidate))
      entry.file = pool_.identity_.keeps_all ? kOwn : kFirst;
    insert(task.keys.of(entry.candidate), entry, record.at("s").get<ScoreTable>(),
           record.value("h", std::string()));
  }

  void over(const json& record) {
    const std::uint64_t task = record.at("t");
    const json& made = record.at("entry");
    if (made.contains("best")) {
      Entry entry;
      entry.task = task;
      entry.candidate = made.at("best").at("candidate");
      entry.file = kBest;
      const RecipeKeys& keys = live(task).keys;
      const std::string& how = made.at("best").at("made").get_ref<const std::string&>();
      entry.start = how == "as it is"    ? keys.start_of(entry.candidate)
                    : how == "completed" ? made.at("best").at("path").back().at("to").get<double>()
                                         : 1.0;
      insert(final_key(keys, made.at("best")), entry, scores_by_name(made), made.at("hash"));
    }
    live_.erase(task);
  }

  static RecipeKey final_key(const RecipeKeys& keys, const json& best) {
    const std::uint64_t id = best.at("candidate");
    const json &root = best.at("path").front(), &last = best.at("path").back();
    if (best.at("made") == "regenerated")
      return keys.of(regenerated_recipe(root.at("n"), root.value("st", 0.0)));
    if (best.at("made") == "completed")
      return keys.of(completed_recipe(id, last.value("prof", 0u)));
    return keys.of(id);
  }

  ScoreTable scores_by_name(const json& made) const {
    ScoreTable scores;
    for (const RunIdentity::Judge& judge : pool_.identity_.verifiers) {
      scores.emplace_back();
      const json& one = made.at("scores");
      if (one.contains(judge.name)) scores.back() = {one.at(judge.name).get<float>()};
      if (made.contains("heads") && made.at("heads").contains(judge.name))
        made.at("heads").at(judge.name).get_to(scores.back());
    }
    return scores;
  }

  void insert(const RecipeKey& key, Entry entry, const ScoreTable& scores,
              const std::string& hash) {
    if (!key) return;
    entry.numbers = pool_.numbers_.size();
    for (std::size_t v = 0; v < pool_.identity_.verifiers.size(); ++v) {
      const std::vector<float> heads = v < scores.size() ? scores[v] : std::vector<float>{};
      pool_.numbers_.push_back(static_cast<float>(heads.size()));
      pool_.numbers_.insert(pool_.numbers_.end(), heads.begin(), heads.end());
    }
    if (!hash.empty()) {
      std::from_chars(hash.data(), hash.data() + hash.size(), entry.hash, 16);
      entry.has_hash = true;
    }
    pool_.entries_.emplace(key, entry);
  }

  Pool& pool_;
  std::string config_hash_;
  std::map<std::uint64_t, Live> live_;
};

RunIdentity Pool::read_identity(const fs::path& directory) {
  return naming(directory, [&] {
    return identity_of(text_of(directory, "run.toml"), text_of(directory, "lock.json"));
  });
}

std::shared_ptr<const Pool> Pool::read(const fs::path& directory, const Schedules& schedules) {
  return naming(directory, [&] {
    auto pool = std::make_shared<Pool>();
    const std::string run_toml = text_of(directory, "run.toml");
    pool->directory_ = directory;
    pool->identity_ = identity_of(run_toml, text_of(directory, "lock.json"));
    pool->scope_ = {schedules, pool->identity_.objective};
    Loader loader(*pool, sha256_hex(run_toml));
    read_journal(
        journal_path(directory), [&](std::string_view payload) { loader.add(payload); }, nullptr);
    pool->numbers_.shrink_to_fit();
    return pool;
  });
}

std::vector<const Pool::Entry*> Pool::find(const RecipeKey& key) const {
  std::vector<const Entry*> found;
  const auto [begin, end] = entries_.equal_range(key);
  for (auto at = begin; at != end; ++at) found.push_back(&at->second);
  return found;
}

const std::vector<float>* Pool::gradient(const RecipeKey& noise) const {
  const auto found = gradients_.find(noise);
  return found == gradients_.end() ? nullptr : &found->second;
}

std::vector<float> Pool::scores(const Entry& entry, std::size_t verifier) const {
  auto at = numbers_.begin() + static_cast<std::ptrdiff_t>(entry.numbers);
  const auto heads = [&] { return static_cast<std::ptrdiff_t>(*at); };
  for (; verifier > 0; --verifier) at += 1 + heads();
  return {at + 1, at + 1 + heads()};
}

fs::path Pool::sample_file(const Entry& entry) const {
  if (!entry.file) return {};
  const std::string number = entry.file == kOwn ? fmt::format("{:06}", entry.candidate) : "";
  return directory_ / "samples" / fmt::format("t{:05}-{}{}.png", entry.task, entry.file, number);
}

std::shared_ptr<const Pool> PoolCache::get(const fs::path& directory, const Schedules& schedules) {
  const std::lock_guard lock(mutex_);
  std::error_code missing;
  const fs::path journal = journal_path(directory);
  Kept now{fs::file_size(journal, missing), fs::last_write_time(journal, missing), nullptr};
  Kept& kept = kept_[fs::weakly_canonical(directory).string()];
  const bool same = kept.pool && !missing && kept.bytes == now.bytes &&
                    kept.written == now.written && kept.pool->schedules() == schedules;
  if (same) return kept.pool;
  kept = {};
  now.pool = Pool::read(directory, schedules);
  kept = now;
  return kept.pool;
}

Pools::Pools(const std::vector<fs::path>& directories, const RunIdentity& mine,
             const Schedules& schedules, PoolCache* cache)
    : scope_{schedules, mine.objective}, conditions_(mine.conditions) {
  for (const fs::path& directory : directories) {
    const RunIdentity theirs = Pool::read_identity(directory);
    const std::string difference = first_difference(theirs.sampler, mine.sampler);
    if (!difference.empty())
      throw Error(Exit::kUsage,
                  fmt::format("pool '{}' was made by another sampler than this run's: {}; a pool "
                              "serves runs of the same sampler, options and model files",
                              directory.string(), difference));
    Member member;
    member.pool = cache ? cache->get(directory, schedules) : Pool::read(directory, schedules);
    for (const RunIdentity::Judge& judge : mine.verifiers) {
      auto& there = member.verifiers.emplace_back();
      for (std::size_t v = theirs.verifiers.size(); v-- > 0;)
        if (theirs.verifiers[v].plugin == judge.plugin) there = v;
    }
    pools_.push_back(std::move(member));
  }
}

std::optional<Pools::Found> Pools::find(const RecipeKey& key, double start,
                                        const std::vector<bool>& by_leg) const {
  std::optional<Found> result;
  if (!key) return result;
  for (const Member& member : pools_) {
    for (const Pool::Entry* entry : member.pool->find(key)) {
      if (!result) result.emplace().scores.resize(member.verifiers.size());
      if (result->hash.empty() && entry->has_hash)
        result->hash = fmt::format("{:016x}", entry->hash);
      for (std::size_t v = 0; v < member.verifiers.size(); ++v) {
        const bool holds = !by_leg[v] || entry->start == start;
        if (holds && result->scores[v].empty() && member.verifiers[v])
          result->scores[v] = member.pool->scores(*entry, *member.verifiers[v]);
      }
    }
  }
  return result;
}

const std::vector<float>* Pools::gradient(const RecipeKey& noise) const {
  for (const Member& member : pools_)
    if (const auto* values = noise ? member.pool->gradient(noise) : nullptr) return values;
  return nullptr;
}

std::optional<Image> Pools::sample(const RecipeKey& key) const {
  for (const Member& member : pools_) {
    for (const Pool::Entry* entry : member.pool->find(key)) {
      const fs::path file = member.pool->sample_file(*entry);
      if (file.empty() || !fs::exists(file)) continue;
      try {
        return read_png(file);
      } catch (const Error&) {
        continue;  // damaged: as if it were not there
      }
    }
  }
  return std::nullopt;
}

}  // namespace winnow
