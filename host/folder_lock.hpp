// folder_lock.hpp: one writer per folder. An flock on <folder>/.lock, which the kernel frees when
// its holder dies, however it dies; the file tells who holds it.
#pragma once

#include <filesystem>

#include "host/disk.hpp"

namespace winnow {

// Holds the lock until the returned file is closed. Held by another process (or another call):
// Error(Exit::kJournal) that names its pid and host. The folder must exist.
disk::File lock_folder(const std::filesystem::path& folder);

}  // namespace winnow
