// journal_test.cpp: framing, torn tails, damage, limits and speed of the journal.
#include "host/journal.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <random>
#include <vector>

#include "host/crc32c.hpp"
#include "host/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using winnow::test::read_bytes;
using winnow::test::TemporaryFolder;
using winnow::test::write_bytes;
using Records = std::vector<std::string>;

namespace {

std::unique_ptr<Journal> open_into(const std::filesystem::path& file, Records& records,
                                   std::string* notice = nullptr) {
  records.clear();
  return open_journal(
      file, [&](std::string_view payload) { records.emplace_back(payload); }, notice);
}

Records read_into(const std::filesystem::path& file, std::string* notice = nullptr) {
  Records records;
  read_journal(
      file, [&](std::string_view payload) { records.emplace_back(payload); }, notice);
  return records;
}

// One commit per record.
void write_records(const std::filesystem::path& file, const Records& records) {
  Records before;
  auto journal = open_into(file, before);
  for (const auto& record : records) {
    journal->append(record);
    journal->commit();
  }
}

std::string error_of(const std::filesystem::path& file) {
  try {
    read_into(file);
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::kJournal);
    return error.what();
  }
  return "";
}

std::string little_endian(std::uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

}  // namespace

TEST_CASE("crc32c gives the published value and goes on from a seed", "[journal]") {
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c_portable("123456789") == 0xE3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);  // RFC 3720, B.4
  CHECK(crc32c("") == 0);
  CHECK(crc32c("6789", crc32c("12345")) == crc32c("123456789"));
}

