// journal.hpp: the append-only log that is a run's truth.
// A record is: length (u32 LE) | CRC32C (u32 LE, over length and payload) | payload of 1 byte to
// 1 MiB. The file opens with an 8-byte magic "WNJRNL1\n".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace winnow {

// Of one payload. An ask may hold explicit noise tensors, so this is large.
inline constexpr std::uint32_t kMaxRecordBytes = 64u << 20;

// Not thread-safe. The destructor drops what was not committed.
class Journal {
 public:
  virtual ~Journal() = default;
  // Buffers one record; nothing is durable before commit(). Empty or longer than kMaxRecordBytes:
  // Error(Exit::kInternal), nothing is buffered.
  virtual void append(std::string_view payload) = 0;
  // One write and one fdatasync for all buffered records; none for none. On a full disk or an I/O
  // error the file is cut back to its last good end and Error(Exit::kResources) is thrown; the
  // records stay buffered, so that the next commit() tries again.
  virtual void commit() = 0;
  virtual std::uint64_t bytes() const = 0;  // committed, magic included
};

// Reads all good records in order (payload valid during the call), in flat memory. A torn tail
// (incomplete or bad last record, nothing good after it) is reported in `notice`, one line without
// a final stop, and, by open_journal only, copied to <folder>/torn/ and cut. `notice` may be null;
// it becomes "" when there is nothing to say. Damage before the last record: Error(Exit::kJournal)
// with the file, the offset and what to do; the records before it have been read then. A missing
// file: Error(Exit::kUsage). Returns the offset of the good end. May be called while another
// process writes.
std::uint64_t read_journal(const std::filesystem::path& file,
                           const std::function<void(std::string_view payload)>& record,
                           std::string* notice);

// For the one writer (the caller holds the run directory's lock). Creates the file when missing.
// What was read is durable when it returns.
std::unique_ptr<Journal> open_journal(const std::filesystem::path& file,
                                      const std::function<void(std::string_view payload)>& record,
                                      std::string* notice);

}  // namespace winnow
