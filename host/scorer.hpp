// scorer.hpp: shows samples to verifiers, in batches that each verifier can take.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/guard.hpp"
#include "host/task.hpp"

namespace winnow {

// One sample to be judged.
struct Exhibit {
  std::size_t row = 0;  // of the tensor of samples
  const wn_condition* condition = nullptr;
  std::uint64_t candidate = 0;
  std::vector<bool> asked;  // by verifier: does it look? Empty: all do
  // The decoded previews by wanted time (Scorer::preview_times); where there is none, the sample
  // stands for it.
  std::span<const std::vector<float>> previews;
  ScoreTable scores;    // out: [verifier][head]
  std::string failure;  // out: a selecting verifier failed on it
  Unscored unscored;    // out: the others that failed on it
};

class Scorer {
 public:
  // `batch`: the shape to which batches are padded when `fixed_shape`.
  Scorer(std::vector<std::unique_ptr<Verifier>> verifiers, std::uint32_t batch, bool fixed_shape);

  std::size_t size() const { return verifiers_.size(); }
  const Verifier& verifier(std::size_t i) const { return *verifiers_[i]; }
  Verifier& verifier(std::size_t i) { return *verifiers_[i]; }
  bool selects(std::size_t i) const { return verifiers_[i]->use().role == VerifierRole::kSelect; }
  // Rising, without repetition: the times at which any verifier wants previews.
  const std::vector<double>& preview_times() const { return preview_times_; }
  // True when a verifier rates additions to a set: tasks are then judged in their order.
  bool set_level() const;

  // Fills in `scores` and `failure`; what is already in `scores` stays for verifiers that are not
  // asked. Set-level verifiers see the samples as they are written, rounded to 8 bits.
  void judge(const Tensor& samples, std::vector<Exhibit>& exhibits);
  // d score / d sample, one item per exhibit in their order, where score is the sum of weight times
  // head 0 over the selecting verifiers; all of them have grad. Fills in `failure`.
  Tensor gradient(const Tensor& samples, std::vector<Exhibit>& exhibits,
                  const Selection& selection);
  // Set-level verifiers: forget what was accepted; accept one sample, which is rounded first.
  void reset();
  void accept(std::span<const float> sample, std::span<const std::int64_t> shape,
              const wn_condition* condition, std::uint64_t candidate);

 private:
  template <typename Each>
  void in_batches(std::size_t v, std::span<Exhibit*> wanted, Each each) const;
  VerifierBatch show(std::size_t v, const Tensor& samples, std::span<Exhibit*> wanted,
                     std::size_t rows);

  std::vector<std::unique_ptr<Verifier>> verifiers_;
  std::vector<double> preview_times_;
  std::uint32_t batch_;
  bool fixed_shape_;
  std::vector<Tensor> rows_, previews_;  // by verifier
};

}  // namespace winnow
