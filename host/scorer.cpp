// scorer.cpp: see scorer.hpp.
#include "host/scorer.hpp"

#include <algorithm>

#include "host/png.hpp"

namespace winnow {
namespace {

// So that a sample read back from its PNG is the same one.
void round_to_8_bits(std::span<float> values) {
  for (float& v : values) v = value_of(pixel_of(v));
}

std::vector<std::int64_t> item_shape(const Tensor& samples) {
  const wn_tensor view = samples.view();
  return {view.shape + 1, view.shape + view.ndim};
}

}  // namespace

Scorer::Scorer(std::vector<std::unique_ptr<Verifier>> verifiers, std::uint32_t batch,
               bool fixed_shape)
    : verifiers_(std::move(verifiers)),
      batch_(batch),
      fixed_shape_(fixed_shape),
      rows_(verifiers_.size()),
      previews_(verifiers_.size()) {
  for (const auto& verifier : verifiers_)
    if (verifier->wants_previews()) preview_times_.push_back(verifier->info().preview_time);
  std::ranges::sort(preview_times_);
  preview_times_.erase(std::unique(preview_times_.begin(), preview_times_.end()),
                       preview_times_.end());
}

bool Scorer::set_level() const {
  return std::ranges::any_of(verifiers_, [](const auto& v) { return v->set_level(); });
}

// Cuts what verifier v is to see into batches that it can take.
template <typename Each>
void Scorer::in_batches(std::size_t v, std::span<Exhibit*> wanted, Each each) const {
  const std::uint32_t most = verifiers_[v]->info().max_batch;
  const std::size_t size = most ? std::min(most, batch_) : batch_;
  for (std::size_t begin = 0; begin < wanted.size(); begin += size)
    each(wanted.subspan(begin, std::min(size, wanted.size() - begin)),
         fixed_shape_ ? size : std::min(size, wanted.size() - begin));
}

// What verifier v sees of them; rows beyond them repeat the last one.
VerifierBatch Scorer::show(std::size_t v, const Tensor& samples, std::span<Exhibit*> wanted,
                           std::size_t rows) {
  const Verifier& verifier = *verifiers_[v];
  const std::vector<std::int64_t> shape = item_shape(samples);
  Tensor &shown = rows_[v], &previews = previews_[v];
  if (!shown.capacity()) shown = Tensor(batch_, shape, verifier.memory());
  shown.resize(rows);
  VerifierBatch batch;
  batch.samples = &shown;
  if (verifier.wants_previews()) {
    if (!previews.capacity()) previews = Tensor(batch_, shape, verifier.memory());
    previews.resize(rows);
    batch.previews = &previews;
  }
  const auto which = static_cast<std::size_t>(
      std::ranges::find(preview_times_, verifier.info().preview_time) - preview_times_.begin());
  for (std::size_t i = 0; i < rows; ++i) {
    const Exhibit& e = *wanted[std::min(i, wanted.size() - 1)];
    std::ranges::copy(samples.item(e.row), shown.item(i).begin());
    if (verifier.set_level()) round_to_8_bits(shown.item(i));
    if (batch.previews) {
      const bool there = which < e.previews.size() && !e.previews[which].empty();
      std::ranges::copy(there ? std::span<const float>(e.previews[which]) : shown.item(i),
                        previews.item(i).begin());
    }
    batch.conditions.push_back(e.condition);
    batch.candidates.push_back(e.candidate);
  }
  return batch;
}

void Scorer::judge(const Tensor& samples, std::vector<Exhibit>& exhibits) {
  for (Exhibit& e : exhibits) e.scores.resize(verifiers_.size());
  for (std::size_t v = 0; v < verifiers_.size(); ++v) {
    std::vector<Exhibit*> wanted;
    for (Exhibit& e : exhibits)
      if (e.asked.empty() || e.asked[v]) wanted.push_back(&e);
    in_batches(v, wanted, [&](std::span<Exhibit*> part, std::size_t rows) {
      const std::uint32_t heads = verifiers_[v]->info().n_heads;
      std::vector<float> scores(rows * heads);
      const ItemFailures failures = verifiers_[v]->score(show(v, samples, part, rows), scores);
      for (std::size_t i = 0; i < part.size(); ++i) {
        const auto row = scores.begin() + static_cast<std::ptrdiff_t>(i * heads);
        if (failures[i].status == WN_OK)
          part[i]->scores[v].assign(row, row + heads);
        else if (!selects(v))
          part[i]->unscored[verifiers_[v]->use().name] = failures[i].text;
        else if (part[i]->failure.empty())
          part[i]->failure = failures[i].text;
      }
    });
  }
}

Tensor Scorer::gradient(const Tensor& samples, std::vector<Exhibit>& exhibits,
                        const Selection& selection) {
  const std::vector<std::int64_t> shape = item_shape(samples);
  Tensor sum(exhibits.size(), shape);
  std::vector<Exhibit*> wanted;
  for (Exhibit& e : exhibits) wanted.push_back(&e);
  std::size_t selecting = 0;
  for (std::size_t v = 0; v < verifiers_.size(); ++v) {
    if (!selects(v)) continue;
    const double weight = selection.weight(selecting++);
    in_batches(v, wanted, [&](std::span<Exhibit*> part, std::size_t rows) {
      Tensor d(rows, shape);
      const ItemFailures failures = verifiers_[v]->grad(show(v, samples, part, rows), d);
      for (std::size_t i = 0; i < part.size(); ++i) {
        if (failures[i].status != WN_OK && part[i]->failure.empty())
          part[i]->failure = failures[i].text;
        const std::span<float> to = sum.item(static_cast<std::size_t>(part[i] - exhibits.data()));
        for (std::size_t k = 0; k < to.size(); ++k)
          to[k] += static_cast<float>(weight * d.item(i)[k]);
      }
    });
  }
  return sum;
}

void Scorer::reset() {
  for (const auto& verifier : verifiers_)
    if (verifier->set_level()) verifier->reset();
}

void Scorer::accept(std::span<const float> sample, std::span<const std::int64_t> shape,
                    const wn_condition* condition, std::uint64_t candidate) {
  Tensor one(1, shape);
  std::ranges::copy(sample, one.item(0).begin());
  round_to_8_bits(one.item(0));
  VerifierBatch batch;
  batch.samples = &one;
  batch.conditions = {condition};
  batch.candidates = {candidate};
  for (const auto& verifier : verifiers_) {
    if (!verifier->set_level()) continue;
    batch.previews = verifier->wants_previews() ? &one : nullptr;
    verifier->accept(batch);
  }
}

}  // namespace winnow
