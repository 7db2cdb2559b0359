// replay_table.hpp: recorded scores, by task, seed, time and verifier. The format is described in
// docs/replay.md.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace winnow {

struct ReplayTable {
  std::size_t tasks = 0, seeds = 0;
  std::vector<double> times;  // that were judged: falling, the last one 0
  std::vector<std::string> verifiers;
  std::vector<float> scores;  // [tasks, seeds, times, verifiers]; NaN: not recorded
  std::vector<double> nfe;    // of each step of the schedule
  double preview_nfe = 1, preview_credit = 1, network_passes = 1;

  // The sampler's times: 1 and the judged ones.
  std::vector<double> schedule() const;
  // Index of a time of the schedule; throws std::runtime_error, with the nearest, for any other.
  std::size_t step_of(double time) const;
  // NaN when nothing was recorded there.
  float score(std::size_t task, std::size_t seed, std::size_t step, std::size_t verifier) const;
};

// A .csv (task,seed,time and a column per verifier) or a .safetensors file. Every refusal is a
// std::runtime_error that names the file, what was found and what was expected.
ReplayTable read_replay_table(const std::string& path);

}  // namespace winnow
