// walker.hpp: walks candidates through the sampler, step by step, many at a time. Mixes tasks, and
// different times where the sampler allows it, and cuts to the batch size. Knows nothing of
// searches, budgets or scores.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "host/guard.hpp"
#include "host/latent_cache.hpp"
#include "host/task.hpp"

namespace winnow {

// kGradient: the sample or preview of a finished candidate, for the gradient through it.
enum class Purpose : std::uint8_t { kCandidate, kRemake, kFinal, kGradient };
enum class Stage : std::uint8_t { kInit, kRenoise, kStep, kPreview, kDecode, kDone };

// One candidate on its way.
struct Walk {
  Task* task = nullptr;
  std::uint64_t id = 0;  // of the candidate that is made (kFinal: that was chosen)
  Purpose purpose = Purpose::kCandidate;
  Stage stage = Stage::kStep;
  std::uint32_t profile = 0;
  double stochasticity = 0;
  std::uint64_t noise = 0;
  std::uint32_t first_position = 1;
  LegPtr leg;  // null: no steps
  std::size_t step = 0;
  double renoise_from = 0, renoise_to = 0;
  double jitter = 0;  // s * noise_scale of JITTER
  bool wants_preview = false, wants_sample = false;
  // For verifiers that want previews, by wanted time: the step before which it is made, and the
  // decoded preview once it is.
  std::vector<std::size_t> preview_steps;
  std::vector<std::vector<float>> previews;
  bool looking = false;  // at stage kPreview: for `previews`, then it goes on
  Latent latent;
  double walked_nfe = 0;  // evaluations really made
  std::string failure;    // not empty: failed, the walk is over
  // Filled in by whoever judges the sample:
  ScoreTable scores;
  Unscored unscored;
  std::string hash, file;

  double stop_time = 0;
  double time() const { return leg ? leg->times[step] : stop_time; }
};

// The walk that makes a candidate of its parent's latent (which the caller puts into `latent`),
// without scoring it.
std::unique_ptr<Walk> walk_of(const Candidate& candidate, Task& task, Frame& frame);

// Asks for the previews that verifiers want, on the walk's leg as it is.
void want_previews(Walk& walk, const Frame& frame);

// Adds JITTER's noise to the parent's latent, which is in `walk` already, and forgets its carry.
void apply_jitter(Walk& walk);

// A batch whose samples are ready to be scored; row i of `samples` belongs to walks[i]. Walks that
// go on (stage other than kDone) are to be passed over.
struct SampleBatch {
  std::vector<Walk*> walks;
  const Tensor* samples = nullptr;  // valid until the next advance()
};

class Walker {
 public:
  // `batch`: at most so many items per call. `fixed_shape`: batches are padded to it, so that
  // LibTorch's kernels see one shape only.
  Walker(Sampler& sampler, std::uint32_t batch, bool fixed_shape);

  void add(std::unique_ptr<Walk> walk);
  std::size_t in_flight() const { return in_flight_; }

  // Runs one batch of the stage that has most to do. Walks that are over go to `finished`; those
  // that now have a sample (or a decoded preview) are in the returned batch as well as in
  // `finished`.
  SampleBatch advance(std::vector<std::unique_ptr<Walk>>& finished);
  std::uint64_t batches() const { return batches_; }
  double walked_nfe() const { return walked_nfe_; }
  // Of the candidates on their way, what their prices leave to be walked.
  double nfe_ahead() const;

 private:
  // Walks with equal keys may share a batch. Times are 0 where the sampler mixes them.
  using Key = std::tuple<Stage, std::uint32_t, double, double>;
  Key key_of(const Walk& walk) const;
  void enqueue(std::unique_ptr<Walk> walk);
  static void look_or_step(Walk& walk);
  static void keep_preview(Walk& walk, std::span<const float> sample);
  std::deque<std::unique_ptr<Walk>>& choose(Stage& stage);
  void fill(const std::vector<std::unique_ptr<Walk>>& walks, Stage stage);
  ItemFailures call(Stage stage);
  void take_back(std::vector<std::unique_ptr<Walk>>& walks, Stage stage,
                 const ItemFailures& failures);

  Sampler& sampler_;
  std::uint32_t batch_;
  bool fixed_shape_, mixed_times_;
  std::map<Key, std::deque<std::unique_ptr<Walk>>> queues_;
  std::size_t in_flight_ = 0;
  std::uint64_t batches_ = 0;
  double walked_nfe_ = 0;
  Tensor latents_, carry_, clean_, samples_;
  SamplerBatch columns_;
  std::vector<std::pair<Task*, std::uint64_t>> noises_;  // by handle
};

}  // namespace winnow
