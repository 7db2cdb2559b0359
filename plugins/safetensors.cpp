#include "safetensors.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace winnow {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxDims = 8;
// The header's own depth is 3: the object, a tensor, its shape.
constexpr int kMaxDepth = 4;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw std::runtime_error(path + ": " + why);
}

[[noreturn]] void refuse_errno(const std::string& path, const char* what) {
  refuse(path, std::string(what) + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct Mapping {
  std::shared_ptr<const std::byte> data;
  uint64_t size = 0;
};

Mapping map_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) refuse_errno(path, "cannot be opened");
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) refuse_errno(path, "cannot be examined");
  if (!S_ISREG(info.st_mode)) refuse(path, "is not a regular file");
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size < 8)
    refuse(path, "has " + std::to_string(size) + " bytes, a safetensors file has at least 8");
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (start == MAP_FAILED) refuse_errno(path, "cannot be mapped");
  const auto unmap = [size](const std::byte* p) { ::munmap(const_cast<std::byte*>(p), size); };
  return {std::shared_ptr<const std::byte>(static_cast<const std::byte*>(start), unmap), size};
}

// Builds the JSON value, refusing what the plain parser lets pass: duplicate keys and deep nesting.
Json parse_header(const std::string& path, const char* text, size_t size) {
  std::vector<std::vector<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth)
      refuse(path, "the header is nested more than " + std::to_string(kMaxDepth) + " deep");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::key) keys.back().push_back(value.get<std::string>());
    if (event == Json::parse_event_t::object_end) {
      auto& names = keys.back();
      std::sort(names.begin(), names.end());
      const auto twin = std::adjacent_find(names.begin(), names.end());
      if (twin != names.end()) refuse(path, "the header has the key '" + *twin + "' twice");
      keys.pop_back();
    }
    return true;
  };
  try {
    return Json::parse(text, text + size, check);
  } catch (const Json::exception& e) {
    refuse(path, std::string("the header is not valid JSON: ") + e.what());
  }
}

uint64_t unsigned_at(const std::string& path, const std::string& name, const Json& value) {
  if (!value.is_number_unsigned()) {
    refuse(path, "tensor '" + name +
                     "': " + value.dump(-1, ' ', true, Json::error_handler_t::replace) +
                     " is not a whole number >= 0");
  }
  return value.get<uint64_t>();
}

SafetensorsView parse_view(const std::string& path, const std::string& name, const Json& entry,
                           const std::byte* data, uint64_t data_size) {
  const auto field = [&](const char* key) -> const Json& {
    if (!entry.is_object() || !entry.contains(key)) {
      refuse(path, "tensor '" + name + "' has no '" + key + "'");
    }
    return entry[key];
  };
  SafetensorsView view;
  const Json& dtype = field("dtype");
  if (dtype.is_string()) view.dtype = dtype.get<std::string>();
  const uint64_t element = safetensors_dtype_size(view.dtype);
  if (element == 0)
    refuse(path, "tensor '" + name + "' has the unknown dtype " +
                     dtype.dump(-1, ' ', true, Json::error_handler_t::replace));

  const Json& shape = field("shape");
  if (!shape.is_array() || shape.size() > kMaxDims) {
    refuse(path, "tensor '" + name + "': the shape must be a list of at most " +
                     std::to_string(kMaxDims) + " numbers");
  }
  uint64_t bytes = element;
  for (const Json& item : shape) {
    const uint64_t extent = unsigned_at(path, name, item);
    if (extent > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
        __builtin_mul_overflow(bytes, extent, &bytes)) {
      refuse(path, "tensor '" + name + "': the shape " + shape.dump() + " is too large");
    }
    view.shape.push_back(static_cast<int64_t>(extent));
  }

  const Json& offsets = field("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2) {
    refuse(path, "tensor '" + name + "': data_offsets must be two numbers");
  }
  const uint64_t begin = unsigned_at(path, name, offsets[0]);
  const uint64_t end = unsigned_at(path, name, offsets[1]);
  if (begin > end || end > data_size) {
    refuse(path, "tensor '" + name + "' lies at bytes " + std::to_string(begin) + " to " +
                     std::to_string(end) + " of " + std::to_string(data_size));
  }
  if (end - begin != bytes) {
    refuse(path, "tensor '" + name + "' has " + std::to_string(end - begin) + " bytes, " +
                     view.dtype + " " + shape.dump() + " needs " + std::to_string(bytes));
  }
  view.data = data + begin;
  view.bytes = bytes;
  return view;
}

