// Fashion-MNIST (Xiao et al., 2017, MIT licence): 28x28 grey images of ten kinds of clothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace winnow::training {

struct FashionMnist {
  std::vector<uint8_t> pixels;  // [count, 28, 28]
  std::vector<uint8_t> labels;  // [count], 0..9
  int64_t count = 0;
};

inline constexpr int64_t kSide = 28;
inline constexpr int64_t kClasses = 10;
inline constexpr const char* kDefaultData = "/usr/share/datasets/fashion-mnist";

// Reads `<folder>/<part>-images-idx3-ubyte.gz` and the labels beside it; `part` is "train" or
// "t10k". Throws std::runtime_error with the file's name.
FashionMnist load_fashion_mnist(const std::string& folder, const std::string& part);

}  // namespace winnow::training
