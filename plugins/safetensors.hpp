// Reads and writes safetensors files: 8 bytes of header length, a JSON header, then raw
// little-endian tensors. https://github.com/huggingface/safetensors#format. Needs no LibTorch.
//
// The reader treats the file as hostile: no size it claims is believed before it has been compared
// with the size of the file, and every refusal is a std::runtime_error that names the file, what
// was found and what was expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace winnow {

struct SafetensorsView {
  std::string dtype;           // "F32", "F16", "BF16", "F64", "I64", ...
  std::vector<int64_t> shape;  // at most 8 dimensions
  const std::byte* data = nullptr;
  size_t bytes = 0;  // equals the product of the shape times the size of the dtype
};

// A file mapped read-only. Views and everything made from them keep `mapping` alive on their own.
struct SafetensorsFile {
  std::string path;
  std::map<std::string, SafetensorsView> tensors;
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const std::byte> mapping;
};

SafetensorsFile read_safetensors(const std::string& path);

// Bytes of one element; 0 for a dtype that is not known.
size_t safetensors_dtype_size(const std::string& dtype);

// The metadata entry as an integer in [low, high]; throws when it is missing or is none.
int64_t metadata_integer(const SafetensorsFile& file, const std::string& key, int64_t low,
                         int64_t high);

// Writes a new file beside `path`, syncs it and renames it over `path`, so that a reader never sees
// half of one.
void write_safetensors(const std::string& path,
                       const std::map<std::string, SafetensorsView>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace winnow
