// remake.hpp: candidates of a run made again from their recipes; `show` and `verify` stand on it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/assembly.hpp"
#include "host/records.hpp"

namespace winnow {

// One candidate as it came out this time.
struct Remade {
  std::vector<float> sample;  // or the preview that was scored
  std::string hash;
  ScoreTable scores;  // empty for set-level verifiers: their scores hang on the whole set
  nlohmann::ordered_json recipe;
  std::string failure;  // not empty: it failed this time, and the rest but the recipe is missing
};

// A run read back, with the plugins of its config. Only reads the run directory.
class RemadeRun {
 public:
  // Batches have the size that the run had, where all of its parts had the same. Throws Error: the
  // plugins do not load, the journal is damaged or belongs to another run.toml. `registry` outlives
  // it.
  RemadeRun(RunConfig config, const Registry& registry, const std::filesystem::path& run);
  ~RemadeRun();
  RemadeRun(const RemadeRun&) = delete;

  const History& history() const { return history_; }
  const std::string& notice() const { return notice_; }  // about a torn tail; empty: none
  const RunConfig& config() const { return config_; }
  Assembly& assembly() { return assembly_; }
  // Every part of the run had the same batch size, and said so.
  bool one_batch_size() const;

  // Replays the task's search as far as this candidate; nothing is made. The same task may go on to
  // a later candidate, not back. Returns the journal's record of it, under the id of the candidate
  // that was really made. Throws Error(Exit::kUsage): not there, without a result, failed, or never
  // scored.
  const DoneRecord& find(std::uint64_t task, std::uint64_t candidate);

  // Makes the candidate last found, parents first, one at a time, and scores it.
  Remade make();

 private:
  class Replay;
  std::string notice_;
  History history_;
  RunConfig config_;
  Assembly assembly_;
  std::uint64_t task_ = 0;
  std::unique_ptr<Replay> replay_;  // of task_
  DoneRecord found_;
};

}  // namespace winnow
