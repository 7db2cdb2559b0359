// manifest_fill.hpp: brings the hashes in an author's winnow-plugin.toml up to date.
#pragma once

#include <filesystem>
#include <string>

namespace winnow {

// `text`, the manifest `file`, with sha256 and size of each [[variant]] and sha256 of each [[data]]
// as the files beside it are. Everything else stays as the author wrote it: comments, order,
// spaces. Keys that are missing are added below 'file'. Whether the rest is a good manifest is not
// asked. Throws Error(Exit::kPlugin) with the places when it is no TOML or a file is not there.
std::string filled_manifest(const std::string& text, const std::filesystem::path& file);

}  // namespace winnow
