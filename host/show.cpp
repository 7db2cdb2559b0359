// show.cpp: one candidate made again from its recipe (show_candidate of run.hpp).
#include <fcntl.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "host/disk.hpp"
#include "host/png.hpp"
#include "host/remake.hpp"
#include "host/run.hpp"
#include "host/run_directory.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void compare(const Scorer& scorer, const ScoreTable& scores, const DoneRecord& known,
             Shown& shown) {
  for (std::size_t v = 0; v < scorer.size(); ++v) {
    if (scores[v].empty()) continue;
    shown.scores[scorer.verifier(v).use().name] = scores[v].front();
    if (v >= known.scores.size() || known.scores[v].empty()) continue;
    shown.journal_scores[scorer.verifier(v).use().name] = known.scores[v].front();
    const double difference = std::abs(scores[v].front() - known.scores[v].front());
    shown.largest_score_difference = std::max(shown.largest_score_difference, difference);
  }
}

std::uint64_t best_of(const fs::path& directory, std::uint64_t task) {
  std::ifstream in(directory / "summary.json");
  if (!in) throw Error(Exit::kUsage, "the run is not finished; name a candidate");
  const Json tasks = Json::parse(in).at("tasks");
  if (task >= tasks.size())
    throw Error(Exit::kUsage, fmt::format("task {} is not there; the run has tasks 0 to {}", task,
                                          tasks.size() - 1));
  if (!tasks.at(task).contains("best"))
    throw Error(Exit::kUsage, fmt::format("task {} has no best candidate", task));
  return tasks.at(task).at("best").at("candidate");
}

void write_png(std::span<const float> sample, const std::vector<std::int64_t>& shape,
               const Json& recipe, const fs::path& png) {
  const Image image =
      image_of_sample(sample.data(), static_cast<std::uint32_t>(shape[0]),
                      static_cast<std::uint32_t>(shape[1]), static_cast<std::uint32_t>(shape[2]));
  const disk::File out = disk::open(png, O_WRONLY | O_CREAT | O_TRUNC);
  disk::write_at(out, encode_png(image, recipe.dump()), 0, png);
}

}  // namespace

Shown show_candidate(const RunConfig& config, const Registry& registry, const fs::path& directory,
                     std::uint64_t task, std::uint64_t candidate, const fs::path& png) {
  if (!png.empty() && png.lexically_normal().parent_path() == directory.lexically_normal())
    throw Error(Exit::kUsage, fmt::format("{} lies in the run directory; give another place for "
                                          "the picture",
                                          png.string()));
  if (candidate == 0) candidate = best_of(directory, task);
  RemadeRun run(config, registry, directory);
  const DoneRecord& known = run.find(task, candidate);
  Shown shown;
  shown.scores = shown.journal_scores = Json::object();
  if (const std::string changed = files_changed_since(directory, run.assembly().lock_json());
      !changed.empty())
    shown.note = "the run was made with other plugins or models:\n" + changed;
  shown.journal_hash = known.hash;
  const Remade made = run.make();
  if (!made.failure.empty()) throw Error(Exit::kPlugin, "made again, it failed: " + made.failure);
  shown.recipe = made.recipe;
  shown.hash = made.hash;
  compare(run.assembly().scorer(), made.scores, known, shown);
  if (!png.empty()) {
    write_png(made.sample, run.assembly().sampler().info(WN_PROFILE_FINAL).sample_shape,
              shown.recipe, png);
    shown.file = png;
  }
  shown.hash_equal = shown.hash == shown.journal_hash;
  return shown;
}

}  // namespace winnow
