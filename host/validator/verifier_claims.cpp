// verifier_claims.cpp: what verifiers say of themselves, proved or refuted, and the interfaces that
// only some have.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "host/text.hpp"
#include "host/validator/verifier_bench.hpp"

namespace winnow::validator {
namespace {

void claims_agree(Bench& bench) {
  Instance instance(bench);
  expect_claims(bench, VerifierBench(instance).info().flags);
}

void deterministic(Bench& bench) {
  Instance instance(bench), other(bench);
  const VerifierBench verifier(instance), twin(other);
  if (!verifier.has(WN_F_DETERMINISTIC)) skip("it does not claim to be deterministic");
  const Pictures pictures = verifier.pictures(5);
  const auto first = verifier.scores(pictures);
  bench.stage("scoring the same pictures again");
  for (int k = 0; k < 3; ++k)
    if (!same_bits(first, verifier.scores(pictures)))
      fail("it claims to be deterministic, but the same batch scores differently");
  if (!same_bits(first, twin.scores(pictures)))
    fail("it claims to be deterministic, but another instance scores the same batch differently");
}

// Whole against permuted, split and repeated.
void batch_invariant(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  if (!verifier.has(WN_F_BATCH_INVARIANT)) skip("it does not claim to be batch invariant");
  const std::size_t n = std::min<std::size_t>(verifier.largest_batch(), 9),
                    heads = verifier.heads();
  const Pictures pictures = verifier.pictures(n);
  const auto whole = verifier.scores(pictures);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  const auto check = [&](const std::vector<std::size_t>& items, const char* how) {
    bench.stage("scoring a {} batch", how);
    const auto scores = verifier.scores(pictures.chosen(items));
    for (std::size_t k = 0; k < items.size(); ++k)
      for (std::size_t h = 0; h < heads; ++h)
        if (scores[k * heads + h] != whole[items[k] * heads + h])
          fail(
              "it claims to be batch invariant, but in a {} batch a picture scores {:.9g}, in "
              "the whole one {:.9g}",
              how, scores[k * heads + h], whole[items[k] * heads + h]);
  };
  for (int k = 0; k < 3; ++k) {
    std::ranges::shuffle(order, bench.random());
    check(order, "permuted");
  }
  for (std::size_t i = 0; i < n; ++i) check({i}, "split");
  check(std::vector<std::size_t>(n, n - 1), "repeated");
}

void reentrant(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  if (!verifier.has(WN_F_REENTRANT)) skip("it does not claim to be reentrant");
  const Pictures pictures = verifier.pictures(4);
  const auto expected = verifier.scores(pictures);
  bench.stage("scoring on four threads at once, with one instance");
  std::atomic<bool> differs{false};
  std::vector<Verdict> verdicts(4);
  std::vector<std::thread> threads;
  for (Verdict& verdict : verdicts)
    threads.emplace_back([&] {
      verdict = verdict_of([&] {
        for (int k = 0; k < 50; ++k)
          if (!same_bits(expected, verifier.scores(pictures))) differs = true;
        return Verdict{};
      });
    });
  for (std::thread& thread : threads) thread.join();
  for (const Verdict& verdict : verdicts)
    if (verdict.outcome != Outcome::kPassed) fail("on several threads: {}", verdict.text);
  if (differs) fail("it claims to be reentrant, but scores differ when threads score at once");
}

double norm(std::span<const float> v) {
  double squares = 0;
  for (const float x : v) squares += static_cast<double>(x) * x;
  return std::sqrt(squares);
}

// Along the gradient itself: a wrong length, sign or direction all show there.
void gradient(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  const std::size_t n = verifier.at_most(3);
  if (!bench.provides(WN_VERIFIER_GRAD_1)) skip("it has no gradient");
  const Pictures pictures = verifier.pictures(n, 2, 0.3, 0.7);
  const bool previews = verifier.info().preview_time >= 0;
  const Answer answer = verifier.grad(LentPictures(pictures, previews));
  if (answer.status != WN_OK) fail("grad failed: {}", printable_lines(answer.text));
  if (!all_finite(answer.numbers)) fail("the gradient is not finite, or was not written whole");
  const std::size_t size = elements(pictures.shape);
  const auto scores = verifier.scores(pictures);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (answer.items[i] != WN_OK) fail("grad failed: {}", printable_lines(answer.item_texts[i]));
    const auto g = std::span<const float>(answer.numbers).subspan(i * size, size);
    const double length = norm(g);
    double best = std::numeric_limits<double>::infinity(), found = 0;
    for (const double h : {0.3, 0.1, 0.03, 0.01, 0.003}) {
      // float32 scores carry no smaller differences.
      if (length * h < 1e-4 * std::max(1e-3, std::abs(double{scores[i * verifier.heads()]})))
        continue;
      double ends[2];
      for (const int side : {0, 1}) {
        Pictures moved = pictures.chosen({i});
        for (std::size_t e = 0; e < size; ++e)
          moved.pixels[e] += static_cast<float>((side ? h : -h) * g[e] / length);
        ends[side] = verifier.scores(moved)[0];
      }
      const double slope = (ends[1] - ends[0]) / (2 * h), error = std::abs(slope / length - 1);
      if (error < best) best = error, found = slope;
    }
    if (!std::isfinite(best)) continue;
    ++compared;
    if (best > 0.05)
      fail(
          "picture {}: along the gradient the score rises by {:.6g}, the gradient's length is "
          "{:.6g}",
          i, found, length);
  }
  if (!compared) skip("the gradients are too small to be compared");
}

void features(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  if (!bench.provides(WN_VERIFIER_FEATURES_1)) skip("it is no feature network");
  const wn_features_info info = verifier.features_info();
  if (info.n_features == 0 || !info.network.data || info.network.size == 0)
    fail("info says {} features and a network called '{}'", info.n_features,
         info.network.data ? info.network.data : "");
  const std::size_t n = verifier.at_most(3), all = n * info.n_features;
  Pictures pictures = verifier.pictures(n);
  const auto taken = [&] {
    const Answer answer =
        verifier.features(LentPictures(pictures, verifier.info().preview_time >= 0), info);
    if (answer.status != WN_OK) fail("features failed: {}", printable_lines(answer.text));
    if (!all_finite(answer.numbers)) fail("features are not finite, or were not written whole");
    return answer.numbers;
  };
  const auto first = taken();
  for (std::size_t i = 0; i < n && info.n_classes; ++i) {
    double sum = 0;
    for (std::uint32_t c = 0; c < info.n_classes; ++c)
      sum += std::exp(double{first[all + i * info.n_classes + c]});
    if (std::abs(sum - 1) > 1e-3)
      fail("the probabilities of picture {} add up to {}, expected 1", i, sum);
  }
  for (wn_condition& condition : pictures.conditions) condition.class_id = 7;
  if (verifier.has(WN_F_DETERMINISTIC) && !same_bits(first, taken()))
    fail("features change with the condition, expected functions of the picture");
}

void set_level(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  if (!verifier.set_level()) skip("it does not rate sets");
  const Pictures pictures = verifier.pictures(4);
  const auto first = verifier.scores(pictures);
  if (!same_bits(first, verifier.scores(pictures)))
    fail("scoring changed the accepted set: the same pictures score differently");
  const auto accept_two = [&] {
    for (const std::size_t i : {0, 1}) {
      bench.stage("accepting a picture");
      verifier.accept(verifier.pictures(2, 3, 0, 0.5).chosen({i}));
    }
    return verifier.scores(pictures);
  };
  const auto after = accept_two();
  if (same_bits(first, after)) fail("two accepted pictures change no score of others");
  bench.stage("resetting the accepted set");
  verifier.reset();
  if (!same_bits(first, verifier.scores(pictures)))
    fail("after reset the scores are not those of the empty set");
  if (!same_bits(after, accept_two()))
    fail("the same pictures accepted in the same order give other scores");
}

void previews(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  if (verifier.info().preview_time < 0) skip("it asks for no previews");
  const Pictures pictures = verifier.pictures(verifier.at_most(3));
  verifier.scores(pictures);
  bench.stage("scoring without the previews that it asked for");
  const Answer without = verifier.score(LentPictures(pictures, false));
  if (without.status == WN_OK && !all_finite(without.numbers))
    fail("without previews the scores are not finite, expected scores or a refusal");
}

constexpr Test kTests[] = {
    {"claims-agree", 3, kVerifier, "Claims of the manifest are the flags of info.", claims_agree},
    {"features", 3, kVerifier,
     "Features are finite, probabilities add up to 1, and conditions do not matter.", features},
    {"set-level", 3, kVerifier,
     "Scores depend on what was accepted; reset gives the first ones again.", set_level},
    {"previews", 3, kVerifier, "Scores come with previews; without them a refusal, no crash.",
     previews},
    {"deterministic", 4, kVerifier,
     "Who claims it gives the same pictures the same bits, in every instance.", deterministic},
    {"batch-invariant", 4, kVerifier,
     "Who claims it gives the same bits in permuted, split and repeated batches.", batch_invariant},
    {"gradient", 4, kVerifier, "The gradient agrees with finite differences of the score.",
     gradient},
    {"reentrant", 5, kVerifier, "Who claims it gives the same scores on several threads at once.",
     reentrant},
};

}  // namespace

Tests verifier_claims() { return kTests; }

}  // namespace winnow::validator
