// journal.hpp: the append-only log that is a run's truth.
// A record is: length (u32 LE) | CRC32C (u32 LE, over length and payload) | payload. The file opens
// with an 8-byte magic "WNJRNL1\n".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace winnow {

class Journal {
 public:
  virtual ~Journal() = default;
  // Buffers one record; nothing is durable before commit().
  virtual void append(std::string_view payload) = 0;
  // One write and one fdatasync for all buffered records. On a full disk: the file is cut back to
  // its last good end and Error(Exit::kResources) is thrown; the buffered records stay buffered.
  virtual void commit() = 0;
  virtual std::uint64_t bytes() const = 0;  // committed
};

// Reads all good records in order (payload valid during the call). A torn tail (incomplete or bad
// last record, nothing good after it) is reported in `notice` and, by open_journal only, copied to
// <folder>/torn/ and cut. Damage before the last record: Error(Exit::kJournal) with the file, the
// offset and what to do. Returns the offset of the good end.
std::uint64_t read_journal(const std::filesystem::path& file,
                           const std::function<void(std::string_view payload)>& record,
                           std::string* notice);

// For the one writer (the caller holds the run directory's lock). Creates the file when missing.
std::unique_ptr<Journal> open_journal(const std::filesystem::path& file,
                                      const std::function<void(std::string_view payload)>& record,
                                      std::string* notice);

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace winnow
