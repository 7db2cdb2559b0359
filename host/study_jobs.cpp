// study_jobs.cpp: who makes what, and what became of it.
#include "host/study_jobs.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cmath>
#include <list>
#include <memory>
#include <thread>

#include "host/study_worker.hpp"

namespace winnow {
namespace {

constexpr int kLookEvery = 200;  // milliseconds: a stop is noticed within them

struct Job {
  std::unique_ptr<StudyWorker> worker;
  std::optional<std::size_t> point;  // at work on
  Progress progress;
};

// The mean of those that have one.
double mean_of(const std::list<Job>& jobs, double Progress::*member) {
  double sum = 0, n = 0;
  for (const Job& job : jobs)
    if (job.point && std::isfinite(job.progress.*member)) sum += job.progress.*member, ++n;
  return n > 0 ? sum / n : NAN;
}

class StudyScheduler {
 public:
  StudyScheduler(const StudyRequest& request, const StudyJobs& jobs)
      : request_(request),
        settings_(jobs),
        tally_(request),
        todo_(wanted_points(request.points, request.only)),
        most_(std::clamp<std::size_t>(todo_.size(), 1, jobs.count)) {}

  StudyOutcome run() {
    for (hand_out(); !busy_.empty(); hand_out()) wait();
    StudyOutcome outcome = tally_.outcome();
    if (stopping() && !todo_.empty()) outcome.exit = Exit::kCheckpointed;
    return outcome;
  }

 private:
  bool stopping() const { return request_.stop && request_.stop->load() != WN_OK; }

  void hand_out() {
    if (stopping() || full_) return;
    while (busy_.size() < most_) {
      const std::optional<std::size_t> point = next();
      if (!point) return;
      Job& job = idle_job();
      try {
        begin(job, *point);
      } catch (const Error&) {  // no worker can be started: fewer go on
        if (busy_.empty()) throw;
        most_ = busy_.size();
        return;
      }
      todo_.erase(*point);
      busy_.insert(*point);
      job.point = *point;
      job.progress = {};
      job.progress.mean_best = job.progress.mean_gain = NAN;
    }
  }

  // By a new worker where there is none, or where the idle one has died.
  void begin(Job& job, std::size_t point) {
    const std::string& folder = request_.points[point].folder;
    if (job.worker && job.worker->begin(point, folder)) return;
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    const auto share = std::max(1u, cores / static_cast<unsigned>(most_));
    job.worker.reset();
    job.worker = std::make_unique<StudyWorker>(settings_.words, share);
    job.worker->begin(point, folder);  // if that fails, so does reading its answer
  }

  // The first whose pools are as they will be, and whose folder nobody works in.
  std::optional<std::size_t> next() {
    for (auto point = todo_.begin(); point != todo_.end();) {
      if (!tally_.may_begin(*point)) {
        point = todo_.erase(point);
        continue;
      }
      const StudyPoint& one = request_.points[*point];
      const bool waits = std::ranges::any_of(one.pools, [&](std::size_t pool) {
        return todo_.contains(pool) || busy_.contains(pool);
      });
      const bool twin_at_work = std::ranges::any_of(
          busy_, [&](std::size_t busy) { return request_.points[busy].folder == one.folder; });
      if (!waits && !twin_at_work) return *point;
      ++point;
    }
    return std::nullopt;
  }

  Job& idle_job() {
    const auto idle = std::ranges::find_if(jobs_, [](const Job& job) { return !job.point; });
    return idle != jobs_.end() ? *idle : jobs_.emplace_back();
  }

  void wait() {
    std::vector<pollfd> files;
    std::vector<Job*> owners;
    for (Job& job : jobs_)
      if (job.point) {
        files.push_back({job.worker->socket(), POLLIN, 0});
        owners.push_back(&job);
      }
    ::poll(files.data(), files.size(), kLookEvery);
    for (std::size_t i = 0; i < files.size(); ++i)
      if (files[i].revents != 0) hear(*owners[i]);
    if (request_.on_progress && !busy_.empty()) request_.on_progress(progress());
    if (stopping() && !asked_) {
      asked_ = true;
      for (Job& job : jobs_)
        if (job.point) job.worker->ask_to_stop();
    }
  }

  void hear(Job& job) {
    const std::optional<WorkerMessage> message = job.worker->receive();
    if (!message) return lost(job);
    if (message->progress) job.progress = *message->progress;
    if (message->notice && request_.on_notice) request_.on_notice(*message->notice);
    if (message->result) over(job, *message->result);
  }

  void lost(Job& job) {
    const std::string how = job.worker->how_ended();
    job.worker.reset();
    if (stopping()) return over(job, {PointResult::kStopped, Exit::kCheckpointed, ""});
    over(job,
         {PointResult::kFailed, Exit::kPlugin, fmt::format("the process at work on it {}", how)});
  }

  void over(Job& job, const PointResult& result) {
    const std::size_t point = *job.point;
    job.point.reset();
    busy_.erase(point);
    if (!tally_.add(point, result)) full_ = true;
  }

  Progress progress() const {
    Progress sum;
    for (const Job& job : jobs_) {
      if (!job.point) continue;
      const Progress& p = job.progress;
      sum.tasks += p.tasks;
      sum.tasks_done += p.tasks_done;
      sum.nfe += p.nfe;
      sum.nfe_total += p.nfe_total;
      sum.nfe_this_part += p.nfe_this_part;
      sum.seconds = std::max(sum.seconds, p.seconds);
    }
    sum.mean_best = mean_of(jobs_, &Progress::mean_best);
    sum.mean_gain = mean_of(jobs_, &Progress::mean_gain);
    return sum;
  }

  const StudyRequest& request_;
  const StudyJobs& settings_;
  StudyTally tally_;
  std::set<std::size_t> todo_, busy_;
  std::size_t most_;  // at work at once
  std::list<Job> jobs_;
  bool full_ = false, asked_ = false;  // full_: nothing more can be begun
};

}  // namespace

StudyOutcome execute_study_jobs(const StudyRequest& request, const StudyJobs& jobs) {
  return StudyScheduler(request, jobs).run();
}

}  // namespace winnow
