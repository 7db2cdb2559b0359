#include "http_batch.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <random>

namespace winnow::http {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr double kLongestPause = 30, kLongestRetryAfter = 600;
constexpr double kNoticeEvery = 5;
constexpr int kPollMilliseconds = 50;
constexpr std::size_t kShown = 300;  // bytes of an answer in a message

double since(Clock::time_point then) { return Seconds(Clock::now() - then).count(); }
Clock::time_point in(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
}
long milliseconds(double seconds) { return std::lround(1000 * seconds); }

std::string in_seconds(double seconds) {
  return std::to_string(static_cast<long>(std::ceil(seconds))) + " s";
}

// The beginning of an answer, on one line.
std::string excerpt(std::string text) {
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return text;
}

bool may_pass(long status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}
bool is_for_all(long status) { return status == 401 || status == 403 || status == 404; }

void checked(CURLcode code) {
  if (code != CURLE_OK) throw std::runtime_error(curl_easy_strerror(code));
}

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;
using List = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

struct Job {
  std::size_t index = 0;
  std::string answer;
  std::size_t limit = 0;
  bool too_large = false;
  char error[CURL_ERROR_SIZE] = "";
  Clock::time_point due, first;
  bool started = false;  // at least once
  std::size_t tries = 0, refused = 0;
  Easy easy{nullptr, curl_easy_cleanup};
};

std::size_t take(char* data, std::size_t, std::size_t size, void* to) {
  Job& job = *static_cast<Job*>(to);
  job.too_large = job.answer.size() + size > job.limit;
  if (job.too_large) return 0;  // breaks the transfer off
  job.answer.append(data, size);
  return size;
}

class Batch {
 public:
  Batch(const Settings& settings, const std::vector<std::string>& bodies,
        const Callbacks& callbacks)
      : settings_(settings),
        bodies_(bodies),
        callbacks_(callbacks),
        multi_(curl_multi_init(), curl_multi_cleanup),
        reasons_(bodies.size()) {
    for (const std::string& header : settings.headers) {
      headers_.reset(curl_slist_append(headers_.release(), header.c_str()));
    }
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      jobs_.push_back(std::make_unique<Job>());
      jobs_.back()->index = i;
      jobs_.back()->limit = settings.largest_answer;
    }
  }

  ~Batch() {
    for (const auto& job : running_) curl_multi_remove_handle(multi_.get(), job->easy.get());
  }

