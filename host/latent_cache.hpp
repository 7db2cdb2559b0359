// latent_cache.hpp: latents of candidates that may become parents, within a byte limit; what was
// dropped is made again.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

namespace winnow {

// What travels from step to step: the latent, the sampler's carry, and whether the carry holds the
// evaluation at this latent.
struct Latent {
  std::vector<float> values;  // [latent elements]
  std::vector<float> carry;   // [carry elements]
  std::uint8_t has_eval = 0;
  std::uint64_t bytes() const { return (values.size() + carry.size()) * sizeof(float) + 128; }
};
using LatentPtr = std::shared_ptr<const Latent>;

struct LatentKey {
  std::uint64_t task = 0, candidate = 0;
  bool operator==(const LatentKey&) const = default;
};
struct LatentKeyHash {
  std::size_t operator()(const LatentKey& key) const {
    return std::hash<std::uint64_t>{}(key.task * 0x9E3779B97F4A7C15ull ^ key.candidate);
  }
};

// Least recently used goes first. Whoever holds a LatentPtr keeps it alive regardless. Not
// thread-safe.
class LatentCache {
 public:
  explicit LatentCache(std::uint64_t limit_bytes) : limit_(limit_bytes) {}
  void put(const LatentKey& key, LatentPtr latent);
  LatentPtr get(const LatentKey& key);  // null: not there
  void erase(const LatentKey& key);
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    LatentKey key;
    LatentPtr latent;
  };
  void evict();
  std::uint64_t limit_, bytes_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<LatentKey, std::list<Entry>::iterator, LatentKeyHash> by_key_;
};

}  // namespace winnow
