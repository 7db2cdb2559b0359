// cli_plugins_new.cpp: the verb that writes a project for a plugin: an example under another name.
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "host/cli_verbs.hpp"
#include "host/disk.hpp"
#include "host/plugin_templates.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t kLongestId = 128;
constexpr std::string_view kDefaultDomain = "org.example.";
constexpr std::string_view kOwnDomain = "winnow.";

// The spellings of one id: those of a template's are replaced by those of the new plugin's.
struct Names {
  explicit Names(const std::string& id) : id(id), last(id.substr(id.rfind('.') + 1)) {
    for (const char c : id) macro += std::isalnum(c) ? static_cast<char>(std::toupper(c)) : '_';
    bool begins = true;
    for (const char c : last) {
      const bool letter = std::isalnum(c);
      if (letter) type += begins ? static_cast<char>(std::toupper(c)) : c;
      begins = !letter;
    }
  }
  std::string id;     // org.example.my-judge
  std::string last;   // my-judge
  std::string macro;  // ORG_EXAMPLE_MY_JUDGE
  std::string type;   // MyJudge
};

bool is_id_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// What somebody who wrote `name` may have meant.
std::string nearest_id(const std::string& name) {
  std::string id;
  for (const char c : name) {
    const auto lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool separates = id.empty() || id.back() == '.';
    if (is_id_character(lower) && !(separates && !std::isalpha(lower)))
      id += lower;
    else if (c == '.' && !separates)
      id += '.';
    else if (c == ' ' && !separates)
      id += '-';
  }
  while (id.ends_with('.') || id.ends_with('-')) id.pop_back();
  return id;
}

// Each part begins with a letter, because types and files are called after it.
bool is_name(const std::string& name) {
  bool begins = true;
  for (const char c : name) {
    if (begins ? !(c >= 'a' && c <= 'z') : !is_id_character(c) && c != '.') return false;
    begins = c == '.';
  }
  return !begins;
}

std::string id_of(const std::string& name) {
  if (!is_name(name)) {
    const std::string near = nearest_id(name);
    throw Error(Exit::kUsage,
                fmt::format("'{}' is no name for a plugin, expected letters a-z, digits, '_' and "
                            "'-', in parts that begin with a letter and are joined by dots{}",
                            printable(name),
                            is_name(near) ? fmt::format("; did you mean '{}'?", near) : ""));
  }
  if (name.starts_with(kOwnDomain))
    throw Error(Exit::kUsage, fmt::format("'{}': ids that begin with '{}' are those of the plugins "
                                          "that come with winnow; take a domain of your own",
                                          name, kOwnDomain));
  const std::string id =
      name.find('.') == std::string::npos ? std::string(kDefaultDomain) + name : name;
  if (id.size() > kLongestId)
    throw Error(Exit::kUsage, fmt::format("'{}' has {} characters, an id has at most {}", id,
                                          id.size(), kLongestId));
  return id;
}

std::string folder_of(const std::string& kind, const std::string& language) {
  const std::string wanted = kind + "-" + language;
  std::vector<std::string> languages;
  for (const TemplateFile& file : template_files()) {
    if (file.folder == wanted) return wanted;
    if (!file.folder.starts_with(kind + "-")) continue;
    const std::string other(file.folder.substr(kind.size() + 1));
    if (languages.empty() || languages.back() != other) languages.push_back(other);
  }
  throw Error(
      Exit::kUsage,
      fmt::format("there is no template for a {} in {}; there is one in {}. winnow/winnow.h "
                  "of the SDK is all that another language needs",
                  kind, language, list_of(languages)));
}

std::vector<TemplateFile> files_of(const std::string& folder) {
  std::vector<TemplateFile> files;
  std::ranges::copy_if(template_files(), std::back_inserter(files),
                       [&](const TemplateFile& file) { return file.folder == folder; });
  return files;
}

