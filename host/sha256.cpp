// sha256.cpp: SHA-256 by OpenSSL's libcrypto, which uses the CPU's instructions for it.
#include "host/sha256.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "host/error.hpp"

namespace winnow {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    check(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void update(const void* data, std::size_t size) {
    check(EVP_DigestUpdate(context_.get(), data, size) == 1);
  }
  std::array<unsigned char, 32> digest() {
    std::array<unsigned char, 32> digest{};
    check(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
    return digest;
  }
  std::string hex() {
    std::string text;
    for (const unsigned char byte : digest()) text += fmt::format("{:02x}", byte);
    return text;
  }

 private:
  static void check(bool done) {
    if (!done) throw Error(Exit::kInternal, "libcrypto computes no sha256");
  }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::array<unsigned char, 32> sha256(std::string_view bytes) {
  Sha256 sha;
  sha.update(bytes.data(), bytes.size());
  return sha.digest();
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 sha;
  sha.update(bytes.data(), bytes.size());
  return sha.hex();
}

std::string sha256_hex_of_file(const std::filesystem::path& file) {
  const auto fail = [&] {
    throw Error(Exit::kUsage,
                fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"),
                                                           std::fclose);
  if (!in) fail();
  Sha256 sha;
  std::vector<char> block(1 << 20);
  while (const std::size_t size = std::fread(block.data(), 1, block.size(), in.get()))
    sha.update(block.data(), size);
  if (std::ferror(in.get())) fail();
  return sha.hex();
}

}  // namespace winnow
