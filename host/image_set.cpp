// image_set.cpp: see image_set.hpp.
#include "host/image_set.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "host/error.hpp"
#include "host/png.hpp"
#include "host/saved_run.hpp"
#include "host/set_metrics.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kIdxImages = 2051;  // unsigned bytes, three dimensions
constexpr std::uint64_t kMaxIdxBytes = std::uint64_t{4} << 30;

std::array<std::int64_t, 3> shape_of(const Image& image) {
  return {image.channels, image.height, image.width};
}

std::string describe(const std::array<std::int64_t, 3>& shape) {
  return fmt::format("{} x {} pixels, {}", shape[2], shape[1], shape[0] == 1 ? "grey" : "colour");
}

// Reads plain files too.
class GzipReader {
 public:
  explicit GzipReader(const fs::path& path)
      : path_(path), file_(gzopen(path.c_str(), "rb"), gzclose) {
    if (!file_) throw Error(Exit::kUsage, fmt::format("'{}' cannot be opened", path_.string()));
  }

  std::uint32_t big_endian() {
    std::uint8_t b[4];
    read(b, sizeof b);
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  }

  void read(std::uint8_t* out, std::uint64_t bytes) {
    while (bytes > 0) {
      const auto part = static_cast<unsigned>(std::min<std::uint64_t>(bytes, 1u << 30));
      const int got = gzread(file_.get(), out, part);
      if (got <= 0)
        throw Error(Exit::kUsage, fmt::format("'{}' is damaged or ends too early", path_.string()));
      out += got;
      bytes -= static_cast<std::uint64_t>(got);
    }
  }

 private:
  fs::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

std::vector<fs::path> files_ending_in(const std::string& ending, const fs::path& folder,
                                      bool recursive) {
  std::vector<fs::path> files;
  const auto take = [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(ending) && !name.starts_with(".") && entry.is_regular_file())
      files.push_back(entry.path());
  };
  if (recursive)
    for (const auto& entry : fs::recursive_directory_iterator(folder)) take(entry);
  else
    for (const auto& entry : fs::directory_iterator(folder)) take(entry);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

ImageSet::ImageSet(const fs::path& source, const ImageSetOptions& options)
    : source_(source.string()) {
  if (options.count == 0u) throw Error(Exit::kUsage, "a count of 0 pictures; expected 1 or more");
  if (fs::is_directory(source))
    find_files(source, options);
  else if (fs::is_regular_file(source))
    read_idx(source);
  else
    throw Error(
        Exit::kUsage,
        fmt::format("'{}' is neither a folder of PNGs, a run directory nor an IDX file", source_));
  const std::uint64_t found =
      files_.empty() ? pixels_.size() / static_cast<std::uint64_t>(shape_[1] * shape_[2])
                     : files_.size();
  chosen_ = seeded_choice(found, options.count.value_or(found), options.seed);
  if (!files_.empty()) shape_ = shape_of(read_png(files_[chosen_[0]]));
}

void ImageSet::find_files(const fs::path& folder, const ImageSetOptions& options) {
  const bool run = fs::exists(folder / "run.toml");
  if (!run && options.first)
    throw Error(Exit::kUsage,
                fmt::format("'{}' has no first candidates: it is no run directory (no run.toml)",
                            folder.string()));
  if (!run) {
    files_ = files_ending_in(".png", folder, /*recursive=*/true);
    if (files_.empty())
      throw Error(Exit::kUsage, fmt::format("no PNG in the folder '{}'", folder.string()));
    return;
  }
  require_samples(folder);
  const std::string ending = options.first ? "-first.png" : "-best.png";
  if (fs::is_directory(folder / "samples"))
    files_ = files_ending_in(ending, folder / "samples", /*recursive=*/false);
  if (files_.empty())
    throw Error(Exit::kUsage,
                fmt::format("the run directory '{}' holds no samples/*{}; see 'winnow status {}'",
                            folder.string(), ending, folder.string()));
}

void ImageSet::read_idx(const fs::path& file) {
  GzipReader in(file);
  const std::uint32_t magic = in.big_endian();
  if (magic != kIdxImages)
    throw Error(Exit::kUsage,
                fmt::format("'{}' is no IDX file of images: it begins with {}, expected {}",
                            file.string(), magic, kIdxImages));
  const std::uint64_t n = in.big_endian(), height = in.big_endian(), width = in.big_endian();
  if (n == 0 || height == 0 || width == 0 || height * width > kMaxPixels ||
      n > kMaxIdxBytes / (height * width))
    throw Error(Exit::kUsage, fmt::format("'{}' claims {} pictures of {} x {} pixels",
                                          file.string(), n, width, height));
  shape_ = {1, static_cast<std::int64_t>(height), static_cast<std::int64_t>(width)};
  // One by one: what a damaged file claims is not believed before it is there.
  for (std::uint64_t i = 0; i < n; ++i) {
    pixels_.resize((i + 1) * height * width);
    in.read(pixels_.data() + i * height * width, height * width);
  }
}

std::string ImageSet::name(std::uint64_t i) const {
  if (files_.empty()) return fmt::format("{}, picture {}", source_, chosen_[i]);
  return files_[chosen_[i]].string();
}

void ImageSet::read(std::uint64_t i, std::span<float> out) const {
  if (files_.empty()) {
    const auto size = static_cast<std::size_t>(shape_[1] * shape_[2]);
    std::transform(pixels_.data() + chosen_[i] * size, pixels_.data() + (chosen_[i] + 1) * size,
                   out.begin(), value_of);
    return;
  }
  const Image image = read_png(files_[chosen_[i]]);
  if (shape_of(image) != shape_)
    throw Error(Exit::kUsage,
                fmt::format("the pictures of a set are of one kind, but '{}' has "
                            "{}, '{}' has {}",
                            name(0), describe(shape_), name(i), describe(shape_of(image))));
  std::ranges::copy(sample_of_image(image), out.begin());
}

}  // namespace winnow
