// wire.hpp: values as bytes, and back. Both ends are the same build on the same machine, but for
// sdk/python/winnow_sdk/wire.py, which knows some of the messages: see kPythonWire.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "host/error.hpp"

namespace winnow {

// What came from the other end is not what was expected.
class Malformed : public Error {
 public:
  Malformed() : Error(Exit::kPlugin, "a plugin's process sent a malformed message") {}
};

class Writer {
 public:
  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <typename T>
  void array(const T* values, std::uint64_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    put(n);
    bytes_.append(reinterpret_cast<const char*>(values), n * sizeof(T));
  }
  template <typename T>
  void array(const std::vector<T>& values) {
    array(values.data(), values.size());
  }
  void text(std::string_view text) { array(text.data(), text.size()); }
  void append(std::string_view bytes) { bytes_ += bytes; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Borrows the bytes. Throws Malformed where they end too early.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, take(1, sizeof value), sizeof value);
    return value;
  }
  template <typename T>
  std::vector<T> array() {
    const auto n = get<std::uint64_t>();
    const char* from = take(n, sizeof(T));
    std::vector<T> values(n);
    if (n) std::memcpy(values.data(), from, n * sizeof(T));
    return values;
  }
  std::string_view text() {
    const auto n = get<std::uint64_t>();
    return {take(n, 1), n};
  }
  std::string_view rest() const { return rest_; }

 private:
  const char* take(std::uint64_t n, std::uint64_t size) {
    if (n > rest_.size() / size) throw Malformed();
    const char* from = rest_.data();
    rest_.remove_prefix(n * size);
    return from;
  }

  std::string_view rest_;
};

}  // namespace winnow
