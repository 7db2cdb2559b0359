// journal_damage_test.cpp: a journal cut at every byte, and with every bit flipped.
#include <fmt/format.h>

#include <vector>

#include "host/error.hpp"
#include "host/journal.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using winnow::test::read_bytes;
using winnow::test::TemporaryFolder;
using winnow::test::write_bytes;
using Records = std::vector<std::string>;

namespace {

struct Written {
  Records records;
  std::vector<std::uint64_t> ends;  // ends[i]: the file's length before record i
  std::string bytes;
};

Written write_journal(const std::filesystem::path& file, int n, std::size_t record_bytes) {
  Written written;
  const auto journal = open_journal(
      file, [](std::string_view) {}, nullptr);
  for (int i = 0; i < n; ++i) {
    written.ends.push_back(journal->bytes());
    std::string record = fmt::format("{{\"record\": {}, \"nfe\": 26, \"score\": 0.{}}}", i, i * 37);
    record.resize(record_bytes + static_cast<std::size_t>(i), 'x');
    written.records.push_back(record);
    journal->append(record);
    journal->commit();
  }
  written.ends.push_back(journal->bytes());
  written.bytes = read_bytes(file);
  return written;
}

Records open_and_read(const std::filesystem::path& file, std::string* notice,
                      std::unique_ptr<Journal>* journal = nullptr) {
  Records records;
  auto opened = open_journal(
      file, [&](std::string_view payload) { records.emplace_back(payload); }, notice);
  if (journal) *journal = std::move(opened);
  return records;
}

Records first(const Records& records, std::size_t n) {
  return {records.begin(), records.begin() + static_cast<std::ptrdiff_t>(n)};
}

}  // namespace

TEST_CASE("a journal cut at every byte of its last three records is repaired and goes on",
          "[faults][journal]") {
  TemporaryFolder folder(test::Medium::kMemory);
  const auto file = folder / "journal.wnj";
  const Written written = write_journal(file, 12, 180);
  std::size_t repaired = 0;
  for (std::uint64_t cut = written.ends[9]; cut < written.bytes.size(); ++cut) {
    std::size_t good = 9;
    while (written.ends[good + 1] <= cut) ++good;
    write_bytes(file, std::string_view(written.bytes).substr(0, cut));
    std::string notice;
    std::unique_ptr<Journal> journal;
    INFO("cut at " << cut);
    REQUIRE(open_and_read(file, &notice, &journal) == first(written.records, good));
    REQUIRE(notice.empty() == (cut == written.ends[good]));
    journal->append("goes on");
    journal->commit();
    journal.reset();
    Records expected = first(written.records, good);
    expected.push_back("goes on");
    REQUIRE(open_and_read(file, &notice) == expected);
    REQUIRE(notice.empty());
    ++repaired;
  }
  CHECK(repaired == written.ends[12] - written.ends[9]);
}

TEST_CASE("a flipped bit anywhere is found: cut in the last record, refused before it",
          "[faults][journal]") {
  TemporaryFolder folder(test::Medium::kMemory);
  const auto file = folder / "journal.wnj";
  const Written written = write_journal(file, 6, 45);
  for (std::size_t at = 0; at < written.bytes.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = written.bytes;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      write_bytes(file, bytes);
      INFO("bit " << bit << " of byte " << at);
      if (at >= written.ends[5]) {
        std::string notice;
        REQUIRE(open_and_read(file, &notice) == first(written.records, 5));
        REQUIRE(notice.find(fmt::format("at byte {} ", written.ends[5])) != std::string::npos);
        REQUIRE(read_bytes(file) == written.bytes.substr(0, written.ends[5]));
        std::filesystem::remove_all(folder / "torn");
        continue;
      }
      std::string text;
      try {
        open_and_read(file, nullptr);
      } catch (const Error& error) {
        REQUIRE(error.exit() == Exit::kJournal);
        text = error.what();
      }
      std::size_t record = 0;
      while (at >= 8 && written.ends[record + 1] <= at) ++record;
      REQUIRE(text.find(at < 8 ? fmt::format("byte {} differs", at)
                               : fmt::format("damaged at byte {},", written.ends[record])) !=
              std::string::npos);
      REQUIRE(read_bytes(file) == bytes);
    }
}
