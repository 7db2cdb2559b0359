// replay_export.cpp: see replay_export.hpp.
#include "host/replay_export.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <set>

#include "host/assembly.hpp"
#include "host/disk.hpp"
#include "host/error.hpp"
#include "host/journal.hpp"
#include "host/records.hpp"
#include "host/run_directory.hpp"
#include "host/sha256.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

using Heads = std::vector<float>;                            // head 0 by verifier; NaN: not judged
using Path = std::map<double, Heads, std::greater<double>>;  // by time

// The paths of one task from noises that are independent of all scores, in the order in which they
// began; counts the others.
std::vector<Path> paths_of(const std::vector<std::string>& asks,
                           const std::unordered_map<std::uint64_t, DoneRecord>& done,
                           std::size_t& moved) {
  std::vector<Path> paths;
  std::set<std::uint64_t> fresh;
  std::map<std::uint64_t, std::size_t> path_of;  // by candidate
  std::map<std::uint64_t, const Candidate*> recipes;
  for (const std::string& payload : asks) {
    const AskedRecipes asked = recipes_of(nlohmann::json::parse(payload));
    for (const Noise& noise : asked.noises)
      if (noise.op == WN_NOISE_FRESH && noise.at.domain == 0) fresh.insert(noise.id);
    for (const Candidate& c : asked.candidates) {
      const bool goes_on = c.op == WN_CAND_CONTINUE && c.noise == 0 && path_of.contains(c.parent);
      if (c.leg_steps || c.stochasticity != 0 || c.profile != WN_PROFILE_SEARCH ||
          (c.op != WN_CAND_START && !goes_on))
        continue;
      if (!goes_on && !fresh.contains(c.noise)) {
        ++moved;
        continue;
      }
      if (!goes_on) paths.emplace_back();
      const std::size_t path = path_of[c.id] = goes_on ? path_of.at(c.parent) : paths.size() - 1;
      const auto found = done.find(c.id);
      if (!c.scored || found == done.end() || !found->second.error.empty()) continue;
      Heads heads;
      for (const auto& scores : found->second.scores)
        heads.push_back(scores.empty() ? std::numeric_limits<float>::quiet_NaN() : scores.front());
      paths[path][c.stop_time] = std::move(heads);
    }
  }
  return paths;
}

std::string safetensors_of(const std::vector<float>& scores,
                           const std::vector<std::uint64_t>& shape, const Json& metadata) {
  const Json header = {
      {"__metadata__", metadata},
      {"scores",
       {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {0, scores.size() * sizeof(float)}}}}};
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t size = text.size();
  std::string file(reinterpret_cast<const char*>(&size), 8);
  file += text;
  file.append(reinterpret_cast<const char*>(scores.data()), scores.size() * sizeof(float));
  return file;
}

// Drops the paths that were not judged at all times, and counts.
void keep_whole_paths(std::map<std::uint64_t, std::vector<Path>>& by_task, std::size_t tasks,
                      ReplayExport& result) {
  result.seeds = std::numeric_limits<std::size_t>::max();
  for (std::size_t t = 0; t < tasks; ++t) {
    const std::size_t before = by_task[t].size();
    std::erase_if(by_task[t], [&](const Path& path) { return path.size() < result.times.size(); });
    result.incomplete += before - by_task[t].size();
    result.seeds = std::min(result.seeds, by_task[t].size());
  }
  result.tasks = tasks;
  for (auto& [task, paths] : by_task) result.surplus += paths.size() - result.seeds;
}

void refuse_no_pool(const fs::path& directory, const ReplayExport& result, bool survivors) {
  if (result.seeds == 0 || result.times.empty() || result.times.back() != 0)
    throw Error(
        Exit::kUsage,
        fmt::format("'{}' has a task without a path that was judged at all of the times {}; "
                    "record with winnow.random and its preview_times",
                    directory.string(), result.times));
  if (result.incomplete > 0 && !survivors)
    throw Error(
        Exit::kUsage,
        fmt::format("{} of {} paths of '{}' were not judged at every time, so what is left is "
                    "what its search chose, and best of N on it is too good (or a cap on seconds "
                    "or candidates cut it); record with winnow.random, its preview_times and "
                    "candidates, or take it with --survivors",
                    result.incomplete, result.paths, directory.string()));
}

// What a step from one judged time to the next costs; a path may pass others on its way.
std::vector<double> prices_of(Sampler& sampler, const std::vector<double>& times) {
  std::vector<double> nfe;
  double from = 1;
  for (const double time : times) {
    if (time == 1) continue;
    nfe.push_back(sampler.leg(WN_PROFILE_SEARCH, from, time, 0, 0).total());
    from = time;
  }
  return nfe;
}

}  // namespace

ReplayExport export_replay(const fs::path& directory, const RunConfig& config,
                           const Registry& registry, const fs::path& out, bool survivors) {
  History history(/*keep_finished=*/true);
  read_journal(
      journal_path(directory), [&](std::string_view payload) { history.add(payload); }, nullptr);
  std::map<std::uint64_t, std::vector<Path>> by_task;
  std::set<double, std::greater<double>> times;
  ReplayExport result;
  for (const auto& [task, asks] : history.asks) {
    by_task[task] = paths_of(asks, history.done[task], result.moved);
    result.paths += by_task[task].size();
    for (const Path& path : by_task[task])
      for (const auto& [time, heads] : path) times.insert(time);
  }
  result.times.assign(times.begin(), times.end());
  keep_whole_paths(by_task, config.tasks.size(), result);
  result.paths += result.moved;
  refuse_no_pool(directory, result, survivors);

  std::vector<std::size_t> judges;
  for (std::size_t v = 0; v < config.verifiers.size(); ++v) {
    bool all = true;
    for (std::size_t t = 0; t < result.tasks; ++t)
      for (const Path& path : by_task[t])
        for (const auto& [time, heads] : path) all &= v < heads.size() && heads[v] == heads[v];
    (all ? result.verifiers : result.left_out).push_back(config.verifiers[v].name);
    if (all) judges.push_back(v);
  }
  std::vector<float> scores;
  for (std::size_t t = 0; t < result.tasks; ++t)
    for (std::size_t s = 0; s < result.seeds; ++s)
      for (const auto& [time, heads] : by_task[t][s])
        for (const std::size_t v : judges) scores.push_back(heads[v]);

  Assembly assembly(config, registry, nullptr);
  const SamplerInfo& info = assembly.sampler().info(WN_PROFILE_SEARCH);
  const std::vector<double> nfe = prices_of(assembly.sampler(), result.times);
  const Json metadata = {{"format", "winnow.replay/1"},
                         {"times", fmt::format("{}", fmt::join(result.times, ","))},
                         {"verifiers", fmt::format("{}", fmt::join(result.verifiers, ","))},
                         {"nfe", fmt::format("{}", fmt::join(nfe, ","))},
                         {"preview_nfe", fmt::format("{}", info.preview_nfe)},
                         {"preview_credit", fmt::format("{}", info.preview_credit)},
                         {"network_passes", fmt::format("{}", info.network_passes)}};
  const fs::path folder = fs::absolute(out).parent_path();
  disk::replace_file(
      folder, out.filename().string(),
      safetensors_of(scores,
                     {result.tasks, result.seeds, result.times.size(), result.verifiers.size()},
                     metadata));
  return result;
}

}  // namespace winnow
