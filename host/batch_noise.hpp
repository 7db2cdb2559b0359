// batch_noise.hpp: the noises of one batch, by handle.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "host/host_services.hpp"
#include "host/task.hpp"

namespace winnow {

// Handles are indices into the batch. Any thread.
class BatchNoise final : public NoiseSource {
 public:
  using Noises = std::vector<std::pair<Task*, std::uint64_t>>;
  explicit BatchNoise(const Noises& noises) : noises_(noises) {}
  void normal(std::uint64_t handle, std::uint32_t position, std::span<float> out) override {
    if (handle >= noises_.size())
      throw Error(Exit::kPlugin, "a noise handle that was not part of the batch");
    const auto& [task, id] = noises_[handle];
    if (!id) throw Error(Exit::kPlugin, "this candidate has no noise");
    const std::lock_guard lock(evaluating_);
    task->noises().evaluate(id, position, out);
  }

 private:
  const Noises& noises_;
  std::mutex evaluating_;
};

}  // namespace winnow
