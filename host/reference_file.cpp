// reference_file.cpp: see reference_file.hpp.
#include "host/reference_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/Core>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "host/disk.hpp"
#include "host/error.hpp"

namespace winnow {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

namespace fs = std::filesystem;
using Json = nlohmann::json;  // an ordered one looks through all keys for each

constexpr const char* kFormat = "winnow.statistics/1";
constexpr std::uint64_t kLargestFile = std::uint64_t{2} << 30;
constexpr std::uint64_t kLargestHeader = 1 << 20;
constexpr std::uint64_t kMostFeatures = 1 << 14;

struct Field {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string_view bytes;
};

class File {
 public:
  explicit File(const fs::path& path) : path_(path), bytes_(disk::read_all(path, kLargestFile)) {
    std::uint64_t size = 0;
    if (bytes_.size() >= 8) std::memcpy(&size, bytes_.data(), 8);
    if (size < 2 || size > kLargestHeader || size > bytes_.size() - 8)
      refuse("it is no safetensors file");
    header_ =
        Json::parse(bytes_.begin() + 8, bytes_.begin() + 8 + static_cast<std::ptrdiff_t>(size),
                    nullptr, /*allow_exceptions=*/false);
    data_ = std::string_view(bytes_).substr(8 + size);
    if (!header_.is_object() || text("format") != kFormat)
      refuse(fmt::format("it is no file of statistics: its format is '{}', expected '{}'",
                         header_.is_object() ? text("format") : "", kFormat));
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Exit::kUsage, fmt::format("'{}' cannot be read: {}; make it with 'winnow stats'",
                                          path_.string(), why));
  }

  // A metadata entry; "" when it is not there.
  std::string text(const char* key) const {
    const auto metadata = header_.find("__metadata__");
    if (metadata == header_.end() || !metadata->is_object()) return "";
    const auto found = metadata->find(key);
    return found != metadata->end() && found->is_string() ? found->get<std::string>() : "";
  }

  bool has(const char* name) const { return header_.contains(name); }

  Field field(const char* name) const {
    const Json entry = header_.value(name, Json::object());
    const auto numbers = [&](const char* key) {
      std::vector<std::uint64_t> out;
      for (const Json& number : entry.value(key, Json::array())) {
        if (!number.is_number_unsigned()) refuse(fmt::format("tensor '{}' is malformed", name));
        out.push_back(number.get<std::uint64_t>());
      }
      return out;
    };
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
        !entry.value("shape", Json()).is_array() || !entry.value("data_offsets", Json()).is_array())
      refuse(fmt::format("there is no tensor '{}'", name));
    const std::vector<std::uint64_t> ends = numbers("data_offsets");
    if (ends.size() != 2 || ends[0] > ends[1] || ends[1] > data_.size())
      refuse(fmt::format("tensor '{}' does not lie in the file", name));
    return {entry["dtype"].get<std::string>(), numbers("shape"),
            data_.substr(ends[0], ends[1] - ends[0])};
  }

 private:
  fs::path path_;
  std::string bytes_;
  Json header_;
  std::string_view data_;
};

template <typename T>
std::vector<T> numbers_of(const File& file, const char* name, const Field& field,
                          std::uint64_t count) {
  if (field.bytes.size() != count * sizeof(T))
    file.refuse(fmt::format("tensor '{}' has {} bytes, expected {}", name, field.bytes.size(),
                            count * sizeof(T)));
  std::vector<T> out(count);
  if (count > 0) std::memcpy(out.data(), field.bytes.data(), field.bytes.size());
  return out;
}

template <typename T>
void require_finite(const File& file, const char* name, const std::vector<T>& numbers) {
  if (!std::ranges::all_of(numbers, [](T x) { return std::isfinite(x); }))
    file.refuse(fmt::format("tensor '{}' holds a number that is not finite", name));
}

std::vector<double> read_doubles(const File& file, const char* name,
                                 const std::vector<std::uint64_t>& shape) {
  const Field field = file.field(name);
  if (field.dtype != "F64" || field.shape != shape)
    file.refuse(fmt::format("tensor '{}' is {} [{}], expected F64 [{}]", name, field.dtype,
                            fmt::join(field.shape, ", "), fmt::join(shape, ", ")));
  std::uint64_t count = 1;
  for (const std::uint64_t extent : shape) count *= extent;
  std::vector<double> numbers = numbers_of<double>(file, name, field, count);
  require_finite(file, name, numbers);
  return numbers;
}

