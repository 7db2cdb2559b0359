// write_behind.hpp: a run's samples and records, made durable by a thread of its own, so that a
// slow disk holds up nothing but what must not be lost.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "host/run_directory.hpp"

namespace winnow {

// Calls come from one thread. Nobody else uses directory and journal, which it borrows, between the
// first sample or record and the end of flush(). What the disk refused is thrown (as RunDirectory
// and Journal do) by the next commit() or flush(), and by every later one.
class WriteBehind {
 public:
  WriteBehind(RunDirectory& directory, Journal& journal);
  // Finishes what was handed over, and drops the rest.
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  void sample(std::string name, Image image, std::string recipe_json);
  void record(std::string payload);
  // Hands over what came since the last time: it will be durable in this order, samples before the
  // records of the same group. Returns at once, unless more than 64 MiB wait for the disk. So does
  // a sample that brings more than that together by itself.
  void commit();
  // commit(), and waits until all of it is durable.
  void flush();

 private:
  struct Sample {
    std::string name;
    Image image;
    std::string recipe_json;
  };
  struct Group {
    std::vector<Sample> samples;
    std::vector<std::string> records;
    std::uint64_t bytes = 0;
    bool empty() const { return samples.empty() && records.empty(); }
  };

  void rethrow();
  void work();
  void write(const Group& group);

  RunDirectory& directory_;
  Journal& journal_;
  Group open_;  // of the caller's thread
  std::mutex mutex_;
  std::condition_variable changed_;
  Group ready_;        // handed over
  bool busy_ = false;  // a group is being written
  bool over_ = false;  // the destructor waits
  std::exception_ptr error_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace winnow
