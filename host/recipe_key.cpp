// recipe_key.cpp: see recipe_key.hpp. Every field goes into the hash with its width or its length,
// so that no two recipes share their bytes.
#include "host/recipe_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "host/sha256.hpp"

namespace winnow {
namespace {

class Digest {
 public:
  explicit Digest(std::string_view kind) { text(kind); }

  Digest& number(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  Digest& real(double value) {
    value += 0.0;  // -0 is 0
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return number(bits);
  }
  Digest& text(std::string_view value) {
    number(value.size());
    bytes_.append(value);
    return *this;
  }
  // An unknown part makes the whole unknown.
  Digest& key(const RecipeKey& part) {
    known_ = known_ && part;
    return number(part.high).number(part.low);
  }

  RecipeKey finish() const {
    RecipeKey key;
    if (!known_) return key;
    const auto hash = sha256(bytes_);
    for (std::size_t i = 0; i < 8; ++i) {
      key.high = key.high << 8 | hash[i];
      key.low = key.low << 8 | hash[8 + i];
    }
    return key;
  }

 private:
  std::string bytes_;
  bool known_ = true;
};

}  // namespace

std::string condition_text(std::int64_t class_id, const std::string& prompt,
                           const std::string& image_hash) {
  return fmt::format("class {}, image {}, prompt {}", class_id, image_hash, prompt);
}

RecipeKey RecipeKeys::of_noise(std::uint64_t id) const {
  const auto found = noises_.find(id);
  return found == noises_.end() ? RecipeKey{} : found->second;
}

RecipeKey RecipeKeys::of(std::uint64_t candidate) const {
  const auto found = candidates_.find(candidate);
  return found == candidates_.end() ? RecipeKey{} : found->second.key;
}

double RecipeKeys::start_of(std::uint64_t candidate) const {
  const auto found = candidates_.find(candidate);
  return found == candidates_.end() ? std::nan("") : found->second.start;
}

void RecipeKeys::add(const Noise& n) {
  Digest digest("noise");
  digest.number(n.op).number(n.at.seed).number(n.at.stream).number(n.at.domain).real(n.s);
  digest.number(n.parents.size()).number(n.weights.size()).number(n.tensor.size());
  for (const std::uint64_t parent : n.parents) digest.key(of_noise(parent));
  for (const double weight : n.weights) digest.real(weight);
  if (!n.tensor.empty()) {
    digest.number(n.position);
    digest.text({reinterpret_cast<const char*>(n.tensor.data()), n.tensor.size() * sizeof(float)});
  }
  if (n.needs_gradient()) digest.key(of(n.candidate)).text(scope_.objective);
  noises_[n.id] = digest.finish();
}

RecipeKeys::Known RecipeKeys::made(const Candidate& c) const {
  const auto found = candidates_.find(c.parent);
  const Known parent = found == candidates_.end() ? Known{} : found->second;
  Known known;
  known.noise = c.own_noise ? of_noise(c.noise) : parent.noise;
  known.start = c.op == WN_CAND_RENOISE ? c.from_time : parent.stop;
  known.stop = c.stop_time;
  known.stochasticity = c.stochasticity;
  known.profile = c.profile;
  const bool goes_on = c.op == WN_CAND_CONTINUE && parent.plain && parent.profile == c.profile &&
                       parent.stochasticity == c.stochasticity && parent.noise == known.noise;
  if (c.op == WN_CAND_START || (goes_on && c.leg_steps == 0)) {
    known.key = Digest("start")
                    .text(condition_)
                    .key(known.noise)
                    .number(c.profile)
                    .real(c.stochasticity)
                    .number(c.leg_steps)
                    .real(c.stop_time)
                    .finish();
    const auto& times = scope_.times.at(c.profile);
    known.plain = c.leg_steps == 0 && std::ranges::find(times, c.stop_time) != times.end();
    return known;
  }
  known.key = Digest("leg")
                  .number(c.op)
                  .key(parent.key)
                  .number(c.own_noise)
                  .key(known.noise)
                  .number(c.profile)
                  .real(c.stochasticity)
                  .number(c.leg_steps)
                  .real(c.stop_time)
                  .real(c.op == WN_CAND_RENOISE ? c.from_time : 0)
                  .real(c.op == WN_CAND_JITTER ? c.s : 0)
                  .finish();
  return known;
}

void RecipeKeys::add(const Candidate& candidate) {
  const auto found = candidates_.find(candidate.parent);
  if (candidate.op != WN_CAND_RESCORE)
    candidates_[candidate.id] = made(candidate);
  else if (found != candidates_.end())
    candidates_[candidate.id] = Known(found->second);
}

void RecipeKeys::keep(const std::function<bool(std::uint64_t)>& noise_is_there,
                      const std::function<bool(std::uint64_t)>& candidate_is_there) {
  std::erase_if(noises_, [&](const auto& entry) { return !noise_is_there(entry.first); });
  std::erase_if(candidates_, [&](const auto& entry) { return !candidate_is_there(entry.first); });
}

Candidate completed_recipe(std::uint64_t candidate, std::uint32_t profile) {
  Candidate c;
  c.op = WN_CAND_CONTINUE;
  c.parent = candidate;
  c.profile = profile;
  return c;
}

Candidate regenerated_recipe(std::uint64_t noise, double stochasticity) {
  Candidate c;
  c.op = WN_CAND_START;
  c.noise = noise;
  c.own_noise = true;
  c.stochasticity = stochasticity;
  c.profile = WN_PROFILE_FINAL;
  return c;
}

}  // namespace winnow
