// package_archive.cpp: see package_archive.hpp.
#include "host/package_archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <locale.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>

#include "host/disk.hpp"
#include "host/figures.hpp"
#include "host/package_files.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::size_t kLongestName = 512;

using Handle = std::unique_ptr<archive, int (*)(archive*)>;
using Entry = std::unique_ptr<archive_entry, void (*)(archive_entry*)>;

std::string reason_of(archive* handle) {
  const char* text = archive_error_string(handle);
  return text ? printable(text) : "unknown error";
}

// libarchive converts the names of pax archives, which are UTF-8, to the locale of the thread.
class Utf8Names {
 public:
  Utf8Names() : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (utf8_) before_ = ::uselocale(utf8_);
  }
  ~Utf8Names() {
    if (!utf8_) return;
    ::uselocale(before_);
    ::freelocale(utf8_);
  }
  Utf8Names(const Utf8Names&) = delete;

 private:
  locale_t utf8_, before_ = nullptr;
};

bool is_good_name(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && printable(name) == name;
}

class Writer {
 public:
  explicit Writer(const fs::path& out)
      : out_(out),
        file_(disk::open(out, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)),
        handle_(archive_write_new(), archive_write_free) {
    check(archive_write_set_format_ustar(handle_.get()));
    check(archive_write_add_filter_gzip(handle_.get()));
    check(archive_write_set_filter_option(handle_.get(), "gzip", "timestamp", nullptr));
    check(archive_write_set_bytes_in_last_block(handle_.get(), 1));
    check(archive_write_open_fd(handle_.get(), file_.fd()));
  }

  void add(const fs::path& file, const std::string& name) {
    if (!is_good_name(name))
      throw Error(Exit::kUsage, fmt::format("'{}' has a name that cannot be packed: expected at "
                                            "most {} bytes of UTF-8 without control characters",
                                            printable(file.string()), kLongestName));
    const disk::File in = disk::open(file, O_RDONLY);
    const std::uint64_t size = disk::size(in, file);
    const Entry entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), 0, 0);
    check(archive_write_header(handle_.get(), entry.get()));
    std::vector<char> block(kBlock);
    for (std::uint64_t left = size; left > 0;) {
      const ssize_t n = ::read(in.fd(), block.data(), block.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw disk::failure("read", file, errno);
      if (n == 0 || static_cast<std::uint64_t>(n) > left)
        throw Error(Exit::kUsage, fmt::format("'{}' changes while it is packed", file.string()));
      if (archive_write_data(handle_.get(), block.data(), static_cast<std::size_t>(n)) != n) fail();
      left -= static_cast<std::uint64_t>(n);
    }
  }

  void finish() {
    check(archive_write_close(handle_.get()));
    disk::sync_data(file_, out_);
  }

 private:
  void check(int result) {
    if (result != ARCHIVE_OK) fail();
  }
  [[noreturn]] void fail() {
    const int number = archive_errno(handle_.get());
    const Error by_number = disk::failure("write", out_, number > 0 ? number : EINVAL);
    if (by_number.exit() == Exit::kResources) throw by_number;
    throw Error(Exit::kUsage,
                fmt::format("cannot write '{}': {}", out_.string(), reason_of(handle_.get())));
  }

  const Utf8Names names_;
  fs::path out_;
  disk::File file_;
  Handle handle_;
};

// One pass over an archive that checks every member before its content is looked at.
class Reader {
 public:
  explicit Reader(const fs::path& file)
      : file_(file),
        packed_(fs::is_regular_file(file) ? fs::file_size(file) : 0),
        handle_(archive_read_new(), archive_read_free) {
    archive_read_support_filter_gzip(handle_.get());
    archive_read_support_format_tar(handle_.get());
    if (archive_read_open_filename(handle_.get(), file.c_str(), kBlock) != ARCHIVE_OK)
      refuse(fmt::format("cannot be read: {}", reason_of(handle_.get())));
  }

  // Calls file(name, size) for each regular file; the name has its top folder still.
  void each(const std::function<void(const fs::path&, std::uint64_t)>& file) {
    archive_entry* entry = nullptr;
    for (;;) {
      const int result = archive_read_next_header(handle_.get(), &entry);
      if (result == ARCHIVE_EOF) return;
      if (result != ARCHIVE_OK)
        refuse(fmt::format("is no whole .tar.gz: {}", reason_of(handle_.get())));
      const fs::path name = checked_name(entry);
      if (name.empty()) continue;  // "./" alone
      check_type(entry, name);
      if (!seen_.insert(name).second) refuse(member(name, "stands twice in it"));
      if (++members_ > kMostArchiveFiles)
        refuse(fmt::format("holds more than {} members", kMostArchiveFiles));
      if (archive_entry_filetype(entry) == AE_IFDIR) continue;
      files_.insert(name);
      check_place(name);
      const auto size = archive_entry_size(entry);
      if (!archive_entry_size_is_set(entry) || size < 0 ||
          static_cast<std::uint64_t>(size) > kMostArchiveBytes - bytes_)
        refuse(fmt::format("would unpack to more than {} GiB", kMostArchiveBytes >> 30));
      bytes_ += static_cast<std::uint64_t>(size);
      if (bytes_ >> 30 && bytes_ / kMostArchiveRatio > packed_)
        refuse(fmt::format("would unpack to more than {} times its size", kMostArchiveRatio));
      file(name, static_cast<std::uint64_t>(size));
    }
  }

