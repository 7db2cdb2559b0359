// plugin_templates.hpp: the projects that `winnow plugins new` starts from: the folders of
// examples/, put into the program when it is built, so that what is written is what the tests
// build.
#pragma once

#include <span>
#include <string_view>

namespace winnow {

struct TemplateFile {
  std::string_view folder;  // <kind>-<language>, as "verifier-cpp"
  std::string_view path;    // within the folder, as "src/lib.rs"
  std::string_view text;
};

// All files of all folders, folder by folder. Each folder has a winnow-plugin.toml and a README.md.
std::span<const TemplateFile> template_files();

}  // namespace winnow
