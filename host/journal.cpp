// journal.cpp: framing, the search for good records behind a bad one, and the group commit.
#include "host/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "host/crc32c.hpp"
#include "host/disk.hpp"
#include "host/error.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using OnRecord = std::function<void(std::string_view)>;

constexpr std::string_view kMagic = "WNJRNL1\n";
constexpr std::size_t kHeader = 8;
// Bounds the search behind a bad record for files made to be slow: some seconds at most.
constexpr std::uint64_t kMaxSearchBytes = 4ull << 30;

std::uint32_t load_u32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

void append_u32(std::string& out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// A sliding view of a file, so that memory stays flat whatever the file's length.
class Window {
 public:
  Window(const disk::File& file, const fs::path& path)
      : file_(file), path_(path), size_(disk::size(file, path)) {}

  std::uint64_t size() const { return size_; }

  // n bytes from `offset` on, fewer at the end of the file; valid until the next call. n is at most
  // kHeader + kMaxRecordBytes.
  std::string_view at(std::uint64_t offset, std::size_t n) {
    if (offset >= size_) return {};
    n = static_cast<std::size_t>(std::min<std::uint64_t>(n, size_ - offset));
    if (offset < start_ || offset + n > start_ + buffer_.size()) fill(offset, n);
    const std::string_view view = buffer_;
    return view.substr(static_cast<std::size_t>(offset - start_), n);
  }

 private:
  void fill(std::uint64_t offset, std::size_t wanted) {
    constexpr std::size_t kReadAhead = 2u << 20;
    start_ = offset;
    buffer_.resize(static_cast<std::size_t>(
        std::min<std::uint64_t>(std::max(kReadAhead, wanted), size_ - offset)));
    std::size_t have = 0;
    while (have < buffer_.size()) {
      const ssize_t n = ::pread(file_.fd(), buffer_.data() + have, buffer_.size() - have,
                                static_cast<off_t>(offset + have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw disk::failure("read", path_, errno);
      if (n == 0) break;
      have += static_cast<std::size_t>(n);
    }
    if (have < buffer_.size()) size_ = offset + have;  // another process has cut the file
    buffer_.resize(have);
  }

  const disk::File& file_;
  const fs::path& path_;
  std::uint64_t size_;
  std::uint64_t start_ = 0;
  std::string buffer_;
};

// The payload length that stands at `offset`, if a record of it would fit into the file.
std::optional<std::uint32_t> plausible_length(Window& window, std::uint64_t offset) {
  const std::string_view header = window.at(offset, kHeader);
  if (header.size() < kHeader) return std::nullopt;
  const std::uint32_t length = load_u32(header.data());
  if (length == 0 || length > kMaxRecordBytes) return std::nullopt;
  if (length > window.size() - offset - kHeader) return std::nullopt;
  return length;
}

std::uint32_t record_crc(std::string_view length_bytes, std::string_view payload) {
  return crc32c(payload, crc32c(length_bytes));
}

std::optional<std::string_view> valid_record(Window& window, std::uint64_t offset) {
  const auto length = plausible_length(window, offset);
  if (!length) return std::nullopt;
  const std::string_view record = window.at(offset, kHeader + *length);
  if (record.size() < kHeader + *length) return std::nullopt;
  const std::string_view payload = record.substr(kHeader);
  if (record_crc(record.substr(0, 4), payload) != load_u32(record.data() + 4)) return std::nullopt;
  return payload;
}

// True when the bad record at `offset` cannot be a torn tail: a good one begins somewhere behind
// it.
bool good_record_behind(Window& window, std::uint64_t offset) {
  std::uint64_t searched = 0;
  for (++offset; offset + kHeader < window.size(); ++offset) {
    const auto length = plausible_length(window, offset);
    if (!length) continue;
    if (valid_record(window, offset)) return true;
    searched += *length;
    // Undecided: to refuse keeps every byte, to cut would not.
    if (searched > kMaxSearchBytes) return true;
  }
  return false;
}

void check_magic(Window& window, const fs::path& file) {
  const std::string_view found = window.at(0, kMagic.size());
  if (found == kMagic) return;
  const auto at = static_cast<std::size_t>(
      std::mismatch(found.begin(), found.end(), kMagic.begin(), kMagic.end()).first -
      found.begin());
  throw Error(Exit::kJournal,
              fmt::format("'{}' is no journal that this winnow reads: byte {} differs from the "
                          "magic 'WNJRNL1'; use the winnow that wrote it, or restore the file from "
                          "a copy",
                          file.string(), at));
}

[[noreturn]] void refuse(const fs::path& file, std::uint64_t offset, std::uint64_t records) {
  throw Error(
      Exit::kJournal,
      fmt::format(
          "journal '{0}' is damaged at byte {1}, with good records behind it; the {2} record{3} "
          "before it {4} good, nothing was changed; restore the file from a copy, or give another "
          "folder with --out, or keep what lies before the damage with \"truncate -s {1} '{0}'\" "
          "and run the same command again, which makes the rest anew",
          file.string(), offset, records, records == 1 ? "" : "s", records == 1 ? "is" : "are"));
}

// Returns the offset behind the last good record.
std::uint64_t read_records(Window& window, const fs::path& file, const OnRecord& on_record) {
  std::uint64_t offset = kMagic.size();
  for (std::uint64_t records = 0; offset < window.size(); ++records) {
    const auto payload = valid_record(window, offset);
    if (!payload) {
      if (good_record_behind(window, offset)) refuse(file, offset, records);
      break;
    }
    offset += kHeader + payload->size();
    on_record(*payload);
  }
  return offset;
}

// A writer that was killed while it wrote the magic leaves a part of it.
bool only_begun(Window& window) {
  const std::string_view found = window.at(0, kMagic.size());
  return found.size() < kMagic.size() && kMagic.substr(0, found.size()) == found;
}

void say(std::string* notice, std::string text) {
  if (notice) *notice = std::move(text);
}

// Copies [offset, size) to <folder>/torn/ and returns the copy's name, relative to the folder.
std::string keep_torn_tail(Window& window, const fs::path& file, std::uint64_t offset) {
  const fs::path folder = file.parent_path() / "torn";
  std::error_code error;
  fs::create_directory(folder, error);
  if (error) throw disk::failure("create", folder, error.value());
  std::string name = fmt::format("{}-{}", file.filename().string(), offset);
  for (int again = 2; fs::exists(folder / name, error); ++again)
    name = fmt::format("{}-{}-{}", file.filename().string(), offset, again);
  const disk::File copy = disk::open(folder / name, O_WRONLY | O_CREAT | O_EXCL);
  const std::uint64_t begin = offset;
  for (std::string_view bytes; !(bytes = window.at(offset, kMaxRecordBytes)).empty();
       offset += bytes.size())
    disk::write_at(copy, bytes, offset - begin, folder / name);
  disk::sync_data(copy, folder / name);
  return "torn/" + name;
}

class FileJournal : public Journal {
 public:
  FileJournal(disk::File file, fs::path path, std::uint64_t end)
      : file_(std::move(file)), path_(std::move(path)), end_(end) {}

  void append(std::string_view payload) override {
    if (payload.empty() || payload.size() > kMaxRecordBytes)
      throw Error(Exit::kInternal, fmt::format("a journal record of {} bytes, expected 1 to {}",
                                               payload.size(), kMaxRecordBytes));
    const std::size_t begin = buffer_.size();
    buffer_.reserve(begin + kHeader + payload.size());  // no half record when memory runs out
    append_u32(buffer_, static_cast<std::uint32_t>(payload.size()));
    append_u32(buffer_, record_crc(std::string_view(buffer_).substr(begin, 4), payload));
    buffer_.append(payload);
  }

  void commit() override {
    if (buffer_.empty()) return;
    try {
      disk::write_at(file_, buffer_, end_, path_);
      disk::sync_data(file_, path_);
    } catch (const Error& error) {
      // After a failed sync the kernel may call lost pages clean, so only bytes that are written
      // again count. If the cut fails too, the next commit writes over the rest, or the next run
      // finds a torn tail.
      const bool cut = ::ftruncate(file_.fd(), static_cast<off_t>(end_)) == 0;
      throw Error(Exit::kResources,
                  cut ? error.what() : fmt::format("{} (nor could the file be cut)", error.what()));
    }
    end_ += buffer_.size();
    buffer_.clear();
  }

  std::uint64_t bytes() const override { return end_; }

 private:
  disk::File file_;
  fs::path path_;
  std::uint64_t end_;
  std::string buffer_;
};

}  // namespace

std::uint64_t read_journal(const fs::path& file, const OnRecord& record, std::string* notice) {
  say(notice, "");
  const disk::File handle = disk::open(file, O_RDONLY);
  Window window(handle, file);
  if (only_begun(window)) return 0;
  check_magic(window, file);
  const std::uint64_t end = read_records(window, file, record);
  if (end < window.size())
    say(notice, fmt::format("'{}' ends in {} bytes of an unfinished record at byte {}; the next "
                            "run cuts them",
                            file.string(), window.size() - end, end));
  return end;
}

std::unique_ptr<Journal> open_journal(const fs::path& file, const OnRecord& record,
                                      std::string* notice) {
  say(notice, "");
  disk::File handle = disk::open(file, O_RDWR | O_CREAT);
  if (Window begun(handle, file); only_begun(begun)) {
    disk::write_at(handle, kMagic, 0, file);
    disk::sync_data(handle, file);
    disk::sync_folder(file.parent_path());
  }
  Window window(handle, file);
  check_magic(window, file);
  const std::uint64_t end = read_records(window, file, record);
  if (end < window.size()) {
    const std::uint64_t torn = window.size() - end;
    const std::string copy = keep_torn_tail(window, file, end);
    if (::ftruncate(handle.fd(), static_cast<off_t>(end)) != 0)
      throw disk::failure("write", file, errno);
    say(notice, fmt::format("cut {} bytes of an unfinished record at byte {} of '{}' (copy in {})",
                            torn, end, file.string(), copy));
  }
  // A killed writer's last records may still lie in the page cache only.
  disk::sync_data(handle, file);
  return std::make_unique<FileJournal>(std::move(handle), file, end);
}

}  // namespace winnow
