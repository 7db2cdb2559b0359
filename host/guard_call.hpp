// guard_call.hpp: what every call into a plugin's table has around it; for guard*.cpp only.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "host/guard.hpp"

namespace winnow {

inline const char* status_name(wn_status status) {
  switch (status) {
    case WN_E_CANCELLED:
      return "cancelled";
    case WN_E_INVALID_ARGUMENT:
      return "invalid argument";
    case WN_E_DEADLINE:
      return "deadline";
    case WN_E_NOT_FOUND:
      return "not found";
    case WN_E_RESOURCE_EXHAUSTED:
      return "resources exhausted";
    case WN_E_FAILED_PRECONDITION:
      return "failed precondition";
    case WN_E_UNIMPLEMENTED:
      return "unimplemented";
    case WN_E_INCOMPATIBLE:
      return "incompatible";
    default:
      return "internal error";
  }
}

inline std::string blame(wn_status status, const std::string& text) {
  if (text.empty())
    return fmt::format("returned status {} without a message (plugin misbehaving)", status);
  return fmt::format("{} ({})", text, status_name(status));
}

class Stopwatch {
 public:
  explicit Stopwatch(double& total) : total_(total), start_(Clock::now()) {}
  ~Stopwatch() { total_ += std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  double& total_;
  Clock::time_point start_;
};

inline void throw_if_stopped(const HostServices& services, wn_status status) {
  if ((status == WN_E_CANCELLED || status == WN_E_DEADLINE) && services.should_stop() != WN_OK)
    throw Stopped();
}

inline ItemFailures failures_of(std::span<const wn_status> status, const ErrorSink& errors) {
  ItemFailures failures(status.size());
  for (std::size_t i = 0; i < status.size(); ++i)
    if (status[i] != WN_OK) failures[i] = {status[i], blame(status[i], errors.item_text(i))};
  return failures;
}

inline bool all_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

}  // namespace winnow
