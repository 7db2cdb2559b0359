// winnow.replay and winnow.replay_scores: a sampler and a verifier that read recorded scores
// instead of running a network, so that searches over a pool of seeds are tried in seconds. The
// table is described in docs/replay.md; `winnow export --replay RUN` writes one.
//
//   [sampler]
//   plugin = "winnow.replay"
//   table = "pool.safetensors"
//   [[verifier]]
//   plugin = "winnow.replay_scores"
//   table = "pool.safetensors"
//   verifier = "image_reward"     # a column of the table
//
// A noise names a seed of the table: seed = hash(bits of its first number) mod seeds, so the pool
// is drawn from with replacement, and a noise near another one names any seed. Paths are
// deterministic; stops must be times of the table. The sample is two pixels, seed and step, each
// over 65536, by which the verifier looks its score up; what was not recorded fails its candidate.
#include <bit>
#include <cmath>

#include "replay_table.hpp"
#include "winnow/winnow.hpp"

namespace {

using winnow::ReplayTable;

constexpr float kUnit = 65536;

ReplayTable load(const wn::Options& options) {
  try {
    return winnow::read_replay_table(options.path("table").string());
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }
}

std::size_t seed_of(float noise, std::size_t seeds) {  // the finaliser of MurmurHash3, 64 bits
  std::uint64_t h = std::bit_cast<std::uint32_t>(noise) + 0x9e3779b97f4a7c15u;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
  return static_cast<std::size_t>((h ^ (h >> 33)) % seeds);
}

class Replay {
 public:
  static constexpr const char* kId = "winnow.replay";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_REPLAY;

  Replay(const wn::Host&, const wn::Options& options)
      : table_(load(options)), times_(table_.schedule()) {}

  wn_sampler_info info(std::uint32_t) {
    wn_sampler_info out{};
    out.flags = WN_F_DETERMINISTIC | WN_F_BATCH_INVARIANT | WN_F_MIXED_TIMES;
    out.n_steps = static_cast<std::uint32_t>(times_.size() - 1);
    out.preferred_batch = 4096;
    out.latent_dtype = wn::dtype_of<float>();
    out.latent_ndim = 1;
    out.latent_shape[0] = 2;  // seed, step
    out.sample_ndim = 3;
    out.sample_shape[0] = out.sample_shape[1] = 1;
    out.sample_shape[2] = 2;
    out.times = times_.data();
    out.preview_nfe = table_.preview_nfe;
    out.preview_credit = table_.preview_credit;
    out.network_passes = table_.network_passes;
    return out;
  }

  wn::Leg leg(std::uint32_t, double from, double to, double stochasticity, std::uint32_t steps) {
    if (stochasticity > 0)
      throw wn::Error(WN_E_FAILED_PRECONDITION, "recorded paths have no noise on the way");
    if (steps != 0)
      throw wn::Error(WN_E_INVALID_ARGUMENT,
                      "a leg of " + std::to_string(steps) +
                          " steps was asked for, but a replay has its recorded steps only");
    const std::size_t first = step_of(from), last = step_of(to);
    wn::Leg leg;
    for (std::size_t k = first; k <= last; ++k) leg.times.push_back(times_[k]);
    for (std::size_t k = first; k < last; ++k) leg.nfe.push_back(table_.nfe[k]);
    return leg;
  }

  void init(const wn::SamplerBatch& batch) {
    batch.initial_noise(batch.latents_raw());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto x = batch.latents().item(i);
      x[0] = static_cast<float>(seed_of(x[0], table_.seeds));
      x[1] = 0;
    }
  }

  void step(const wn::SamplerBatch& batch) {
    for (std::size_t i = 0; i < batch.size(); ++i)
      batch.latents().item(i)[1] = static_cast<float>(step_of(batch.to_time()[i]));
  }

  void preview(const wn::SamplerBatch& batch, const wn_tensor& clean) {
    const wn::Tensor<float> out(clean);
    for (std::size_t i = 0; i < batch.size(); ++i)
      std::ranges::copy(batch.latents().item(i), out.item(i).begin());
  }

  void decode(const wn::SamplerBatch& batch, const wn_tensor& samples) {
    const wn::Tensor<float> out(samples);
    for (std::size_t i = 0; i < batch.size(); ++i)
      for (const std::size_t e : {0, 1}) out.item(i)[e] = batch.latents().item(i)[e] / kUnit;
  }

 private:
  std::size_t step_of(double time) const {
    try {
      return table_.step_of(time);
    } catch (const std::runtime_error& error) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
    }
  }

  ReplayTable table_;
  std::vector<double> times_;
};

class ReplayScores {
 public:
  static constexpr const char* kId = "winnow.replay_scores";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_REPLAY_SCORES;

  ReplayScores(const wn::Host&, const wn::Options& options) : table_(load(options)) {
    const std::string name = options.str("verifier");
    const auto& all = table_.verifiers;
    const auto found = name.empty() ? all.begin() : std::find(all.begin(), all.end(), name);
    if (found == all.end()) {
      std::string there;
      for (const std::string& verifier : all) there += (there.empty() ? "" : ", ") + verifier;
      throw wn::Error(WN_E_INVALID_ARGUMENT,
                      "the table has no verifier '" + name + "'; there are " + there);
    }
    verifier_ = static_cast<std::size_t>(found - all.begin());
  }

  wn::VerifierInfo info() const {
    return {.flags = WN_F_DETERMINISTIC | WN_F_BATCH_INVARIANT, .preferred_batch = 4096};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    if (batch.sample(0).size() != 2)
      throw wn::Error(WN_E_INVALID_ARGUMENT, "samples are expected to be those of winnow.replay");
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto sample = batch.sample(i);
      const auto seed = static_cast<std::size_t>(std::lround(sample[0] * kUnit));
      const auto step = static_cast<std::size_t>(std::lround(sample[1] * kUnit));
      const std::uint64_t task = batch.condition(i).task;
      scores[i] = table_.score(task, seed, step, verifier_);
      if (!std::isnan(scores[i])) continue;
      batch.fail(
          i, WN_E_NOT_FOUND,
          "task " + std::to_string(task) + ", seed " + std::to_string(seed) + ", step " +
              std::to_string(step) + " was not recorded" +
              (task < table_.tasks ? ""
                                   : ": the table has " + std::to_string(table_.tasks) + " tasks"));
      scores[i] = 0;
    }
  }

 private:
  ReplayTable table_;
  std::size_t verifier_ = 0;
};

}  // namespace

WN_EXPORT_PLUGINS(Replay, ReplayScores)
