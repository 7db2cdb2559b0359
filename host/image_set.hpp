// image_set.hpp: a set of pictures of one size, read one by one from a folder of PNGs, a run
// directory or an IDX file.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace winnow {

struct ImageSetOptions {
  bool first = false;  // of a run directory: the first candidates, not the chosen
  std::optional<std::uint64_t> count = std::nullopt;  // at most so many, a seeded choice, in order
  std::uint64_t seed = 0;
};

class ImageSet {
 public:
  // A run directory (it holds a run.toml): samples/*-best.png, or *-first.png. Any other folder:
  // the PNGs in it and in the folders below, by name. A file: IDX images as of MNIST
  // (*-images-idx3-ubyte, gzipped or not). Throws Error(Exit::kUsage) for a path that is none of
  // these, for no picture at all and for a first picture that cannot be read.
  explicit ImageSet(const std::filesystem::path& source, const ImageSetOptions& options = {});

  const std::string& source() const { return source_; }
  std::uint64_t size() const { return chosen_.size(); }                // at least 1
  const std::array<std::int64_t, 3>& shape() const { return shape_; }  // [C, H, W]
  std::string name(std::uint64_t i) const;                             // for messages
  // Picture i as [C, H, W] float32 in [0, 1]. Throws Error(Exit::kUsage) when its size or channels
  // are not those of the first picture, with both names, or when it cannot be read.
  void read(std::uint64_t i, std::span<float> out) const;

 private:
  void find_files(const std::filesystem::path& folder, const ImageSetOptions& options);
  void read_idx(const std::filesystem::path& file);

  std::string source_;
  std::array<std::int64_t, 3> shape_{};
  std::vector<std::filesystem::path> files_;  // empty for an IDX file
  std::vector<std::uint8_t> pixels_;          // of an IDX file, [n, H, W]
  std::vector<std::uint64_t> chosen_;         // indices into files_ or the pictures of pixels_
};

}  // namespace winnow
