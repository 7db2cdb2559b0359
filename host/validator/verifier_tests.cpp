// verifier_tests.cpp: what every verifier owes: scores for all batches and pictures, within bounds.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "host/text.hpp"
#include "host/validator/verifier_bench.hpp"

namespace winnow::validator {
namespace {

// Kernels of networks round differently with the size of the batch.
constexpr double kTolerance = 1e-3;

bool close(float a, float b) { return std::abs(a - b) <= kTolerance * (1 + std::abs(a)); }

void scores_finite(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  bench.stage("scoring 4 pictures");
  verifier.scores(verifier.pictures(4));
}

void info_sane(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  const wn_verifier_info& info = verifier.info();
  constexpr std::uint32_t kFlags =
      WN_F_REENTRANT | WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC | WN_F_GRAD;
  if (info.flags & ~kFlags)
    fail("info has the flags {:#x}, of which {:#x} mean nothing for a verifier", info.flags,
         info.flags & ~kFlags);
  const bool grad = instance.optional_table<wn_verifier_grad_1>(WN_VERIFIER_GRAD_1) != nullptr;
  if (grad != verifier.has(WN_F_GRAD))
    fail("the flag WN_F_GRAD is {}, though the interface {} is {}there",
         verifier.has(WN_F_GRAD) ? "set" : "not set", WN_VERIFIER_GRAD_1, grad ? "" : "not ");
  if (!(info.preview_time == -1 || (info.preview_time >= 0 && info.preview_time <= 1)))
    fail("preview_time is {}, expected -1 or 0 to 1", info.preview_time);
  if (info.max_batch && info.preferred_batch > info.max_batch)
    fail("preferred_batch is {}, above max_batch, {}", info.preferred_batch, info.max_batch);
  const VerifierBench again(instance);
  if (again.info().flags != info.flags || again.info().n_heads != info.n_heads ||
      again.info().preview_time != info.preview_time || again.info().max_batch != info.max_batch)
    fail("info differs between two calls, expected a constant");
}

void info_in_bounds(Bench& bench) {
  bench.needs_this_process();
  Instance instance(bench);
  bench.stage("asking for info with a canary behind it");
  const auto& table = instance.table<wn_verifier_1>(WN_VERIFIER_1);
  check_bounds<wn_verifier_info>("info", WN_SIZE(wn_verifier_info, preview_time),
                                 [&](auto* out) { table.info(instance.get(), out); });
  if (const auto* features =
          instance.optional_table<wn_verifier_features_1>(WN_VERIFIER_FEATURES_1))
    check_bounds<wn_features_info>("info of the features", WN_SIZE(wn_features_info, network),
                                   [&](auto* out) { features->info(instance.get(), out); });
}

void compare_batch_sizes(Instance& instance) {
  const VerifierBench verifier(instance);
  const std::size_t most = verifier.largest_batch();
  const Pictures all = verifier.pictures(most);
  std::set<std::size_t> sizes = {1, 3, 7, most};
  std::vector<float> alone;
  for (std::size_t i = 0; i < std::min<std::size_t>(most, 7); ++i) {
    const auto one = verifier.scores(all.chosen({i}));
    alone.insert(alone.end(), one.begin(), one.end());
  }
  for (const std::size_t n : sizes) {
    if (n > most) continue;
    instance.bench().stage("scoring {} pictures", n);
    std::vector<std::size_t> first(n);
    for (std::size_t i = 0; i < n; ++i) first[i] = i;
    const auto scores = verifier.scores(all.chosen(first));
    for (std::size_t k = 0; k < std::min(scores.size(), alone.size()); ++k)
      if (!close(alone[k], scores[k]))
        fail("picture {} scores {} alone and {} in a batch of {}", k / verifier.heads(), alone[k],
             scores[k], n);
  }
}

// In Python a batch that fails is tried picture by picture, and a warning says so.
void batch_sizes(Bench& bench) {
  Instance instance(bench);
  const std::string warning = warned_by([&] { compare_batch_sizes(instance); });
  if (bench.isolated() && !warning.empty()) fail("{}", warning);
}

void empty_batch(Bench& bench) {
  bench.needs_this_process();
  Instance instance(bench);
  const VerifierBench verifier(instance);
  bench.stage("scoring no pictures at all");
  const Answer answer = verifier.score(verifier.pictures(0));
  if (answer.status != WN_OK) bench.remark("refuses it: " + printable_lines(answer.text));
  verifier.scores(verifier.pictures(2));
}

// Either a finite score, or an item error (with a text: Call sees to that).
void expect_answer(const VerifierBench& verifier, const Pictures& pictures,
                   const std::string& what) {
  const Answer answer = verifier.score(pictures);
  if (answer.status != WN_OK)
    fail("a batch with {} fails as a whole, expected a status for the item: {}", what,
         printable_lines(answer.text));
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto part =
        std::span<const float>(answer.numbers).subspan(i * verifier.heads(), verifier.heads());
    if (answer.items[i] == WN_OK && !all_finite(part))
      fail("{}: a score that is not finite, and no error", what);
  }
}

void plain_pictures(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  for (const float value : {0.0f, 1.0f, 0.5f, 1.0f / 255}) {
    bench.stage("scoring pictures that are {} everywhere", value);
    Pictures pictures = verifier.pictures(3);
    std::ranges::fill(pictures.item(1), value);
    expect_answer(verifier, pictures, fmt::format("a picture that is {} everywhere", value));
  }
}

// The host lets none through, but a verifier must survive it, and its neighbours must not notice.
void odd_pixels(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  const Pictures sound = verifier.pictures(3);
  const auto expected = verifier.scores(sound);
  const float inf = std::numeric_limits<float>::infinity();
  bool not_finite = false;
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), inf, -inf, 1e30f, -3.0f, 1e-42f}) {
    bench.stage("scoring a picture of which every pixel is {}", value);
    Pictures pictures = sound;
    std::ranges::fill(pictures.item(1), value);
    const Answer answer = verifier.score(pictures);
    if (answer.status != WN_OK) continue;
    for (const std::size_t i : {0, 2})
      for (std::size_t h = 0; h < verifier.heads(); ++h)
        if (const std::size_t k = i * verifier.heads() + h;
            answer.items[i] != WN_OK || !close(expected[k], answer.numbers[k]))
          fail("a picture full of {} changes the score of its neighbour from {} to {}", value,
               expected[k], answer.numbers[k]);
    not_finite |= answer.items[1] == WN_OK && !all_finite(std::span<const float>(answer.numbers));
  }
  if (not_finite) bench.remark("scores that are not finite for such pictures, and no error");
  bench.stage("scoring sound pictures after odd ones");
  const auto after = verifier.scores(sound);
  for (std::size_t k = 0; k < after.size(); ++k)
    if (!close(expected[k], after[k]))
      fail("after odd pictures a sound one scores {}, before {}", after[k], expected[k]);
}