  // The content of the current file.
  void write_to(const fs::path& path, std::uint64_t size) {
    const disk::File out = disk::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    std::string block(kBlock, '\0');
    std::uint64_t offset = 0;
    for (;;) {
      const auto n = archive_read_data(handle_.get(), block.data(), block.size());
      if (n < 0) refuse(fmt::format("is damaged: {}", reason_of(handle_.get())));
      if (n == 0) break;
      disk::write_at(out, std::string_view(block).substr(0, static_cast<std::size_t>(n)), offset,
                     path);
      offset += static_cast<std::uint64_t>(n);
    }
    if (offset != size) refuse("is damaged: a file ends too early");
    disk::sync_data(out, path);
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Exit::kPlugin, fmt::format("'{}' {}", file_.string(), why));
  }

 private:
  static std::string member(const fs::path& name, const char* what) {
    return fmt::format("is refused: its member '{}' {}", printable(name.string()), what);
  }

  fs::path checked_name(archive_entry* entry) const {
    const char* raw = archive_entry_pathname(entry);
    const std::string text = raw ? raw : "";
    const fs::path name(text);
    if (!is_good_name(text)) refuse(member(name, "has a name that no package needs"));
    if (name.is_absolute()) refuse(member(name, "has an absolute name"));
    if (std::ranges::find(name, "..") != name.end()) refuse(member(name, "leads out of it"));
    fs::path plain;
    for (const fs::path& part : name)
      if (!part.empty() && part != ".") plain /= part;
    return plain;
  }

  void check_type(archive_entry* entry, const fs::path& name) const {
    if (archive_entry_hardlink(entry)) refuse(member(name, "is a hard link"));
    const auto type = archive_entry_filetype(entry);
    if (type == AE_IFLNK) refuse(member(name, "is a symbolic link"));
    if (type == AE_IFCHR || type == AE_IFBLK) refuse(member(name, "is a device"));
    if (type != AE_IFREG && type != AE_IFDIR)
      refuse(member(name, "is neither a file nor a folder"));
  }

  void check_place(const fs::path& name) const {
    for (fs::path above = name.parent_path(); !above.empty(); above = above.parent_path())
      if (files_.contains(above)) refuse(member(name, "lies below a file"));
    // A file where members before it need a folder.
    const auto below = seen_.upper_bound(name);
    if (below != seen_.end() && *below->begin() == *name.begin() &&
        std::mismatch(name.begin(), name.end(), below->begin(), below->end()).first == name.end())
      refuse(member(name, "is a file where others need a folder"));
  }

  const Utf8Names names_;
  fs::path file_;
  std::uint64_t packed_;  // bytes
  Handle handle_;
  std::set<fs::path> seen_, files_;
  std::size_t members_ = 0;
  std::uint64_t bytes_ = 0;
};

// The one folder that all names begin with, when the manifest is not at the top.
fs::path top_folder(const std::vector<ArchiveMember>& members) {
  const auto is_manifest = [](const ArchiveMember& m) { return m.file == kManifestFile; };
  if (members.empty() || std::ranges::any_of(members, is_manifest)) return {};
  const fs::path top = *members.front().file.begin();
  const auto begins = [&](const ArchiveMember& m) {
    return *m.file.begin() == top && m.file != top;
  };
  return std::ranges::all_of(members, begins) ? top : fs::path();
}

void require_room(const fs::path& archive, const std::vector<ArchiveMember>& members,
                  const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const ArchiveMember& member : members) bytes += member.size;
  const std::uint64_t room = fs::space(folder).available;
  if (bytes > room)
    throw Error(Exit::kResources,
                fmt::format("'{}' needs {}, the disk of '{}' has {}", archive.string(),
                            bytes_text(bytes), folder.string(), bytes_text(room)));
}

}  // namespace

void write_archive(const fs::path& package, const std::string& folder, std::vector<fs::path> files,
                   const fs::path& out) {
  std::ranges::sort(files, {}, [](const fs::path& file) { return file.string(); });
  const fs::path place = fs::absolute(out);
  if (fs::is_directory(place) || !place.has_filename())
    throw Error(Exit::kUsage,
                fmt::format("'{}' is a folder, expected the name of a file", out.string()));
  const fs::path temporary =
      place.parent_path() / (std::string(disk::kTemporary) + place.filename().string());
  try {
    Writer writer(temporary);
    for (const fs::path& file : files)
      writer.add(package / file, folder + "/" + file.generic_string());
    writer.finish();
    if (::rename(temporary.c_str(), place.c_str()) != 0) throw disk::failure("write", place, errno);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  disk::sync_folder(place.parent_path());
}

std::vector<ArchiveMember> list_archive(const fs::path& archive) {
  Reader reader(archive);
  std::vector<ArchiveMember> members;
  reader.each([&](const fs::path& name, std::uint64_t size) { members.push_back({name, size}); });
  const fs::path top = top_folder(members);
  bool manifest = false;
  for (ArchiveMember& member : members) {
    if (!top.empty()) member.file = member.file.lexically_relative(top);
    manifest |= member.file == kManifestFile;
  }
  if (!manifest)
    reader.refuse(
        fmt::format("is no plugin package: it holds no {}, neither at its top nor in one "
                    "top folder",
                    kManifestFile));
  return members;
}

void unpack_archive(const fs::path& archive, const std::vector<ArchiveMember>& members,
                    const fs::path& folder) {
  require_room(archive, members, folder);
  Reader reader(archive);
  std::size_t next = 0;
  reader.each([&](const fs::path&, std::uint64_t size) {
    if (next == members.size() || members[next].size != size)
      reader.refuse("changes while it is read");
    const fs::path path = folder / members[next++].file;
    fs::create_directories(path.parent_path());
    reader.write_to(path, size);
  });
}

}  // namespace winnow
