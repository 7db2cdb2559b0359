// verifier_bench.hpp: a verifier's tables, and pictures to be judged.
#pragma once

#include <functional>

#include "host/validator/bench.hpp"
#include "host/validator/memory.hpp"

namespace winnow::validator {

using Shape = std::vector<std::int64_t>;  // of one item
std::size_t elements(const Shape& shape);

// Pictures with what they were asked for; a preview goes along with each.
struct Pictures {
  Shape shape;
  std::vector<float> pixels, previews;  // [n, shape]
  std::vector<wn_condition> conditions;
  std::vector<std::uint64_t> ids;
  std::size_t size() const { return ids.size(); }
  std::span<float> item(std::size_t i) {
    return std::span<float>(pixels).subspan(i * elements(shape), elements(shape));
  }
  Pictures chosen(const std::vector<std::size_t>& items) const;
};

// What a call gave. Only what an OK call and OK items wrote means something.
struct Answer {
  wn_status status = WN_OK;
  std::string text;
  std::vector<float> numbers;  // [n * each]
  std::vector<wn_status> items;
  std::vector<std::string> item_texts;
};

// The memory of one call's batch; read-only for the plugin by contract, by force when asked.
class LentPictures {
 public:
  explicit LentPictures(const Pictures& pictures, bool with_previews);
  LentPictures(const LentPictures&) = delete;
  const wn_verifier_batch& batch() const { return batch_; }
  const wn_tensor& samples() const { return samples_; }
  void forbid_writing();
  void forbid_everything();

 private:
  GuardedMemory pixels_, previews_, conditions_, pointers_, ids_;
  std::vector<std::int64_t> shape_;
  wn_tensor samples_{}, preview_tensor_{};
  wn_verifier_batch batch_{};
};

class VerifierBench {
 public:
  // Looks for a shape of pictures that it takes, unless the subject gives one.
  explicit VerifierBench(Instance& instance);

  const wn_verifier_info& info() const { return info_; }
  bool has(std::uint32_t flag) const { return (info_.flags & flag) != 0; }
  bool set_level() const { return set_ != nullptr; }
  const wn_verifier_set_1* set() const { return set_; }
  std::size_t heads() const { return info_.n_heads; }
  std::size_t largest_batch() const;
  std::size_t at_most(std::size_t n) const { return std::min(n, largest_batch()); }
  // Pixels uniform in [low, high); the same for the same `which`.
  Pictures pictures(std::size_t n, std::uint64_t which = 0, double low = 0, double high = 1) const;

  Answer score(const LentPictures& lent) const;
  // In batches of at most max_batch.
  Answer score(const Pictures& pictures) const;
  // Of pictures that every verifier must rate: ends the test when one has no finite score.
  std::vector<float> scores(const Pictures& pictures) const;
  void reset() const;
  void accept(const Pictures& one) const;
  // Gradient [n, shape] or features [n * (n_features + n_classes)].
  Answer grad(const LentPictures& lent) const;
  Answer features(const LentPictures& lent, const wn_features_info& info) const;
  wn_features_info features_info() const;

 private:
  using Body = std::function<wn_status(const wn_call*, float*, wn_status*)>;
  Answer call(const char* function, std::size_t n, std::size_t numbers, const Body& body) const;
  // Why it does not take one picture of the present shape and prompt; nothing: it does.
  std::optional<std::string> refusal() const;
  void find_shape();

  Instance& instance_;
  const wn_verifier_1& table_;
  const wn_verifier_set_1* set_;
  wn_verifier_info info_{};
  Shape shape_;
  std::string prompt_;
};

std::string use_verifier(Instance& instance);
bool same_bits(std::span<const float> a, std::span<const float> b);
bool all_finite(std::span<const float> numbers);

}  // namespace winnow::validator