std::string_view text_of(const std::vector<TemplateFile>& files, std::string_view path) {
  const auto found = std::ranges::find(files, path, &TemplateFile::path);
  if (found == files.end()) throw std::logic_error(fmt::format("a template without {}", path));
  return found->text;
}

std::string id_in_manifest(std::string_view manifest) {
  return toml::parse(manifest)["package"]["id"].value<std::string>().value();
}

std::string renamed(std::string text, const Names& from, const Names& to) {
  const std::pair<std::string, std::string> pairs[] = {
      {from.id, to.id}, {from.macro, to.macro}, {from.type, to.type}, {from.last, to.last}};
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto rest = std::string_view(text).substr(at);
    const auto pair =
        std::ranges::find_if(pairs, [&](const auto& pair) { return rest.starts_with(pair.first); });
    out += pair == std::end(pairs) ? std::string(1, text[at]) : pair->second;
    at += pair == std::end(pairs) ? 1 : pair->first.size();
  }
  return out;
}

void write_project(const fs::path& folder, const std::vector<TemplateFile>& files,
                   const Names& from, const Names& to) {
  fs::create_directories(folder);
  try {
    for (const TemplateFile& file : files) {
      const fs::path path = folder / renamed(std::string(file.path), from, to);
      fs::create_directories(path.parent_path());
      disk::write_new(path, renamed(std::string(file.text), from, to), /*durable=*/false);
      if (path.extension() == ".sh")
        fs::permissions(path,
                        fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                        fs::perm_options::add);
    }
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    throw;
  }
}

// The commands of the first ```sh block of a page, each line indented.
std::string commands_of(std::string_view page) {
  constexpr std::string_view kBegin = "```sh\n";
  const auto begin = page.find(kBegin) + kBegin.size();
  std::string text = "  ";
  for (const char c : page.substr(begin, page.find("```", begin) - begin - 1))
    text += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return text + "\n";
}

std::string sdk_hint() {
  if (std::getenv("WINNOW_SDK")) return "";
  std::error_code none;
  const fs::path prefix = fs::read_symlink("/proc/self/exe", none).parent_path().parent_path();
  if (fs::exists(prefix / "include/winnow/winnow.h"))
    return fmt::format("  export WINNOW_SDK={}\n", prefix.string());
  return "  export WINNOW_SDK=DIR   # where the SDK is installed: docs/write-a-plugin.md\n";
}

}  // namespace

Answer plugins_new_verb(const CommandLine& line) {
  const std::string id = id_of(line.id);
  const std::vector<TemplateFile> files = files_of(folder_of(line.kind, line.language));
  const Names from(id_in_manifest(text_of(files, "winnow-plugin.toml"))), to(id);
  const fs::path folder = line.out.empty() ? fs::path(to.last) : line.out;
  if (fs::exists(fs::symlink_status(folder)))
    throw Error(Exit::kUsage, fmt::format("'{}' exists already; name another folder with --out",
                                          folder.string()));
  write_project(folder, files, from, to);

  Answer answer;
  answer.text = fmt::format("{}: a {}, written to {}\n", to.id, line.kind, folder.string());
  if (line.id.find('.') == std::string::npos)
    answer.text += fmt::format(
        "  ({} stands for a domain of yours: name it as in {} before others "
        "use the plugin)\n",
        kDefaultDomain.substr(0, kDefaultDomain.size() - 1), "com.mine." + to.last);
  answer.text += fmt::format("\nBuild it, and try it:\n  cd {}\n{}{}", folder.string(), sdk_hint(),
                             renamed(commands_of(text_of(files, "README.md")), from, to));
  answer.json = {{"id", to.id},
                 {"kind", line.kind},
                 {"language", line.language},
                 {"directory", fs::absolute(folder).lexically_normal().string()}};
  for (const TemplateFile& file : files)
    answer.json["files"].push_back(renamed(std::string(file.path), from, to));
  return answer;
}

}  // namespace winnow
