// scorer.hpp: shows samples to verifiers, in batches that each verifier can take.
#pragma once

#include <cstdint>
#include <memory>
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
  bool by_select = true, by_report = false;  // which verifiers look at it
  ScoreTable scores;                         // out: [verifier][head]
  std::string failure;                       // out: a selecting verifier failed on it
};

class Scorer {
 public:
  // `batch`: the shape to which batches are padded when `fixed_shape`.
  Scorer(std::vector<std::unique_ptr<Verifier>> verifiers, std::uint32_t batch, bool fixed_shape);

  std::size_t size() const { return verifiers_.size(); }
  const Verifier& verifier(std::size_t i) const { return *verifiers_[i]; }
  // Fills in `scores` and `failure`; what is already in `scores` stays for verifiers that are not
  // asked.
  void judge(const Tensor& samples, std::vector<Exhibit>& exhibits);

 private:
  void judge_by(std::size_t v, const Tensor& samples, std::vector<Exhibit*>& wanted);

  std::vector<std::unique_ptr<Verifier>> verifiers_;
  std::uint32_t batch_;
  bool fixed_shape_;
  Tensor rows_;
};

}  // namespace winnow
