// Answers on disk, each under the SHA-256 of its question: what was asked once is not asked again,
// by this process or another.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace winnow {

class AnswerCache {
 public:
  // Makes the folder. An empty path: nothing is kept. Throws std::runtime_error naming the folder.
  explicit AnswerCache(std::filesystem::path folder);

  // 64 hex digits.
  static std::string key_of(const std::string& question);
  std::optional<std::string> find(const std::string& key) const;
  // All or nothing, whenever the process ends. Throws std::runtime_error naming the file.
  void keep(const std::string& key, const std::string& answer) const;

 private:
  std::filesystem::path file(const std::string& key) const;
  std::filesystem::path folder_;
};

}  // namespace winnow
