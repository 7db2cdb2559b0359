// golden_values.hpp: tensors against the lines "key.index value" and "key.rms value" of a
// reference.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/catch.hpp"

namespace winnow::test {

// Each difference is below `tolerance` times the root mean square.
inline void check_golden(const char* file, const std::string& key, const at::Tensor& found,
                         double tolerance) {
  const at::Tensor flat = found.to(at::kDouble).flatten().contiguous();
  std::ifstream in(std::string(GOLDEN) + "/" + file);
  std::map<std::string, double> golden;
  std::string name;
  for (double value; in >> name >> value;)
    if (name.rfind(key + ".", 0) == 0) golden[name.substr(key.size() + 1)] = value;
  REQUIRE(golden.size() > 50);
  const double rms = golden.at("rms");
  CHECK(std::sqrt(flat.square().mean().item<double>()) == Approx(rms).epsilon(tolerance));
  double worst = 0;
  for (const auto& [index, value] : golden) {
    if (index == "rms") continue;
    const double difference = flat[std::stoll(index)].item<double>() - value;
    worst = std::max(worst, std::abs(difference) / rms);
  }
  INFO(key << ": the worst difference is " << worst << " of the root mean square");
  CHECK(worst < tolerance);
}

}  // namespace winnow::test