// Together with the bounds of each view: the tensors tile the data exactly.
void check_tiling(const SafetensorsFile& file, const std::byte* data, uint64_t data_size) {
  std::vector<const SafetensorsView*> order;
  for (const auto& [name, view] : file.tensors) order.push_back(&view);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->data, a->bytes) < std::pair(b->data, b->bytes);
  });
  const std::byte* reached = data;
  for (const SafetensorsView* view : order) {
    if (view->data != reached) {
      refuse(file.path,
             std::string(view->data < reached ? "two tensors overlap" : "there is a hole") +
                 " at byte " + std::to_string(view->data - data) + " of the data");
    }
    reached += view->bytes;
  }
  if (reached != data + data_size) {
    refuse(file.path, "the tensors end at byte " + std::to_string(reached - data) +
                          ", the data at " + std::to_string(data_size));
  }
}

void write_all(const std::string& path, int fd, const void* data, size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse_errno(path, "cannot be written");
    at += written;
    size -= static_cast<size_t>(written);
  }
}

}  // namespace

size_t safetensors_dtype_size(const std::string& dtype) {
  static const std::map<std::string, size_t> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};
  const auto found = sizes.find(dtype);
  return found == sizes.end() ? 0 : found->second;
}

SafetensorsFile read_safetensors(const std::string& path) {
  const Mapping mapping = map_file(path);
  uint64_t header_size = 0;
  for (int i = 7; i >= 0; --i)
    header_size = header_size << 8 | std::to_integer<uint64_t>(mapping.data.get()[i]);
  if (header_size > kMaxHeader || header_size > mapping.size - 8) {
    refuse(path, "this is no safetensors file: the header claims " + std::to_string(header_size) +
                     " bytes, the file has " + std::to_string(mapping.size) + " and the limit is " +
                     std::to_string(kMaxHeader));
  }
  const std::byte* data = mapping.data.get() + 8 + header_size;
  const uint64_t data_size = mapping.size - 8 - header_size;
  const Json header =
      parse_header(path, reinterpret_cast<const char*>(mapping.data.get()) + 8, header_size);
  if (!header.is_object()) refuse(path, "the header is not a JSON object");

  SafetensorsFile file;
  file.path = path;
  file.mapping = mapping.data;
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") {
      file.tensors[name] = parse_view(path, name, entry, data, data_size);
      continue;
    }
    if (!entry.is_object()) refuse(path, "__metadata__ is not an object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) refuse(path, "metadata '" + key + "' is not a string");
      file.metadata[key] = value.get<std::string>();
    }
  }
  check_tiling(file, data, data_size);
  return file;
}

int64_t metadata_integer(const SafetensorsFile& file, const std::string& key, int64_t low,
                         int64_t high) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) refuse(file.path, "the metadata has no '" + key + "'");
  const std::string& text = found->second;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    refuse(file.path, "metadata '" + key + "' is '" + text + "', expected a number from " +
                          std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

void write_safetensors(const std::string& path,
                       const std::map<std::string, SafetensorsView>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  // Wide elements first, so that every tensor is aligned to its own element.
  std::vector<const std::pair<const std::string, SafetensorsView>*> order;
  for (const auto& item : tensors) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return safetensors_dtype_size(a->second.dtype) > safetensors_dtype_size(b->second.dtype);
  });
  uint64_t offset = 0;
  for (const auto* item : order) {
    const SafetensorsView& view = item->second;
    header[item->first] = {{"dtype", view.dtype},
                           {"shape", view.shape},
                           {"data_offsets", {offset, offset + view.bytes}}};
    offset += view.bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');

  const std::string draft = path + ".tmp";
  Descriptor out(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (out.get() < 0) refuse_errno(draft, "cannot be created");
  unsigned char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(text.size() >> (8 * i));
  write_all(draft, out.get(), length, sizeof length);
  write_all(draft, out.get(), text.data(), text.size());
  for (const auto* item : order) write_all(draft, out.get(), item->second.data, item->second.bytes);
  if (::fsync(out.get()) != 0) refuse_errno(draft, "cannot be synced");
  if (::close(out.release()) != 0) refuse_errno(draft, "cannot be closed");
  if (::rename(draft.c_str(), path.c_str()) != 0) refuse_errno(path, "cannot be replaced");
}

}  // namespace winnow
