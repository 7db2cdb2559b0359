// reference_file.hpp: statistics of a set of samples as a safetensors file
// (https://github.com/huggingface/safetensors#format), which `winnow stats` writes.
//
// Tensors: "mean" F64 [d], "covariance" F64 [d, d] (divided by n - 1), "features" F16 or F32
// [rows, d] (absent without rows). Metadata: "format" = "winnow.statistics/1", "plugin",
// "network" (SHA-256 of its weights), "count" (n), "source".
#pragma once

#include <filesystem>

#include "host/set_metrics.hpp"

namespace winnow {

enum class FeatureDtype { kF16, kF32 };

// Writes beside `file` and renames, so that a reader never sees half of one. Throws
// Error(Exit::kResources) for a full disk, Error(Exit::kUsage) for a path that cannot be written.
void write_reference(const std::filesystem::path& file, const Reference& reference,
                     FeatureDtype dtype);

// Treats the file as hostile. Throws Error(Exit::kUsage) that names it, what was found and what was
// expected.
Reference read_reference(const std::filesystem::path& file);

}  // namespace winnow
