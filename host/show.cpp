// show.cpp: one candidate made again from its recipe (show_candidate of run.hpp).
#include <fcntl.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "host/assembly.hpp"
#include "host/disk.hpp"
#include "host/engine.hpp"
#include "host/run.hpp"
#include "host/run_directory.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Replays one task's search from the journal, up to the round that holds the wanted candidate;
// makes nothing.
class Replay {
 public:
  Replay(Assembly& assembly, const TaskSpec& spec, std::uint64_t index)
      : task_(index, spec, assembly.make_search(), assembly.frame()) {}

  Task& task() { return task_; }

  // True once the candidate has been asked for.
  bool until(std::uint64_t wanted, const std::vector<std::string>& asks,
             std::unordered_map<std::uint64_t, DoneRecord>& done,
             const History::Gradients& gradients) {
    for (const std::string& payload : asks) {
      const std::int64_t up = time_up_after(payload);
      const Asked asked =
          task_.ask([&](std::size_t n) { return up >= 0 && n >= static_cast<std::size_t>(up); });
      for (std::uint64_t noise : asked.noises)
        if (const auto made = gradients.find(noise); made != gradients.end())
          task_.noises().set(noise, made->second);
      for (std::uint64_t id : asked.candidates)
        if (id == wanted) return true;
      for (std::uint64_t id : asked.candidates) finish(id, done);
      if (task_.round_complete()) task_.tell();
      if (task_.done()) break;
    }
    return false;
  }

 private:
  void finish(std::uint64_t id, std::unordered_map<std::uint64_t, DoneRecord>& done) {
    if (task_.candidate(id).state != CandidateState::kOpen) return;
    const auto found = done.find(id);
    if (found == done.end())
      throw Error(Exit::kUsage, fmt::format("candidate {} has no result yet", id));
    if (found->second.error.empty())
      task_.succeed(id, found->second.scores);
    else
      task_.fail(id, found->second.error);
  }

  Task task_;
};

// Walks one candidate, parents first.
class Maker {
 public:
  Maker(Assembly& assembly, Task& task, bool fixed_shape)
      : assembly_(assembly),
        task_(task),
        walker_(assembly.sampler(), assembly.batch(), fixed_shape) {}

  // Calls look(samples, walk) with one sample when the candidate's sample or preview is there.
  template <typename Look>
  void make(std::uint64_t id, Look look) {
    const Candidate& c = task_.candidate(id);
    auto walk = walk_of(c, task_, assembly_.frame());
    begin(*walk, c);
    walk->wants_preview = c.scored && c.stop_time > 0;
    walk->wants_sample = c.scored && c.stop_time == 0;
    want_previews(*walk, assembly_.frame());
    if (walk->stage == Stage::kDone)
      walk->stage = walk->wants_preview ? Stage::kPreview : Stage::kDecode;
    run(std::move(walk), look);
  }

 private:
  void begin(Walk& walk, const Candidate& c) {
    if (c.parent) walk.latent = latent_of(c.parent);
    if (c.op == WN_CAND_JITTER) apply_jitter(walk);
  }

  Latent latent_of(std::uint64_t id) {
    const Candidate& c = task_.candidate(id);
    auto walk = walk_of(c, task_, assembly_.frame());
    begin(*walk, c);
    return run(std::move(walk), [](const Tensor&, const Walk&) {});
  }

  template <typename Look>
  Latent run(std::unique_ptr<Walk> walk, Look look) {
    if (walk->stage == Stage::kDone) return std::move(walk->latent);
    walker_.add(std::move(walk));
    std::vector<std::unique_ptr<Walk>> finished;
    while (walker_.in_flight()) {
      const SampleBatch batch = walker_.advance(finished);
      if (batch.walks.empty()) continue;
      const Walk& made = *batch.walks.front();
      if (made.stage == Stage::kDone && made.failure.empty()) look(*batch.samples, made);
    }
    if (!finished.front()->failure.empty())
      throw Error(Exit::kPlugin, "made again, it failed: " + finished.front()->failure);
    return std::move(finished.front()->latent);
  }

  Assembly& assembly_;
  Task& task_;
  Walker walker_;
};

