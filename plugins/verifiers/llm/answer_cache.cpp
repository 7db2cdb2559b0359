#include "answer_cache.hpp"

#include <openssl/evp.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace winnow {

namespace fs = std::filesystem;

AnswerCache::AnswerCache(fs::path folder) : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (failed || !fs::is_directory(folder_)) {
    throw std::runtime_error("cache: " + folder_.string() + " cannot be made a folder (" +
                             failed.message() + ")");
  }
}

std::string AnswerCache::key_of(const std::string& question) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(question.data(), question.size(), digest, &size, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("the SHA-256 of a question cannot be computed");
  }
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

fs::path AnswerCache::file(const std::string& key) const { return folder_ / (key + ".json"); }

std::optional<std::string> AnswerCache::find(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  std::ifstream in(file(key), std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void AnswerCache::keep(const std::string& key, const std::string& answer) const {
  if (folder_.empty()) return;
  const fs::path to = file(key), unfinished = to.string() + "." + std::to_string(::getpid());
  std::ofstream out(unfinished, std::ios::binary);
  out << answer;
  out.close();
  std::error_code failed;
  if (out) fs::rename(unfinished, to, failed);
  if (!out || failed) throw std::runtime_error("cache: " + to.string() + " cannot be written");
}

}  // namespace winnow