void odd_sizes(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  const Pictures sound = verifier.pictures(2);
  const auto expected = verifier.scores(sound);
  for (const Shape& shape :
       {Shape{1, 1, 1}, Shape{3, 1, 1}, Shape{1, 2, 3}, Shape{4, 9, 5}, Shape{3, 31, 17}}) {
    bench.stage("scoring pictures of {} channels, height {}, width {}", shape[0], shape[1],
                shape[2]);
    Pictures odd = sound;
    odd.shape = shape;
    odd.pixels.assign(2 * elements(shape), 0.25f);
    odd.previews = odd.pixels;
    verifier.score(odd);  // a score, or a status with a text
  }
  bench.stage("scoring sound pictures after those of odd sizes");
  const auto after = verifier.scores(sound);
  for (std::size_t k = 0; k < after.size(); ++k)
    if (!close(expected[k], after[k]))
      fail("after pictures of other sizes one scores {}, before {}", after[k], expected[k]);
}

void odd_conditions(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  const std::string long_prompt(100'000, 'a'), other = "K\xC3\xA4se \xE2\x98\x83 {} % \\ \"";
  for (int k = 0; k < 5; ++k) {
    Pictures pictures = verifier.pictures(3);
    wn_condition& condition = pictures.conditions[1];
    condition.prompt = {};
    const std::int64_t classes[] = {-1, 1'000'000, std::numeric_limits<std::int64_t>::max(), -1,
                                    -1};
    condition.class_id = classes[k];
    if (k >= 3) {
      const std::string& text = k == 3 ? long_prompt : other;
      condition.prompt = {text.c_str(), text.size()};
    }
    const std::string what = k < 3 ? fmt::format("class {} and no prompt", condition.class_id)
                                   : fmt::format("a prompt of {} bytes", condition.prompt.size);
    bench.stage("scoring a picture with {}", what);
    expect_answer(verifier, pictures, "a condition with " + what);
  }
}

void inputs_read_only(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  Pictures pictures = verifier.pictures(verifier.at_most(3));
  for (std::size_t i = 1; i < pictures.size(); ++i)  // black, white
    std::ranges::fill(pictures.item(i), static_cast<float>(i - 1));
  LentPictures lent(pictures, verifier.info().preview_time >= 0);
  lent.forbid_writing();
  bench.stage("scoring pictures in read-only memory: it must not write to its inputs");
  verifier.score(lent);
  bench.stage("taking gradients or features of pictures in read-only memory");
  if (bench.provides(WN_VERIFIER_GRAD_1)) verifier.grad(lent);
  if (bench.provides(WN_VERIFIER_FEATURES_1)) verifier.features(lent, verifier.features_info());
}

// The canaries and forbidden pages beside every answer are VerifierBench's.
void outputs_in_bounds(Bench& bench) {
  bench.needs_this_process();
  Instance instance(bench);
  const VerifierBench verifier(instance);
  for (const std::size_t n : {1, 2, 5}) {
    if (n > verifier.largest_batch()) continue;
    bench.stage("answering for {} pictures, with forbidden memory behind the answer", n);
    const LentPictures lent(verifier.pictures(n), verifier.info().preview_time >= 0);
    verifier.score(lent);
    if (bench.provides(WN_VERIFIER_GRAD_1)) verifier.grad(lent);
    if (bench.provides(WN_VERIFIER_FEATURES_1)) verifier.features(lent, verifier.features_info());
  }
}

void pointers_not_kept(Bench& bench) {
  bench.needs_this_process();
  Instance instance(bench);
  const VerifierBench verifier(instance);
  const bool previews = verifier.info().preview_time >= 0;
  const auto expected = verifier.scores(verifier.pictures(3, 1));
  LentPictures first(verifier.pictures(verifier.at_most(3)), previews);
  verifier.score(first);
  if (verifier.set_level()) {
    Call call(bench, instance.services(), "accept");
    LentPictures one(verifier.pictures(1), previews);
    call.must(verifier.set()->accept(instance.get(), call.table(), &one.batch()));
    one.forbid_everything();
    bench.stage("scoring after the memory of the accepted picture is gone");
    verifier.scores(verifier.pictures(3, 1));
    verifier.reset();
  }
  first.forbid_everything();
  bench.stage("scoring again while the memory of the batch before is gone: it kept a pointer");
  const auto again = verifier.scores(verifier.pictures(3, 1));
  for (std::size_t k = 0; k < again.size(); ++k)
    if (!close(expected[k], again[k]))
      fail("a picture scores {} after another batch, and {} before", again[k], expected[k]);
}

void byte_offset(Bench& bench) {
  Instance instance(bench);
  const VerifierBench verifier(instance);
  const Pictures pictures = verifier.pictures(1);
  const auto expected = verifier.scores(pictures);
  LentPictures lent(pictures, verifier.info().preview_time >= 0);
  wn_tensor shifted = *lent.batch().samples;
  shifted.data = static_cast<char*>(shifted.data) - 64;
  shifted.byte_offset = 64;
  const_cast<wn_verifier_batch&>(lent.batch()).samples = &shifted;
  bench.stage("scoring pictures that begin at byte_offset 64");
  const Answer answer = verifier.score(lent);
  if (answer.status != WN_OK || !same_bits(answer.numbers, expected))
    fail("with byte_offset 64 the first score is {}, with 0 it is {}", answer.numbers[0],
         expected[0]);
}

constexpr Test kTests[] = {
    {"scores-finite", 1, kVerifier, "Pictures of noise get finite scores.", scores_finite,
     Needs::kInstance},
    {"info-sane", 2, kVerifier, "Flags, heads and batch sizes of info fit together and stay.",
     info_sane},
    {"batch-sizes", 2, kVerifier,
     "Batches of 1, of odd sizes and the largest give each picture the score it has alone, and "
     "fail "
     "only where it does.",
     batch_sizes},
    {"info-in-bounds", 3, kVerifier, "info leaves struct_size and what lies behind it alone.",
     info_in_bounds, Needs::kInstance},
    {"plain-pictures", 3, kVerifier,
     "Black, white and constant pictures get a finite score or an error of their own.",
     plain_pictures},
    {"inputs-read-only", 3, kVerifier, "No call writes to its inputs (they are mapped read-only).",
     inputs_read_only},
    {"outputs-in-bounds", 3, kVerifier, "No call writes beside its outputs.", outputs_in_bounds},
    {"empty-batch", 4, kVerifier, "A batch of no pictures is no crash.", empty_batch},
    {"odd-conditions", 4, kVerifier,
     "A class or prompt that the verifier cannot know gets a score or an error of its own.",
     odd_conditions},
    {"pointers-not-kept", 4, kVerifier,
     "No call looks at the memory of an earlier one (it is unmapped).", pointers_not_kept},
    {"odd-pixels", 5, kVerifier,
     "NaN, infinite and huge pixels spoil neither the neighbours nor later scores.", odd_pixels},
    {"odd-sizes", 5, kVerifier,
     "Pictures of other sizes get a score or an error, and later ones their own.", odd_sizes},
    {"byte-offset", 7, kVerifier, "Samples that begin at a byte_offset get the same scores.",
     byte_offset},
};

}  // namespace

Tests verifier_tests() { return kTests; }

}  // namespace winnow::validator
