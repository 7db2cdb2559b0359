#include "fashion_mnist.hpp"

#include <zlib.h>

#include <stdexcept>

namespace winnow::training {
namespace {

class GzipReader {
 public:
  explicit GzipReader(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) {
      throw std::runtime_error(path + ": cannot be opened (Debian package dataset-fashion-mnist)");
    }
  }
  ~GzipReader() { gzclose(file_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  uint32_t big_endian_u32() {
    uint8_t b[4];
    read(b, sizeof b);
    return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  }

  void expect(uint32_t wanted, const char* what) {
    const uint32_t found = big_endian_u32();
    if (found != wanted) {
      throw std::runtime_error(path_ + ": " + what + " is " + std::to_string(found) +
                               ", expected " + std::to_string(wanted));
    }
  }

  void read(uint8_t* out, unsigned bytes) {
    if (gzread(file_, out, bytes) != static_cast<int>(bytes)) {
      throw std::runtime_error(path_ + ": ends too early");
    }
  }

 private:
  std::string path_;
  gzFile file_;
};

constexpr uint32_t kImageMagic = 2051, kLabelMagic = 2049;
constexpr uint32_t kMaxCount = 100000;

}  // namespace

FashionMnist load_fashion_mnist(const std::string& folder, const std::string& part) {
  FashionMnist data;
  const std::string image_path = folder + "/" + part + "-images-idx3-ubyte.gz";
  GzipReader images(image_path);
  images.expect(kImageMagic, "the idx magic number");
  const uint32_t count = images.big_endian_u32();
  if (count > kMaxCount) {
    throw std::runtime_error(image_path + ": claims " + std::to_string(count) + " images");
  }
  images.expect(kSide, "the number of rows");
  images.expect(kSide, "the number of columns");
  data.count = count;
  data.pixels.resize(size_t{count} * kSide * kSide);
  images.read(data.pixels.data(), static_cast<unsigned>(data.pixels.size()));

  GzipReader labels(folder + "/" + part + "-labels-idx1-ubyte.gz");
  labels.expect(kLabelMagic, "the idx magic number");
  labels.expect(count, "the number of labels");
  data.labels.resize(count);
  labels.read(data.labels.data(), count);
  return data;
}

}  // namespace winnow::training