TEST_CASE("crc32c by tables equals crc32c by instruction at every length and alignment",
          "[journal]") {
  std::mt19937 random(1);
  std::string bytes(600, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  for (std::size_t begin = 0; begin < 9; ++begin)
    for (std::size_t n = 0; begin + n <= bytes.size(); ++n) {
      const auto part = std::string_view(bytes).substr(begin, n);
      const auto seed = static_cast<std::uint32_t>(random());
      if (crc32c(part, seed) != crc32c_portable(part, seed)) FAIL(begin << " " << n);
    }
}

TEST_CASE("the bytes of a journal are those of the documented format", "[journal]") {
  TemporaryFolder folder;
  write_records(folder / "j", {"hello"});
  const std::string length = little_endian(5);
  CHECK(read_bytes(folder / "j") ==
        "WNJRNL1\n" + length + little_endian(crc32c(length + "hello")) + "hello");
}

TEST_CASE("committed records come back in order, across openings", "[journal]") {
  TemporaryFolder folder;
  std::string notice = "left over";
  Records records;
  auto journal = open_into(folder / "j", records, &notice);
  CHECK(records.empty());
  CHECK(notice.empty());
  CHECK(journal->bytes() == 8);
  journal->append("one");
  journal->append(std::string("t\0wo", 4));
  CHECK(journal->bytes() == 8);
  journal->commit();
  CHECK(journal->bytes() == 8 + 8 + 3 + 8 + 4);
  journal.reset();
  journal = open_into(folder / "j", records, &notice);
  CHECK(records == Records{"one", std::string("t\0wo", 4)});
  journal->append("three");
  journal->commit();
  CHECK(read_into(folder / "j") == Records{"one", std::string("t\0wo", 4), "three"});
  CHECK(std::filesystem::file_size(folder / "j") == journal->bytes());
}

TEST_CASE("what was appended without a commit is not in the file", "[journal]") {
  TemporaryFolder folder;
  Records records;
  auto journal = open_into(folder / "j", records);
  journal->append("lost");
  journal.reset();
  CHECK(read_into(folder / "j").empty());
}

TEST_CASE("a torn tail is cut and reported with one notice, and a copy is kept", "[journal]") {
  TemporaryFolder folder;
  write_records(folder / "j", {"first", "second"});
  const std::string whole = read_bytes(folder / "j");
  const std::size_t good = 8 + 8 + 5;
  write_bytes(folder / "j", std::string_view(whole).substr(0, whole.size() - 2));

  std::string notice;
  CHECK(read_into(folder / "j", &notice) == Records{"first"});
  CHECK(notice.find("at byte 21") != std::string::npos);
  CHECK(read_bytes(folder / "j").size() == whole.size() - 2);  // a reader changes nothing

  Records records;
  open_into(folder / "j", records, &notice);
  CHECK(records == Records{"first"});
  CHECK(notice.find("cut 12 bytes") != std::string::npos);
  CHECK(std::count(notice.begin(), notice.end(), '\n') == 0);
  CHECK(read_bytes(folder / "j") == whole.substr(0, good));
  CHECK(read_bytes(folder.path() / "torn" / "j-21") == whole.substr(good, 12));

  open_into(folder / "j", records, &notice);
  CHECK(notice.empty());
}

TEST_CASE("two torn tails at the same place are both kept", "[journal]") {
  TemporaryFolder folder;
  write_records(folder / "j", {"first"});
  const std::string whole = read_bytes(folder / "j");
  Records records;
  for (const char* tail : {"abc", "defg"}) {
    write_bytes(folder / "j", whole + tail);
    open_into(folder / "j", records);
  }
  CHECK(read_bytes(folder.path() / "torn" / "j-21") == "abc");
  CHECK(read_bytes(folder.path() / "torn" / "j-21-2") == "defg");
}

TEST_CASE("damage before the last record is refused with its offset and the ways out",
          "[journal]") {
  TemporaryFolder folder;
  write_records(folder / "j", {"first", "second", "third"});
  std::string bytes = read_bytes(folder / "j");
  bytes[8 + 8 + 5 + 8 + 2] ^= 1;  // in "second"
  write_bytes(folder / "j", bytes);
  const std::string error = error_of(folder / "j");
  CHECK(error.find("damaged at byte 21") != std::string::npos);
  CHECK(error.find("the 1 record before it is good") != std::string::npos);
  CHECK(error.find("truncate -s 21") != std::string::npos);
  Records records;
  CHECK_THROWS_AS(open_into(folder / "j", records), Error);
  CHECK(read_bytes(folder / "j") == bytes);
}

TEST_CASE("a length that lies neither allocates nor hides what follows", "[journal]") {
  TemporaryFolder folder;
  write_records(folder / "j", {"first"});
  const std::string whole = read_bytes(folder / "j");
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  for (const std::uint32_t lie : {0u, kMaxRecordBytes, kMaxRecordBytes + 1, 0xFFFFFFFFu}) {
    std::string notice;
    write_bytes(folder / "j", whole + little_endian(lie) + "crc!payload");
    CHECK(read_into(folder / "j", &notice) == Records{"first"});
    CHECK(notice.find("15 bytes") != std::string::npos);
    write_bytes(folder / "j", "WNJRNL1\n" + little_endian(lie) + "crc!" + whole.substr(8));
    CHECK(error_of(folder / "j").find("damaged at byte 8,") != std::string::npos);
  }
  getrusage(RUSAGE_SELF, &after);
  CHECK(after.ru_maxrss - before.ru_maxrss < 64 * 1024);  // KiB
}

TEST_CASE("a tail of zeros, as a crashed file system leaves it, is torn", "[journal]") {
  TemporaryFolder folder;
  write_records(folder / "j", {"first"});
  write_bytes(folder / "j", read_bytes(folder / "j") + std::string(5'000'000, '\0'));
  std::string notice;
  CHECK(read_into(folder / "j", &notice) == Records{"first"});
  CHECK(notice.find("5000000 bytes") != std::string::npos);
}

TEST_CASE("damage is found although the next good record is megabytes away", "[journal]") {
  TemporaryFolder folder;
  write_records(folder / "j", {std::string(kMaxRecordBytes, 'x'), "last"});
  std::string bytes = read_bytes(folder / "j");
  bytes.insert(8, std::string(7'000'000, '#'));
  write_bytes(folder / "j", bytes);
  CHECK(error_of(folder / "j").find("damaged at byte 8,") != std::string::npos);
}

TEST_CASE("records have at least one byte and at most a mebibyte", "[journal]") {
  TemporaryFolder folder;
  Records records;
  auto journal = open_into(folder / "j", records);
  CHECK_THROWS_AS(journal->append(""), Error);
  CHECK_THROWS_AS(journal->append(std::string(kMaxRecordBytes + 1, 'x')), Error);
  journal->append(std::string(kMaxRecordBytes, 'x'));
  journal->commit();
  CHECK(read_into(folder / "j") == Records{std::string(kMaxRecordBytes, 'x')});
}

TEST_CASE("a file that is no journal is refused untouched", "[journal]") {
  TemporaryFolder folder;
  for (const std::string bytes : {"PNG", "WNJRNL2\nrest", "WNJRNX1\n"}) {
    write_bytes(folder / "j", bytes);
    Records records;
    CHECK_THROWS_AS(open_into(folder / "j", records), Error);
    CHECK(error_of(folder / "j").find("is no journal") != std::string::npos);
    CHECK(read_bytes(folder / "j") == bytes);
  }
  CHECK_THROWS_AS(read_into(folder / "missing"), Error);
}

TEST_CASE("a million records are read in flat memory", "[journal]") {
  TemporaryFolder folder;
  Records none;
  auto journal = open_into(folder / "j", none);
  std::string payload(200, 'p');
  for (int i = 0; i < 1'000'000; ++i) {
    payload.replace(0, 8, fmt::format("{:08}", i));
    journal->append(payload);
    if (i % 50'000 == 49'999) journal->commit();
  }
  CHECK(journal->bytes() == 8 + 208'000'000ull);
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  int next = 0;
  bool ordered = true;
  read_journal(
      folder / "j",
      [&](std::string_view record) {
        ordered &= record.substr(0, 8) == fmt::format("{:08}", next++) && record.size() == 200;
      },
      nullptr);
  getrusage(RUSAGE_SELF, &after);
  CHECK(next == 1'000'000);
  CHECK(ordered);
  CHECK(after.ru_maxrss - before.ru_maxrss < 16 * 1024);  // KiB
}