std::vector<float> read_rows(const File& file, std::uint64_t width) {
  if (!file.has("features")) return {};
  const Field field = file.field("features");
  const bool half = field.dtype == "F16";
  if ((!half && field.dtype != "F32") || field.shape.size() != 2 || field.shape[1] != width ||
      field.shape[0] > kLargestFile / width)
    file.refuse(fmt::format("tensor 'features' is {} [{}], expected F16 or F32 [rows, {}]",
                            field.dtype, fmt::join(field.shape, ", "), width));
  const std::uint64_t count = field.shape[0] * width;
  std::vector<float> rows;
  if (half)
    for (const auto bits : numbers_of<std::uint16_t>(file, "features", field, count))
      rows.push_back(static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(bits)));
  else
    rows = numbers_of<float>(file, "features", field, count);
  require_finite(file, "features", rows);
  return rows;
}

template <typename T>
std::string_view bytes_of(const std::vector<T>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)};
}

std::vector<std::uint16_t> to_half(const std::vector<float>& numbers) {
  std::vector<std::uint16_t> out;
  for (const float x : numbers) {
    const Eigen::half half(x);
    if (!std::isfinite(static_cast<float>(half)))
      throw Error(Exit::kUsage, fmt::format("a feature of {} does not fit float16, which ends at "
                                            "65504; float32 takes it (leave out --half)",
                                            x));
    out.push_back(Eigen::numext::bit_cast<std::uint16_t>(half));
  }
  return out;
}

}  // namespace

void write_reference(const fs::path& file, const Reference& reference, FeatureDtype dtype) {
  const std::uint64_t width = reference.n_features;
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", kFormat},
                            {"plugin", reference.plugin},
                            {"network", reference.network},
                            {"count", std::to_string(reference.n)},
                            {"source", reference.source}};
  std::string data;
  const auto add = [&](const char* name, const char* type, std::vector<std::uint64_t> shape,
                       std::string_view bytes) {
    header[name] = {{"dtype", type},
                    {"shape", shape},
                    {"data_offsets", {data.size(), data.size() + bytes.size()}}};
    data += bytes;
  };
  add("mean", "F64", {width}, bytes_of(reference.mean));
  add("covariance", "F64", {width, width}, bytes_of(reference.covariance));
  const std::vector<std::uint64_t> shape = {reference.rows(), width};
  if (reference.rows() > 0 && dtype == FeatureDtype::kF16)
    add("features", "F16", shape, bytes_of(to_half(reference.features)));
  else if (reference.rows() > 0)
    add("features", "F32", shape, bytes_of(reference.features));
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t size = text.size();
  const fs::path folder = fs::absolute(file).parent_path();
  disk::replace_file(folder, file.filename().string(),
                     std::string(reinterpret_cast<const char*>(&size), 8) + text + data);
}

Reference read_reference(const fs::path& path) {
  const File file(path);
  Reference reference;
  reference.plugin = file.text("plugin");
  reference.network = file.text("network");
  reference.source = file.text("source");
  if (reference.network.empty()) file.refuse("the metadata names no network");
  const std::string count = file.text("count");
  if (count.empty() || count.size() > 18 || count.find_first_not_of("0123456789") != count.npos)
    file.refuse(fmt::format("the metadata's count is '{}', expected a number", count));
  reference.n = std::stoull(count);
  const Field mean = file.field("mean");
  if (mean.shape.size() != 1 || mean.shape[0] == 0 || mean.shape[0] > kMostFeatures)
    file.refuse(fmt::format("tensor 'mean' has the shape [{}], expected 1 to {} numbers",
                            fmt::join(mean.shape, ", "), kMostFeatures));
  const std::uint64_t width = mean.shape[0];
  reference.n_features = static_cast<std::uint32_t>(width);
  reference.mean = read_doubles(file, "mean", {width});
  reference.covariance = read_doubles(file, "covariance", {width, width});
  reference.features = read_rows(file, width);
  return reference;
}

}  // namespace winnow