void compare(const Scorer& scorer, const Exhibit& exhibit, const DoneRecord& known, Shown& shown) {
  for (std::size_t v = 0; v < scorer.size(); ++v) {
    if (exhibit.scores[v].empty()) continue;
    shown.scores[scorer.verifier(v).use().name] = exhibit.scores[v].front();
    if (v >= known.scores.size() || known.scores[v].empty()) continue;
    const double difference = std::abs(exhibit.scores[v].front() - known.scores[v].front());
    shown.largest_score_difference = std::max(shown.largest_score_difference, difference);
  }
}

std::uint64_t best_of(const fs::path& directory, std::uint64_t task) {
  std::ifstream in(directory / "summary.json");
  if (!in) throw Error(Exit::kUsage, "the run is not finished; name a candidate");
  const Json entry = Json::parse(in).at("tasks").at(task);
  if (!entry.contains("best"))
    throw Error(Exit::kUsage, fmt::format("task {} has no best candidate", task));
  return entry.at("best").at("candidate");
}

}  // namespace

Shown show_candidate(const RunConfig& config, const Registry& registry, const fs::path& directory,
                     std::uint64_t task, std::uint64_t candidate, const fs::path& png) {
  if (task >= config.tasks.size())
    throw Error(Exit::kUsage, fmt::format("task {} is not there; the run has tasks 0 to {}", task,
                                          config.tasks.size() - 1));
  if (!png.empty() && png.lexically_normal().parent_path() == directory.lexically_normal())
    throw Error(Exit::kUsage, fmt::format("{} lies in the run directory; give another place for "
                                          "the picture",
                                          png.string()));
  if (candidate == 0) candidate = best_of(directory, task);
  std::string notice;
  History history(/*keep_finished=*/true);
  read_journal(
      journal_path(directory), [&](std::string_view payload) { history.add(payload); }, &notice);
  Assembly assembly(config, registry, nullptr);
  Replay replay(assembly, config.tasks[task], task);
  auto& done = history.done[task];
  if (!replay.until(candidate, history.asks[task], done, history.gradients[task]))
    throw Error(Exit::kUsage, fmt::format("task {} has no candidate {}", task, candidate));
  candidate = replay.task().original(candidate);
  if (!done.contains(candidate))
    throw Error(Exit::kUsage, fmt::format("candidate {} has no result yet", candidate));
  if (const std::string& why = done[candidate].error; !why.empty())
    throw Error(Exit::kUsage, fmt::format("candidate {} failed: {}", candidate, why));
  if (!replay.task().candidate(candidate).scored)
    throw Error(Exit::kUsage, fmt::format("candidate {} was never scored, so it has no sample to "
                                          "compare",
                                          candidate));
  Shown shown;
  shown.recipe = recipe_json(replay.task(), candidate);
  shown.scores = Json::object();
  const DoneRecord known = done[candidate];
  shown.journal_hash = known.hash;
  Maker maker(assembly, replay.task(), config.deterministic);
  maker.make(candidate, [&](const Tensor& samples, const Walk& walk) {
    std::vector<Exhibit> exhibits(1);
    exhibits[0].previews = walk.previews;
    for (std::size_t v = 0; v < assembly.scorer().size(); ++v)  // a set's scores hang on the others
      exhibits[0].asked.push_back(!assembly.scorer().verifier(v).set_level());
    exhibits[0].condition = replay.task().condition();
    exhibits[0].candidate = candidate;
    assembly.scorer().judge(samples, exhibits);
    if (!exhibits[0].failure.empty()) throw Error(Exit::kPlugin, exhibits[0].failure);
    compare(assembly.scorer(), exhibits[0], known, shown);
    shown.hash = sample_hash(samples.item(0));
    if (png.empty()) return;
    const auto& shape = assembly.sampler().info(WN_PROFILE_FINAL).sample_shape;
    const Image image =
        image_of_sample(samples.item(0).data(), static_cast<std::uint32_t>(shape[0]),
                        static_cast<std::uint32_t>(shape[1]), static_cast<std::uint32_t>(shape[2]));
    const disk::File out = disk::open(png, O_WRONLY | O_CREAT | O_TRUNC);
    disk::write_at(out, encode_png(image, shown.recipe.dump()), 0, png);
    shown.file = png;
  });
  shown.hash_equal = shown.hash == shown.journal_hash;
  return shown;
}

}  // namespace winnow
