// manifest_fill.cpp: see manifest_fill.hpp.
#include "host/manifest_fill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "host/sha256.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

struct Edit {
  std::size_t begin, end;  // bytes of the text that go
  std::string text;        // what comes instead
};

class Filler {
 public:
  Filler(const std::string& text, const fs::path& file, const toml::table& root,
         Diagnostics& diagnostics)
      : text_(text), folder_(file.parent_path()), root_(root), diagnostics_(diagnostics) {
    for (std::size_t at = 0; at != std::string::npos;) {
      lines_.push_back(at);
      at = text.find('\n', at);
      if (at != std::string::npos) ++at;
    }
  }

  std::vector<Edit> edits() {
    each("variant", /*with_size=*/true);
    each("data", /*with_size=*/false);
    return std::move(edits_);
  }

 private:
  void each(const char* name, bool with_size) {
    const toml::array* tables = root_[name].as_array();
    for (std::size_t i = 0; tables && i < tables->size(); ++i)
      if (const toml::table* table = tables->get(i)->as_table()) fill(*table, with_size);
  }

  void fill(const toml::table& table, bool with_size) {
    const toml::node* node = table.get("file");
    const auto* name = node ? node->as_string() : nullptr;
    if (!name) return;  // the manifest's reader says so
    const fs::path file = folder_ / name->get();
    std::error_code unreadable;
    if (!fs::is_regular_file(file, unreadable)) {
      diagnostics_.add(where_of(*node), fmt::format("no file '{}'", file.string()));
      return;
    }
    std::string added;
    set(table, "sha256", '"' + sha256_hex_of_file(file) + '"', added);
    if (with_size) set(table, "size", std::to_string(fs::file_size(file)), added);
    if (added.empty()) return;
    const std::size_t end = offset(node->source().end);
    if (table.is_inline()) {
      edits_.push_back({end, end, added});
    } else {
      std::size_t stop = std::min(text_.find('\n', end), text_.size());
      if (stop > end && text_[stop - 1] == '\r') --stop;
      edits_.push_back({stop, stop, added});
    }
  }

  void set(const toml::table& table, const char* key, const std::string& value,
           std::string& added) {
    if (const toml::node* node = table.get(key)) {
      edits_.push_back({offset(node->source().begin), offset(node->source().end), value});
    } else if (table.is_inline()) {
      added += fmt::format(", {} = {}", key, value);
    } else {
      added += line_end() + indented(table, key) + value;
    }
  }

  // "  size   = ", as the line of 'file' has it.
  std::string indented(const toml::table& table, const char* key) const {
    const std::size_t at = offset(key_of(table, "file")->source().begin);
    const std::size_t line =
        text_.rfind('\n', at) == std::string::npos ? 0 : text_.rfind('\n', at) + 1;
    const std::size_t equals = text_.find('=', at);
    std::string word = key;
    word.resize(std::max(word.size() + 1, equals - at), ' ');
    return text_.substr(line, at - line) + word + "= ";
  }

  std::string line_end() const { return text_.find("\r\n") == std::string::npos ? "\n" : "\r\n"; }

  std::size_t offset(const toml::source_position& position) const {
    const std::size_t line = lines_.at(position.line - 1);
    std::size_t at = line;
    const auto rest = std::string_view(text_).substr(line, text_.find('\n', line) - line);
    const auto characters = characters_of(rest);
    for (std::size_t c = 0; c + 1 < position.column && c < characters.size(); ++c)
      at += characters[c].size();
    return at;
  }

  const std::string& text_;
  const fs::path folder_;
  const toml::table& root_;
  Diagnostics& diagnostics_;
  std::vector<std::size_t> lines_;  // where each begins
  std::vector<Edit> edits_;
};

}  // namespace

std::string filled_manifest(const std::string& text, const fs::path& file) {
  Diagnostics diagnostics;
  const auto root = parse_toml(text, file.string(), diagnostics);
  diagnostics.throw_if_any(Exit::kPlugin);
  std::vector<Edit> edits = Filler(text, file, *root, diagnostics).edits();
  diagnostics.throw_if_any(Exit::kPlugin);
  std::ranges::sort(edits, std::greater(), &Edit::begin);  // so that places before stay right
  std::string filled = text;
  for (const Edit& edit : edits) filled.replace(edit.begin, edit.end - edit.begin, edit.text);
  return filled;
}

}  // namespace winnow
