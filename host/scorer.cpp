// scorer.cpp: see scorer.hpp.
#include "host/scorer.hpp"

#include <algorithm>

namespace winnow {

Scorer::Scorer(std::vector<std::unique_ptr<Verifier>> verifiers, std::uint32_t batch,
               bool fixed_shape)
    : verifiers_(std::move(verifiers)), batch_(batch), fixed_shape_(fixed_shape) {}

void Scorer::judge(const Tensor& samples, std::vector<Exhibit>& exhibits) {
  for (Exhibit& e : exhibits) e.scores.resize(verifiers_.size());
  for (std::size_t v = 0; v < verifiers_.size(); ++v) {
    const bool selects = verifiers_[v]->use().role == VerifierRole::kSelect;
    std::vector<Exhibit*> wanted;
    for (Exhibit& e : exhibits)
      if (selects ? e.by_select : e.by_report) wanted.push_back(&e);
    const std::uint32_t most = verifiers_[v]->info().max_batch;
    const std::size_t size = most ? std::min(most, batch_) : batch_;
    for (std::size_t begin = 0; begin < wanted.size(); begin += size) {
      std::vector<Exhibit*> part(
          wanted.begin() + static_cast<std::ptrdiff_t>(begin),
          wanted.begin() + static_cast<std::ptrdiff_t>(std::min(wanted.size(), begin + size)));
      judge_by(v, samples, part);
    }
  }
}

void Scorer::judge_by(std::size_t v, const Tensor& samples, std::vector<Exhibit*>& wanted) {
  Verifier& verifier = *verifiers_[v];
  const std::uint32_t most = verifier.info().max_batch;
  const std::size_t n = fixed_shape_ ? (most ? std::min(most, batch_) : batch_) : wanted.size();
  if (!rows_.capacity()) {
    const wn_tensor shape = samples.view();
    rows_ = Tensor(batch_, {shape.shape + 1, static_cast<std::size_t>(shape.ndim - 1)});
  }
  rows_.resize(n);
  VerifierBatch batch;
  batch.samples = &rows_;
  for (std::size_t i = 0; i < n; ++i) {
    const Exhibit& e = *wanted[std::min(i, wanted.size() - 1)];
    std::ranges::copy(samples.item(e.row), rows_.item(i).begin());
    batch.conditions.push_back(e.condition);
    batch.candidates.push_back(e.candidate);
  }
  const std::uint32_t heads = verifier.info().n_heads;
  std::vector<float> scores(n * heads);
  const ItemFailures failures = verifier.score(batch, scores);
  const bool selects = verifier.use().role == VerifierRole::kSelect;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Exhibit& e = *wanted[i];
    const auto row = scores.begin() + static_cast<std::ptrdiff_t>(i * heads);
    if (failures[i].status == WN_OK)
      e.scores[v].assign(row, row + heads);
    else if (selects && e.failure.empty())
      e.failure = failures[i].text;
  }
}

}  // namespace winnow
