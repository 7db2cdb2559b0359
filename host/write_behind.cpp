// write_behind.cpp: see write_behind.hpp.
#include "host/write_behind.hpp"

#include <iterator>
#include <utility>

namespace winnow {
namespace {

constexpr std::uint64_t kMostWaiting = 64 << 20;

template <class T>
void move_to_end(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

WriteBehind::WriteBehind(RunDirectory& directory, Journal& journal)
    : directory_(directory), journal_(journal), thread_([this] { work(); }) {}

WriteBehind::~WriteBehind() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void WriteBehind::sample(std::string name, Image image, std::string recipe_json) {
  open_.bytes += image.pixels.size() + recipe_json.size();
  open_.samples.push_back({std::move(name), std::move(image), std::move(recipe_json)});
  if (open_.bytes >= kMostWaiting) commit();  // its own record is still to come
}

void WriteBehind::record(std::string payload) {
  open_.bytes += payload.size();
  open_.records.push_back(std::move(payload));
}

void WriteBehind::commit() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || ready_.bytes < kMostWaiting; });
  rethrow();
  move_to_end(ready_.samples, open_.samples);
  move_to_end(ready_.records, open_.records);
  ready_.bytes += open_.bytes;
  open_ = {};
  changed_.notify_all();
}

void WriteBehind::flush() {
  commit();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || (ready_.empty() && !busy_); });
  rethrow();
}

void WriteBehind::rethrow() {
  if (error_) std::rethrow_exception(error_);
}

void WriteBehind::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return over_ || !ready_.empty(); });
    if (ready_.empty()) return;
    const Group group = std::exchange(ready_, {});
    busy_ = true;
    changed_.notify_all();  // there is room again
    lock.unlock();
    std::exception_ptr error;
    try {
      write(group);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    busy_ = false;
    error_ = error;
    changed_.notify_all();
    if (error) return;
  }
}

void WriteBehind::write(const Group& group) {
  for (const Sample& sample : group.samples)
    directory_.write_sample(sample.name, sample.image, sample.recipe_json);
  for (const std::string& record : group.records) journal_.append(record);
  directory_.commit(journal_);
}

}  // namespace winnow
