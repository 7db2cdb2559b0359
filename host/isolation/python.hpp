// python.hpp: the interpreters that run plugins written in Python, each in a process of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/registry.hpp"

namespace winnow {

// What sdk/python/winnow_sdk calls WIRE: raised when a message that it reads or writes changes.
inline constexpr int kPythonWire = 2;

// The interpreter for a package: bin/python3 of the environment that the user made for it,
// $XDG_DATA_HOME/winnow/python/<package id>, else the first python3 on the PATH that is a program
// and no script. Throws Error(Exit::kPlugin) with both places.
std::filesystem::path python_for(const PackageManifest& package);

// What an interpreter reads: its environment, the installation that this was made of, winnow_sdk.
std::vector<std::filesystem::path> python_reads(const std::filesystem::path& program);

// The calling process becomes the interpreter, which answers on the descriptors of child.hpp.
// `lacking`: what put_up said. Throws Error(Exit::kPlugin) when it stays what it is.
[[noreturn]] void become_python(const std::filesystem::path& program, const FoundPlugin& found,
                                const std::string& lacking);

}  // namespace winnow
