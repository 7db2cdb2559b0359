// fence.hpp: what a plugin's process gives up before it loads the plugin.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/isolation/wire.hpp"
#include "host/registry.hpp"

namespace winnow {

// A folder in which a plugin may write. No link is followed on the way from `base` on: plugins can
// make links.
struct Writable {
  std::filesystem::path base, below;
};

struct Fence {
  std::vector<std::filesystem::path> reads;  // beside the system's libraries
  std::vector<Writable> writes;
  std::filesystem::path program;  // which the process then becomes; empty: none
  bool network = false;
  std::uint64_t memory = 0;  // bytes of private memory; 0: no limit
};

// For a package whose plugin is given the `options` paths: its folder, the folders of LibTorch
// among those where its library looks for others, what its interpreter reads, those paths;
// `network` and `writes` as its manifest says. Throws Error(Exit::kPlugin) for `writes` that lie in
// each other, leave their folder or are links.
Fence fence_of(const FoundPlugin& found, const std::vector<std::filesystem::path>& options,
               std::uint64_t memory);

void write_fence(Writer& writer, const Fence& fence);
Fence read_fence(Reader& reader);

// A descriptor to name it by; -1: it is not there, or there is a link on the way.
int open_writable(const Writable& folder);

// Of the calling process, for good: no new privileges, limits, Landlock for files, seccomp for
// network, programs (but for its `program`, and whoever loads that) and other processes. What this
// kernel does not have is left out; returns one sentence about that, or nothing.
std::string put_up(const Fence& fence);

}  // namespace winnow
