// fence.hpp: what a plugin's process gives up before it loads the plugin.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/isolation/wire.hpp"
#include "host/registry.hpp"

namespace winnow {

struct Fence {
  std::vector<std::filesystem::path> reads, writes;  // beside the system's libraries
  std::filesystem::path program;                     // which the process then becomes; empty: none
  bool network = false;
  std::uint64_t memory = 0;  // bytes of private memory; 0: no limit
};

// For a package whose plugin is given the `options` paths: its folder, the folders where its
// library or its interpreter looks for others, those paths; `network` and `writes` as its manifest
// says.
Fence fence_of(const FoundPlugin& found, const std::vector<std::filesystem::path>& options,
               std::uint64_t memory);

void write_fence(Writer& writer, const Fence& fence);
Fence read_fence(Reader& reader);

// Of the calling process, for good: no new privileges, limits, Landlock for files, seccomp for
// network, programs (but for its `program`, and whoever loads that) and other processes. What this
// kernel does not have is left out; returns one sentence about that, or nothing.
std::string put_up(const Fence& fence);

}  // namespace winnow
