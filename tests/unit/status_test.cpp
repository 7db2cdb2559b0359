// status_test.cpp: what a run has done, read from its journal beside a writer or without one.
#include <fcntl.h>

#include "host/disk.hpp"
#include "host/error.hpp"
#include "host/folder_lock.hpp"
#include "host/run.hpp"
#include "host/run_directory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using Catch::Matchers::Contains;
using winnow::test::TemporaryFolder;

namespace {

void write_journal(const std::filesystem::path& folder, const std::vector<std::string>& records) {
  auto journal = open_journal(
      journal_path(folder), [](std::string_view) {}, nullptr);
  for (const std::string& record : records) journal->append(record);
  journal->commit();
}

const std::vector<std::string> kRecords = {
    R"({"k":"run","format":1,"config":"abc","tasks":3})",
    R"({"k":"ask","t":0,"st":200,"n":[{"id":1,"op":0,"at":[1,1,1],"s":0}],)"
    R"("c":[{"id":1,"op":0,"p":0,"n":1,"to":0,"score":1},{"id":2,"op":0,"p":0,"n":1,"to":0,"score":1}]})",
    R"({"k":"ask","t":1,"st":200,"n":[],)"
    R"("c":[{"id":1,"op":0,"p":0,"n":1,"to":0,"score":1},{"id":2,"op":4,"p":1,"n":0,"to":0,"score":1}]})",
    R"({"k":"done","t":0,"c":1,"s":[[0.5]],"h":"0123456789abcdef"})",
    R"({"k":"fail","t":0,"c":2,"why":"it \"failed\",\"t\":9"})",
    R"({"k":"final","t":0,"entry":{"task":0},"ledger":{}})",
    R"({"k":"clock","seconds":1.5,"nfe":16,"re":0})",
    R"({"k":"clock","seconds":2.5,"nfe":24,"re":0})",
};

}  // namespace

TEST_CASE("status counts tasks and candidates from the journal alone", "[status]") {
  TemporaryFolder folder;
  write_journal(folder.path(), kRecords);
  const RunStatus status = read_status(folder.path());
  CHECK(status.tasks == 3);
  CHECK(status.tasks_done == 1);
  CHECK(status.candidates_done == 1);
  CHECK(status.candidates_failed == 1);
  CHECK(status.candidates_open == 1);  // judging one again opens none
  CHECK(status.seconds == 2.5);
  CHECK(status.walked_nfe == 24);
  CHECK_FALSE(status.finished);
  CHECK_FALSE(status.locked);
  CHECK(status.notice.empty());
}

TEST_CASE("status sees a writer, and a writer is not kept out by it", "[status]") {
  TemporaryFolder folder;
  write_journal(folder.path(), kRecords);
  {
    const disk::File lock = lock_folder(folder.path());
    CHECK(read_status(folder.path()).locked);
    CHECK_THROWS_AS(lock_folder(folder.path()), Error);  // still held
  }
  CHECK_FALSE(read_status(folder.path()).locked);
  CHECK_NOTHROW(lock_folder(folder.path()));
}

TEST_CASE("status tells of a torn tail and leaves it where it is", "[status]") {
  TemporaryFolder folder;
  write_journal(folder.path(), kRecords);
  const auto file = journal_path(folder.path());
  const std::string torn = test::read_bytes(file) + "half a record";
  test::write_bytes(file, torn);
  CHECK_FALSE(read_status(folder.path()).notice.empty());
  CHECK(test::read_bytes(file) == torn);
  const disk::File lock = lock_folder(folder.path());
  CHECK(read_status(folder.path()).notice.empty());  // it is being written
}

TEST_CASE("a whole summary makes a run finished", "[status]") {
  TemporaryFolder folder;
  write_journal(folder.path(), kRecords);
  test::write_bytes(folder / "summary.json", R"({"format": 1})");
  CHECK(read_status(folder.path()).finished);
  test::write_bytes(folder / "summary.json", R"({"format": 1)");
  CHECK_FALSE(read_status(folder.path()).finished);
}

TEST_CASE("what is no run directory is refused with what it is", "[status]") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(read_status(folder.path()), Contains("no run directory"));
  CHECK_THROWS_WITH(read_status(folder / "nothing"), Contains("not there"));
  test::write_bytes(folder / "file", "x");
  CHECK_THROWS_WITH(read_status(folder / "file"), Contains("no folder"));
  write_journal(folder.path(), {R"({"k":"novel","t":1})"});
  CHECK_THROWS_WITH(read_status(folder.path()), Contains("record 1"));
}
