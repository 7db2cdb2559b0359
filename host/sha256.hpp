// sha256.hpp: SHA-256 (FIPS 180-4) of bytes and files.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

namespace winnow {

std::array<unsigned char, 32> sha256(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
// Throws Error(Exit::kUsage) when the file cannot be read.
std::string sha256_hex_of_file(const std::filesystem::path& file);

}  // namespace winnow
