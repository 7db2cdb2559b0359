// tensor.hpp: a float32 tensor in aligned host memory, lent to plugins as wn_tensor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "winnow/winnow.h"

namespace winnow {

// Where tensors may lie beside the heap. Not thread-safe.
class TensorMemory {
 public:
  virtual ~TensorMemory() = default;
  virtual void* allocate(std::uint64_t bytes) = 0;  // 64-byte aligned; throws std::bad_alloc
  virtual void release(void* data) = 0;
};

// Shape [capacity, item...]; the number of items in use may be lowered without moving memory.
class Tensor {
 public:
  Tensor() = default;
  // In `memory`, which it shares; null: on the heap.
  Tensor(std::uint64_t capacity, std::span<const std::int64_t> item_shape,
         std::shared_ptr<TensorMemory> memory = nullptr) {
    shape_.push_back(static_cast<std::int64_t>(capacity));
    shape_.insert(shape_.end(), item_shape.begin(), item_shape.end());
    for (std::int64_t extent : item_shape) item_elements_ *= static_cast<std::uint64_t>(extent);
    const std::uint64_t bytes = capacity * item_elements_ * sizeof(float);
    void* data = memory ? memory->allocate(bytes) : std::aligned_alloc(64, bytes / 64 * 64 + 64);
    if (!data) throw std::bad_alloc();
    data_ = {static_cast<float*>(data), Release{std::move(memory)}};
    std::fill_n(data_.get(), capacity * item_elements_, 0.0f);
    capacity_ = capacity;
  }

  void resize(std::uint64_t items) { shape_[0] = static_cast<std::int64_t>(items); }
  std::uint64_t items() const { return static_cast<std::uint64_t>(shape_[0]); }
  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t item_elements() const { return item_elements_; }
  std::span<float> item(std::uint64_t i) {
    return {data_.get() + i * item_elements_, item_elements_};
  }
  std::span<const float> item(std::uint64_t i) const {
    return {data_.get() + i * item_elements_, item_elements_};
  }

  // Of the items in use.
  std::span<const float> values() const { return {data_.get(), items() * item_elements_}; }
  void fill(float value) { std::fill_n(data_.get(), items() * item_elements_, value); }

  // Valid as long as this tensor; const because DLPack has no const data. Plugins get it read-only
  // by contract.
  wn_tensor view() const {
    return {data_.get(),
            {1, 0},
            static_cast<std::int32_t>(shape_.size()),
            {2, 32, 1},
            const_cast<std::int64_t*>(shape_.data()),
            nullptr,
            0};
  }

 private:
  struct Release {
    std::shared_ptr<TensorMemory> memory;
    void operator()(float* p) const { memory ? memory->release(p) : std::free(p); }
  };
  std::unique_ptr<float[], Release> data_;
  std::vector<std::int64_t> shape_;
  std::uint64_t item_elements_ = 1;
  std::uint64_t capacity_ = 0;
};

}  // namespace winnow
