// run.cpp: see run.hpp.
#include "host/run.hpp"

#include <fmt/format.h>

#include <fstream>

#include "host/assembly.hpp"
#include "host/engine.hpp"
#include "host/figures.hpp"
#include "host/gallery.hpp"
#include "host/plan.hpp"
#include "host/pool.hpp"
#include "host/run_directory.hpp"
#include "host/sha256.hpp"
#include "host/write_behind.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::uint32_t kGalleryTasks = 48;

class DirectoryOutput final : public EngineOutput {
 public:
  DirectoryOutput(RunDirectory& directory, Journal& journal, const SamplerInfo& info)
      : directory_(directory), writer_(directory, journal), shape_(info.sample_shape) {}

  std::string sample(const std::string& name, std::span<const float> sample,
                     const Json& recipe) override {
    Image image = image_of_sample(sample.data(), static_cast<std::uint32_t>(shape_[0]),
                                  static_cast<std::uint32_t>(shape_[1]),
                                  static_cast<std::uint32_t>(shape_[2]));
    writer_.sample(name, std::move(image), recipe.dump());
    return "samples/" + name + ".png";
  }
  std::vector<float> read_sample(const std::string& file) override {
    const Image image = read_png(directory_.path() / file);
    return sample_of_image(image);
  }
  void record(const std::string& payload) override { writer_.record(payload); }
  void commit() override { writer_.commit(); }
  void flush() override { writer_.flush(); }

 private:
  RunDirectory& directory_;
  WriteBehind writer_;
  std::vector<std::int64_t> shape_;
};

// Discarded (as JSON says it) when the file is missing or damaged.
Json read_json(const fs::path& file) {
  std::ifstream in(file);
  return Json::parse(in, nullptr, /*allow_exceptions=*/false);
}

Effort effort_of(const Engine& engine, Assembly& assembly, std::uint32_t parts) {
  Effort effort;
  effort.recomputed_nfe = engine.recomputed_nfe();
  effort.replayed_candidates = engine.replayed_candidates();
  effort.replayed_nfe = engine.replayed_nfe();
  effort.seconds = engine.seconds();
  effort.sampler_seconds = assembly.sampler().seconds();
  for (std::size_t v = 0; v < assembly.scorer().size(); ++v)
    effort.verifier_seconds[assembly.scorer().verifier(v).use().name] =
        assembly.scorer().verifier(v).seconds();
  effort.batches = engine.batches();
  effort.parts = parts;
  return effort;
}

Json summary_of(const RunConfig& config, const Engine& engine, const Sampler& sampler) {
  Json summary{{"format", 1},
               {"name", config.name},
               {"seed", config.seed},
               {"deterministic", config.deterministic},
               {"ledger", to_json(engine.ledger())}};
  const SamplerInfo& search = sampler.info(WN_PROFILE_SEARCH);
  double nfe_per_iteration = 0;
  for (const double nfe : search.nfe) nfe_per_iteration += nfe;
  summary["sampler"] = {{"nfe_per_iteration", nfe_per_iteration},
                        {"network_passes", search.network_passes},
                        {"flops", search.flops}};
  summary["tasks"] = engine.entries();
  return summary;
}

void write_gallery(RunDirectory& directory, const Json& summary) {
  std::vector<std::pair<Image, Image>> pairs;
  for (const Json& task : summary.at("tasks")) {
    if (pairs.size() == kGalleryTasks) break;
    if (!task.contains("sample")) continue;
    const auto tile = [&](const Json& file) {  // small at once: full pictures may fill the memory
      return gallery_tile(read_png(directory.path() / file.get<std::string>()));
    };
    // A search whose first paths end on the way has no first sample.
    pairs.emplace_back(task.contains("first") ? tile(task.at("first").at("sample")) : Image{},
                       tile(task.at("sample")));
  }
  if (pairs.empty()) return;
  directory.write_file("gallery.png", encode_png(make_gallery(pairs, kGalleryTasks), ""));
}

Progress progress_of(const Engine& engine, const RunConfig& config, double planned) {
  Progress p;
  p.tasks = config.tasks.size();
  p.tasks_done = engine.tasks_done();
  p.nfe = engine.done_nfe();
  p.nfe_total = planned;
  p.seconds = engine.seconds_this_part();
  p.nfe_this_part = engine.walked_nfe_this_part();
  p.mean_best = engine.mean_best();
  p.mean_gain = engine.mean_gain();
  return p;
}

RunOutcome outcome_of_finished(RunDirectory& directory) {
  RunOutcome outcome;
  outcome.was_finished = true;
  outcome.summary = read_json(directory.path() / "summary.json");
  outcome.effort = read_json(directory.path() / "execution.json");
  if (!fs::exists(directory.path() / "gallery.png")) write_gallery(directory, outcome.summary);
  return outcome;
}

using Notice = std::function<void(const std::string&)>;

