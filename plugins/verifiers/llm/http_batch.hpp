// Many POST requests to one address at a time, by libcurl: TLS with verified certificates, bounded
// concurrency, time-outs, bounded answers, and patience.
//
// What may pass is tried again after a pause that doubles up to 30 s, each shortened at random by
// up to a half, or after what the answer's Retry-After says: connections that fail or break off,
// time that is over, and the statuses 408, 425, 429 and 5xx, for `patience` seconds since the
// request's first try; answers that are not accepted, `attempts` times in all.
#pragma once

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace winnow::http {

struct Settings {
  std::string url;
  std::vector<std::string> headers;
  double connect_timeout = 10;  // seconds, here and below
  double timeout = 60;          // of one try
  double patience = 300;
  double pause = 0.5;  // after the first try
  std::size_t concurrency = 4;
  std::size_t attempts = 3;
  std::size_t largest_answer = 1 << 20;  // bytes
};

// Nothing was answered for as long as patience lasts, or every request would be refused alike.
class Unreachable : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Callbacks {
  // Why the answer to request i does not do; empty: it does.
  std::function<std::string(std::size_t i, const std::string& answer)> refuse;
  // Called at least every 100 ms; leaves by an exception of its own when it wants to stop.
  std::function<void(std::size_t done)> tick;
  // A sentence for the log, each time that a pause begins; not more often than every 5 seconds.
  std::function<void(const std::string& text)> notice;
};

// Why each request failed; empty: its answer was accepted. Throws Unreachable for the statuses 401,
// 403 and 404, and when patience ends and no request of this call has been answered; a request
// whose patience ends while others are answered fails alone.
std::vector<std::string> post_all(const Settings& settings, const std::vector<std::string>& bodies,
                                  const Callbacks& callbacks);

}  // namespace winnow::http
