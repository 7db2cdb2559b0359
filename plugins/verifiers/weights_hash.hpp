// The name of a feature network: the SHA-256 of its whole weights file. Features, and statistics
// of features, are compared only between files of one content.
#pragma once

#include <openssl/evp.h>

#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace winnow {

// 64 hex digits. Throws std::runtime_error naming the file when it cannot be read.
inline std::string weights_hash(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> sha(EVP_MD_CTX_new(),
                                                                    EVP_MD_CTX_free);
  bool done = in && sha && EVP_DigestInit_ex(sha.get(), EVP_sha256(), nullptr) == 1;
  for (std::vector<char> block(1 << 20); done && in;) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    done = EVP_DigestUpdate(sha.get(), block.data(), static_cast<size_t>(in.gcount())) == 1;
  }
  unsigned char digest[32];
  if (!done || in.bad() || EVP_DigestFinal_ex(sha.get(), digest, nullptr) != 1)
    throw std::runtime_error(path + ": its SHA-256 cannot be computed; is it a readable file?");
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace winnow