std::unique_ptr<Journal> open_with_history(RunDirectory& directory, const std::string& config_hash,
                                           History& history, const Notice& notice) {
  std::string torn;
  auto journal = open_journal(
      journal_path(directory.path()), [&](std::string_view payload) { history.add(payload); },
      &torn);
  notice(torn);
  if (history.records && history.config_hash != config_hash)
    throw Error(Exit::kJournal, "the journal belongs to another run.toml than the one beside it");
  return journal;
}

// Null when the config names none, or nothing is left to do.
std::unique_ptr<const Pools> open_pools(const RunRequest& request, Assembly& assembly,
                                        const std::string& run_toml, const std::string& lock_json) {
  const auto& pools = request.config.execution.pools;
  if (pools.empty() || fs::exists(request.directory / "summary.json")) return nullptr;
  for (const fs::path& pool : pools) {
    std::error_code missing;
    if (fs::equivalent(pool, request.directory, missing))
      throw Error(Exit::kUsage, fmt::format("'{}' is named as a pool for itself", pool.string()));
  }
  const Sampler& sampler = assembly.sampler();
  const Schedules schedules{sampler.info(WN_PROFILE_FINAL).times,
                            sampler.info(WN_PROFILE_SEARCH).times};
  return std::make_unique<const Pools>(pools, identity_of(run_toml, lock_json), schedules,
                                       request.pools);
}

std::string replayed_text(const Effort& effort, std::uint64_t candidates, std::size_t pools) {
  return fmt::format("replayed {} of {} candidates from {} pool{}",
                     grouped(static_cast<double>(effort.replayed_candidates)),
                     grouped(static_cast<double>(candidates)), pools, pools == 1 ? "" : "s");
}

void write_results(RunDirectory& directory, const RunOutcome& outcome) {
  directory.write_file("execution.json", outcome.effort.dump(2) + "\n");
  write_gallery(directory, outcome.summary);
  // Last: a directory with a summary is finished.
  directory.write_file("summary.json", outcome.summary.dump(2) + "\n");
}

// Calls `report` now and then, whenever so many seconds have gone by.
std::function<void()> at_intervals(double seconds, const std::function<void()>& report) {
  using std::chrono::steady_clock;
  return [=, next = steady_clock::time_point::min()]() mutable {
    const auto now = steady_clock::now();
    if (now < next) return;
    next = now + std::chrono::round<steady_clock::duration>(std::chrono::duration<double>(seconds));
    report();
  };
}

}  // namespace

RunOutcome execute_run(const RunRequest& request) try {
  const RunConfig& config = request.config;
  const auto notice = [&](const std::string& text) {
    if (!text.empty() && request.on_notice) request.on_notice(text);
  };
  Assembly assembly(config, request.registry, request.stop);
  const Plan plan = plan_run(config, assembly, /*measure=*/false);  // refuses what cannot work
  if (!fs::exists(journal_path(request.directory))) assembly.check_verifiers();
  const std::string run_toml = resolved_toml(config);
  const std::string lock_json = assembly.lock_json();
  const auto pools = open_pools(request, assembly, run_toml, lock_json);
  const auto directory = open_run_directory(request.directory, run_toml, lock_json);
  RunOutcome outcome;
  if (directory->finished()) return outcome_of_finished(*directory);

  const std::string config_hash = sha256_hex(run_toml);
  History history;
  const auto journal = open_with_history(*directory, config_hash, history, notice);
  if (history.records)
    notice(fmt::format("going on: {} of {} tasks are finished", history.finals.size(),
                       config.tasks.size()));
  const std::uint32_t parts = history.parts + 1;
  journal->append(run_record(config_hash, config.tasks.size(), assembly.batch()));
  directory->commit(*journal);

  DirectoryOutput output(*directory, *journal, assembly.sampler().info(WN_PROFILE_FINAL));
  EngineSettings settings{.batch = assembly.batch(),
                          .cache_bytes = config.execution.cache_bytes,
                          .deterministic = config.deterministic,
                          .keep = config.keep,
                          .make_search = [&] { return assembly.make_search(); },
                          .pools = pools.get(),
                          .stop = request.stop,
                          .on_turn = {}};
  const Engine* running = nullptr;
  const auto report = [&] {
    if (request.on_progress)
      request.on_progress(progress_of(*running, config, plan.ledger.search_nfe));
  };
  settings.on_turn = at_intervals(request.progress_every, report);
  Engine engine(assembly.frame(), config.tasks, assembly.scorer(), output, std::move(history),
                std::move(settings));
  running = &engine;
  const bool finished = engine.run();
  report();
  const Effort effort = effort_of(engine, assembly, parts);
  outcome.effort = to_json(effort);
  if (!finished) {
    outcome.exit = Exit::kCheckpointed;
    return outcome;
  }
  if (pools) notice(replayed_text(effort, engine.ledger().candidates, pools->size()));
  outcome.summary = summary_of(config, engine, assembly.sampler());
  write_results(*directory, outcome);
  if (engine.any_task_failed()) outcome.exit = Exit::kCandidates;
  return outcome;
} catch (const Stopped&) {  // before the engine began
  RunOutcome outcome;
  outcome.exit = Exit::kCheckpointed;
  return outcome;
}

}  // namespace winnow