  std::vector<std::string> run() {
    while (done_ < bodies_.size()) {
      callbacks_.tick(done_);
      start_due();
      int left = 0;
      curl_multi_perform(multi_.get(), &left);
      while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
      }
      curl_multi_poll(multi_.get(), nullptr, 0, kPollMilliseconds, nullptr);
    }
    callbacks_.tick(done_);
    return reasons_;
  }

 private:
  using Jobs = std::vector<std::unique_ptr<Job>>;

  void start_due() {
    for (auto it = jobs_.begin(); it != jobs_.end() && running_.size() < settings_.concurrency;) {
      if ((*it)->due > Clock::now()) {
        ++it;
        continue;
      }
      start(**it);
      running_.push_back(std::move(*it));
      it = jobs_.erase(it);
    }
  }

  void start(Job& job) {
    job.answer.clear();
    job.error[0] = '\0';
    job.too_large = false;
    if (!job.started) job.first = Clock::now();
    job.started = true;
    ++job.tries;
    job.easy.reset(curl_easy_init());
    CURL* easy = job.easy.get();
    if (!easy) throw std::bad_alloc();
    const std::string& body = bodies_[job.index];
    checked(curl_easy_setopt(easy, CURLOPT_URL, settings_.url.c_str()));
    checked(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    checked(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    checked(curl_easy_setopt(easy, CURLOPT_USERAGENT, "winnow"));
    checked(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get()));
    checked(
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size())));
    checked(curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data()));
    checked(
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(settings_.connect_timeout)));
    checked(curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(settings_.timeout)));
    checked(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take));
    checked(curl_easy_setopt(easy, CURLOPT_WRITEDATA, &job));
    checked(curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, job.error));
    curl_multi_add_handle(multi_.get(), easy);
  }

  void finish(CURL* easy, CURLcode result) {
    const auto place =
        std::ranges::find_if(running_, [&](const auto& job) { return job->easy.get() == easy; });
    std::unique_ptr<Job> job = std::move(*place);
    running_.erase(place);
    curl_multi_remove_handle(multi_.get(), easy);
    long status = 0;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    if (job->too_large) {
      end(*job, "the answer has more than " + std::to_string(job->limit) + " bytes");
    } else if (result != CURLE_OK) {
      const std::string why = job_error(*job, result);  // before the job goes
      again(std::move(job), why, 0);
    } else if (may_pass(status)) {
      const std::string why = "status " + std::to_string(status) + ": " + excerpt(job->answer);
      again(std::move(job), why, static_cast<double>(retry_after));
    } else if (is_for_all(status)) {
      throw Unreachable(settings_.url + " answers with status " + std::to_string(status) + ": " +
                        excerpt(job->answer));
    } else if (status < 200 || status > 299) {
      end(*job, "status " + std::to_string(status) + ": " + excerpt(job->answer));
    } else {
      answered_ = true;
      judge(std::move(job));
    }
  }

  static std::string job_error(const Job& job, CURLcode result) {
    return job.error[0] != '\0' ? job.error : curl_easy_strerror(result);
  }

  void judge(std::unique_ptr<Job> job) {
    const std::string why = callbacks_.refuse(job->index, job->answer);
    if (why.empty() || ++job->refused >= settings_.attempts) {
      end(*job, why.empty() ? "" : why + " (asked " + std::to_string(job->refused) + " times)");
      return;
    }
    pause(std::move(job), 0);
  }

  void end(const Job& job, const std::string& why) {
    reasons_[job.index] = why;
    ++done_;
  }

  // After something that may pass.
  void again(std::unique_ptr<Job> job, const std::string& why, double retry_after) {
    const double left = settings_.patience - since(job->first);
    if (left <= 0 && answered_) {
      end(*job, why + " (for " + in_seconds(settings_.patience) + ")");
      return;
    }
    if (left <= 0) {
      throw Unreachable(settings_.url + " has given no answer for " +
                        in_seconds(settings_.patience) + ": " + why);
    }
    const double wait = pause(std::move(job), std::min(retry_after, kLongestRetryAfter));
    if (noticed_ && since(*noticed_) < kNoticeEvery) return;
    noticed_ = Clock::now();
    callbacks_.notice("waiting for " + settings_.url + ": " + why + "; tries again in " +
                      in_seconds(wait) + ", for " + in_seconds(left) + " at most");
  }

  double pause(std::unique_ptr<Job> job, double at_least) {
    const double doubled = settings_.pause * std::pow(2.0, static_cast<double>(job->tries - 1));
    std::uniform_real_distribution<double> part(0.5, 1.0);
    const double wait = std::max(at_least, std::min(doubled, kLongestPause) * part(random_));
    job->due = in(wait);
    jobs_.push_back(std::move(job));
    return wait;
  }

  const Settings& settings_;
  const std::vector<std::string>& bodies_;
  const Callbacks& callbacks_;
  Multi multi_;
  List headers_{nullptr, curl_slist_free_all};
  Jobs jobs_, running_;  // those that wait for their turn, and those under way
  std::vector<std::string> reasons_;
  std::size_t done_ = 0;
  bool answered_ = false;
  std::optional<Clock::time_point> noticed_;
  std::minstd_rand random_{std::random_device{}()};  // decides when, never what
};

}  // namespace

std::vector<std::string> post_all(const Settings& settings, const std::vector<std::string>& bodies,
                                  const Callbacks& callbacks) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  checked(ready);
  return Batch(settings, bodies, callbacks).run();
}

}  // namespace winnow::http
