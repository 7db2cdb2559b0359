// verifier_bench.cpp: see verifier_bench.hpp.
#include "host/validator/verifier_bench.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "host/text.hpp"
#include "host/validator/refusals.hpp"

namespace winnow::validator {
namespace {

constexpr std::size_t kMostItems = 128;

GuardedMemory pointers_to(const GuardedMemory& conditions, std::size_t n) {
  std::vector<const wn_condition*> pointers(n);
  for (std::size_t i = 0; i < n; ++i)
    pointers[i] = static_cast<const wn_condition*>(conditions.data()) + i;
  return lent(pointers);
}

}  // namespace

std::size_t elements(const Shape& shape) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  return count;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool all_finite(std::span<const float> numbers) {
  return std::ranges::all_of(numbers, [](float number) { return std::isfinite(number); });
}

Pictures Pictures::chosen(const std::vector<std::size_t>& items) const {
  Pictures out;
  out.shape = shape;
  const auto size = static_cast<std::ptrdiff_t>(elements(shape));
  for (const std::size_t i : items) {
    const auto at = static_cast<std::ptrdiff_t>(i) * size;
    out.pixels.insert(out.pixels.end(), pixels.begin() + at, pixels.begin() + at + size);
    out.previews.insert(out.previews.end(), previews.begin() + at, previews.begin() + at + size);
    out.conditions.push_back(conditions[i]);
    out.ids.push_back(ids[i]);
  }
  return out;
}

LentPictures::LentPictures(const Pictures& pictures, bool with_previews)
    : pixels_(lent(pictures.pixels, kTensorAlignment)),
      previews_(lent(pictures.previews, kTensorAlignment)),
      conditions_(lent(pictures.conditions)),
      pointers_(pointers_to(conditions_, pictures.size())),
      ids_(lent(pictures.ids)) {
  shape_ = pictures.shape;
  shape_.insert(shape_.begin(), static_cast<std::int64_t>(pictures.size()));
  samples_ = tensor_over(pixels_.data(), shape_);
  preview_tensor_ = tensor_over(previews_.data(), shape_);
  batch_ = {.struct_size = WN_SIZE(wn_verifier_batch, previews),
            .reserved0 = 0,
            .n = pictures.size(),
            .samples = &samples_,
            .conditions = static_cast<const wn_condition* const*>(pointers_.data()),
            .candidate_ids = static_cast<const std::uint64_t*>(ids_.data()),
            .previews = with_previews ? &preview_tensor_ : nullptr};
}

void LentPictures::forbid_writing() {
  for (GuardedMemory* memory : {&pixels_, &previews_, &conditions_, &pointers_, &ids_})
    memory->forbid_writing();
}

void LentPictures::forbid_everything() {
  for (GuardedMemory* memory : {&pixels_, &previews_, &conditions_, &pointers_, &ids_})
    memory->forbid_everything();
}

VerifierBench::VerifierBench(Instance& instance)
    : instance_(instance),
      table_(instance.table<wn_verifier_1>(WN_VERIFIER_1)),
      set_(instance.optional_table<wn_verifier_set_1>(WN_VERIFIER_SET_1)) {
  info_.struct_size = WN_SIZE(wn_verifier_info, preview_time);
  info_.preview_time = -1;
  if (const wn_status status = table_.info(instance.get(), &info_); status != WN_OK)
    fail("info failed with status {}", status);
  if (info_.n_heads == 0 || info_.n_heads > 4096)
    fail("info says {} heads, expected 1 to 4096", info_.n_heads);
  reset();
  find_shape();
}

void VerifierBench::reset() const {
  if (!set_) return;
  if (const wn_status status = set_->reset(instance_.get()); status != WN_OK)
    fail("reset failed with status {}", status);
}

std::optional<std::string> VerifierBench::refusal() const {
  const Answer answer = score(pictures(1));
  if (answer.status != WN_OK) return printable_lines(answer.text);
  if (answer.items[0] != WN_OK) return printable_lines(answer.item_texts[0]);
  return std::nullopt;
}

void VerifierBench::find_shape() {
  std::vector<Shape> shapes = {{1, 28, 28}, {3, 32, 32}, {3, 64, 64}, {3, 224, 224}, {3, 512, 512}};
  if (const Shape& given = instance_.bench().subject().shape; !given.empty()) shapes = {given};
  std::vector<std::string> prompts = {"", "a red apple on a table", "a red circle"};
  if (const auto& given = instance_.bench().subject().prompt) prompts = {*given};
  std::vector<Refusal> refusals;
  for (const std::string& prompt : prompts)
    for (const Shape& shape : shapes) {
      shape_ = shape;
      prompt_ = prompt;
      instance_.bench().stage("looking for a shape that it takes: {} channels, height {}", shape[0],
                              shape[1]);
      const auto why_not = refusal();
      if (!why_not) return;
      refusals.push_back({fmt::format("{}", fmt::join(shape, "x")), prompt, *why_not});
    }
  fail("{}", refusals_text(refusals));
}

std::size_t VerifierBench::largest_batch() const {
  const std::size_t wish = info_.preferred_batch ? info_.preferred_batch : kMostItems;
  return std::min(info_.max_batch ? std::size_t{info_.max_batch} : std::max<std::size_t>(wish, 16),
                  kMostItems);
}

Pictures VerifierBench::pictures(std::size_t n, std::uint64_t which, double low,
                                 double high) const {
  Pictures out;
  out.shape = shape_;
  std::mt19937_64 random(instance_.bench().subject().seed + 0x9E3779B97F4A7C15u * (which + 1));
  const auto fill = [&](std::vector<float>& pixels) {
    pixels.resize(n * elements(shape_));
    for (float& pixel : pixels)
      pixel =
          static_cast<float>(low + (high - low) * static_cast<double>(random() >> 40) * 0x1p-24);
  };
  fill(out.pixels);
  fill(out.previews);
  for (std::size_t i = 0; i < n; ++i) {
    wn_condition condition{};
    condition.struct_size = WN_SIZE(wn_condition, tensors);
    condition.task = i;
    condition.class_id = static_cast<std::int64_t>(i % 10);
    condition.prompt = {prompt_.c_str(), prompt_.size()};
    out.conditions.push_back(condition);
    out.ids.push_back(i + 1);
  }
  return out;
}

Answer VerifierBench::call(const char* function, std::size_t n, std::size_t numbers,
                           const Body& body) const {
  GuardedMemory out(numbers * sizeof(float), sizeof(float));
  GuardedMemory status(n * sizeof(wn_status), sizeof(wn_status));
  auto* const written = static_cast<float*>(out.data());
  auto* const items = static_cast<wn_status*>(status.data());
  std::fill_n(written, numbers, std::numeric_limits<float>::quiet_NaN());
  std::fill_n(items, n, WN_OK);
  Call call(instance_.bench(), instance_.services(), function);
  Answer answer;
  answer.status = call.over(body(call.table(), written, items));
  answer.text = call.text();
  if (!out.surroundings_untouched())
    fail("{} wrote beside the {} numbers of its answer", function, numbers);
  if (!status.surroundings_untouched())
    fail("{} wrote beside the status of its {} items", function, n);
  answer.numbers.assign(written, written + numbers);
  answer.items.assign(items, items + n);
  for (std::size_t i = 0; i < n; ++i) {
    if (answer.status == WN_OK) call.item(i, items[i]);
    answer.item_texts.push_back(call.item_text(i));
  }
  return answer;
}

Answer VerifierBench::score(const LentPictures& lent) const {
  return call("score", lent.batch().n, lent.batch().n * heads(),
              [&](const wn_call* c, float* out, wn_status* status) {
                return table_.score(instance_.get(), c, &lent.batch(), out, status);
              });
}

Answer VerifierBench::score(const Pictures& pictures) const {
  const bool previews = info_.preview_time >= 0;
  if (pictures.size() <= largest_batch()) return score(LentPictures(pictures, previews));
  Answer whole;
  for (std::size_t first = 0; first < pictures.size(); first += largest_batch()) {
    std::vector<std::size_t> items(std::min(largest_batch(), pictures.size() - first));
    std::iota(items.begin(), items.end(), first);
    const Answer part = score(LentPictures(pictures.chosen(items), previews));
    if (part.status != WN_OK) return part;
    whole.numbers.insert(whole.numbers.end(), part.numbers.begin(), part.numbers.end());
    whole.items.insert(whole.items.end(), part.items.begin(), part.items.end());
    whole.item_texts.insert(whole.item_texts.end(), part.item_texts.begin(), part.item_texts.end());
  }
  return whole;
}

std::vector<float> VerifierBench::scores(const Pictures& pictures) const {
  const Answer answer = score(pictures);
  if (answer.status != WN_OK)
    fail("score of {} pictures failed with status {}: {}", pictures.size(), answer.status,
         printable_lines(answer.text));
  for (std::size_t i = 0; i < pictures.size(); ++i)
    if (answer.items[i] != WN_OK)
      fail("picture {} of {} failed: {}", i, pictures.size(),
           printable_lines(answer.item_texts[i]));
  if (!all_finite(answer.numbers)) fail("a score is not finite, or was not written");
  return answer.numbers;
}

void VerifierBench::accept(const Pictures& one) const {
  const LentPictures lent(one, info_.preview_time >= 0);
  Call call(instance_.bench(), instance_.services(), "accept");
  call.must(set_->accept(instance_.get(), call.table(), &lent.batch()));
}

Answer VerifierBench::grad(const LentPictures& lent) const {
  const auto& table = instance_.table<wn_verifier_grad_1>(WN_VERIFIER_GRAD_1);
  const wn_tensor& samples = lent.samples();
  std::vector<std::int64_t> shape(samples.shape, samples.shape + samples.ndim);
  return call("grad", lent.batch().n, elements(shape),
              [&](const wn_call* c, float* numbers, wn_status* status) {
                wn_tensor out = tensor_over(numbers, shape);
                return table.grad(instance_.get(), c, &lent.batch(), &out, status);
              });
}

wn_features_info VerifierBench::features_info() const {
  const auto& table = instance_.table<wn_verifier_features_1>(WN_VERIFIER_FEATURES_1);
  wn_features_info info{};
  info.struct_size = WN_SIZE(wn_features_info, network);
  if (const wn_status status = table.info(instance_.get(), &info); status != WN_OK)
    fail("info of the features failed with status {}", status);
  return info;
}

Answer VerifierBench::features(const LentPictures& lent, const wn_features_info& info) const {
  const auto& table = instance_.table<wn_verifier_features_1>(WN_VERIFIER_FEATURES_1);
  const std::size_t n = lent.batch().n;
  return call("features", n, n * (info.n_features + info.n_classes),
              [&](const wn_call* c, float* out, wn_status* status) {
                return table.features(instance_.get(), c, &lent.batch(), out,
                                      info.n_classes ? out + n * info.n_features : nullptr, status);
              });
}

std::string use_verifier(Instance& instance) {
  const VerifierBench verifier(instance);
  instance.bench().stage("scoring 5 pictures");
  const std::vector<float> scores = verifier.scores(verifier.pictures(5));
  return {reinterpret_cast<const char*>(scores.data()), scores.size() * sizeof(float)};
}

}  // namespace winnow::validator
