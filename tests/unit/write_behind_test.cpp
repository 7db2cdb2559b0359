#include "host/write_behind.hpp"

#include <atomic>
#include <semaphore>

#include "host/error.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

// Notes what it is told to write, and waits in every commit until it may.
class Disk : public RunDirectory, public Journal {
 public:
  std::vector<std::string> written;  // read when the writer rests
  std::counting_semaphore<100> may{0};
  std::atomic<int> commits{0};
  bool full = false;

  const std::filesystem::path& path() const override { return path_; }
  bool finished() const override { return false; }
  void write_sample(const std::string& name, const Image&, const std::string&) override {
    written.push_back("sample " + name);
  }
  void commit(Journal&) override {
    ++commits;
    may.acquire();
    if (full) throw Error(Exit::kResources, "no space");
    written.push_back("commit");
  }
  void write_file(const std::string&, std::string_view) override {}
  void append(std::string_view payload) override { written.emplace_back(payload); }
  void commit() override {}
  std::uint64_t bytes() const override { return 0; }

 private:
  std::filesystem::path path_;
};

Image small_image() { return {1, 1, 1, {0}}; }

void wait_for(const std::atomic<int>& number, int value) {
  while (number < value) std::this_thread::yield();
}

}  // namespace

TEST_CASE("what is handed over while the disk is busy becomes one group, samples first",
          "[write_behind]") {
  Disk disk;
  WriteBehind behind(disk, disk);
  behind.record("a");
  behind.commit();
  wait_for(disk.commits, 1);
  behind.record("b");  // none of these waits for the disk
  behind.commit();
  behind.sample("s", small_image(), "");
  behind.record("c");
  behind.commit();
  disk.may.release(2);
  behind.flush();
  CHECK(disk.written == std::vector<std::string>{"a", "commit", "sample s", "b", "c", "commit"});
}

TEST_CASE("what was not handed over is not written, what was is", "[write_behind]") {
  Disk disk;
  disk.may.release(3);
  {
    WriteBehind behind(disk, disk);
    behind.record("a");
    behind.commit();
    behind.record("b");
  }
  CHECK(disk.written == std::vector<std::string>{"a", "commit"});
}

TEST_CASE("a full disk is told at the next commit, and at every later one", "[write_behind]") {
  Disk disk;
  disk.full = true;
  disk.may.release(1);
  WriteBehind behind(disk, disk);
  behind.record("a");
  CHECK_THROWS_WITH(behind.flush(), "no space");
  behind.record("b");
  CHECK_THROWS_WITH(behind.commit(), "no space");
  CHECK_THROWS_WITH(behind.flush(), "no space");
  CHECK(disk.written == std::vector<std::string>{"a"});
}

TEST_CASE("too much for a slow disk is waited for", "[write_behind]") {
  Disk disk;
  WriteBehind behind(disk, disk);
  behind.record("a");
  behind.commit();
  wait_for(disk.commits, 1);
  behind.record(std::string(65 << 20, 'b'));
  behind.commit();
  std::atomic<bool> handed_over = false;
  std::atomic<int> about_to = 0;
  std::thread caller([&] {
    behind.record("c");
    about_to = 1;
    behind.commit();
    handed_over = true;
  });
  wait_for(about_to, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK_FALSE(handed_over);
  disk.may.release(3);
  caller.join();
  behind.flush();
  CHECK(disk.written.size() == 6);
}
