// latent_cache.cpp: see latent_cache.hpp.
#include "host/latent_cache.hpp"

namespace winnow {

void LatentCache::put(const LatentKey& key, LatentPtr latent) {
  erase(key);
  if (latent->bytes() > limit_) return;
  bytes_ += latent->bytes();
  entries_.push_front({key, std::move(latent)});
  by_key_[key] = entries_.begin();
  evict();
}

LatentPtr LatentCache::get(const LatentKey& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->latent;
}

void LatentCache::erase(const LatentKey& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  bytes_ -= found->second->latent->bytes();
  entries_.erase(found->second);
  by_key_.erase(found);
}

void LatentCache::evict() {
  while (bytes_ > limit_) erase(entries_.back().key);
}

}  // namespace winnow
