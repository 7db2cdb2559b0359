// process_state.cpp: see process_state.hpp.
#include "host/validator/process_state.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cfenv>
#include <chrono>
#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

extern char** environ;

namespace winnow::validator {
namespace {

namespace fs = std::filesystem;

std::string umask_text() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Umask:")) return line.substr(7);
  return "?";
}

std::string handler_of(int number) {
  struct sigaction action {};
  if (sigaction(number, nullptr, &action) != 0) return "?";
  if (action.sa_flags & SA_SIGINFO)
    return fmt::format("{}", reinterpret_cast<void*>(action.sa_sigaction));
  if (action.sa_handler == SIG_DFL) return "the default";
  if (action.sa_handler == SIG_IGN) return "ignored";
  return fmt::format("{}", reinterpret_cast<void*>(action.sa_handler));
}

std::string blocked_signals() {
  sigset_t set;
  pthread_sigmask(SIG_SETMASK, nullptr, &set);
  std::string text;
  for (int number = 1; number < 32; ++number)
    if (sigismember(&set, number)) text += fmt::format(" {}", number);
  return text.empty() ? "none" : text.substr(1);
}

std::map<int, std::string> open_files() {
  std::map<int, std::string> files;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd", failed)) {
    const fs::path target = fs::read_symlink(entry.path(), failed);
    if (!failed && target.string().find("/fd") == std::string::npos)
      files[std::stoi(entry.path().filename())] = target;
  }
  return files;
}

}  // namespace

ProcessState process_state() {
  ProcessState state;
  auto& parts = state.parts;
  const char* locale = std::setlocale(LC_ALL, nullptr);
  parts["locale"] = locale ? locale : "?";
  parts["rounding mode"] = fmt::format("{}", std::fegetround());
#if defined(__SSE__)
  parts["MXCSR"] = fmt::format("{:#x}", _mm_getcsr() & ~0x3Fu);  // without the sticky flags
#endif
  std::error_code failed;
  parts["current folder"] = fs::current_path(failed).string();
  parts["umask"] = umask_text();
  parts["blocked signals"] = blocked_signals();
  for (int number = 1; number < 32; ++number)
    if (number != SIGKILL && number != SIGSTOP)
      parts[fmt::format("handler of SIG{}", sigabbrev_np(number))] = handler_of(number);
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    state.environment[text.substr(0, equals)] =
        equals == std::string::npos ? "" : text.substr(equals + 1);
  }
  state.files = open_files();
  return state;
}

std::vector<std::string> changes(const ProcessState& before, const ProcessState& after) {
  std::vector<std::string> found;
  for (const auto& [name, value] : before.parts)
    if (const std::string& now = after.parts.at(name); now != value)
      found.push_back(fmt::format("the {} was '{}' and is '{}'", name, value, now));
  for (const auto& [name, value] : after.environment) {
    const auto old = before.environment.find(name);
    if (old == before.environment.end())
      found.push_back(fmt::format("the environment has a new variable {}", name));
    else if (old->second != value)
      found.push_back(fmt::format("the environment variable {} changed", name));
  }
  for (const auto& [name, value] : before.environment)
    if (!after.environment.contains(name))
      found.push_back(fmt::format("the environment variable {} is gone", name));
  for (const auto& [number, target] : after.files)
    if (!before.files.contains(number))
      found.push_back(fmt::format("a file was left open: {}", target));
  for (const auto& [number, target] : before.files)
    if (!after.files.contains(number))
      found.push_back(fmt::format("an open file of the host was closed: {}", target));
  return found;
}

std::size_t thread_count() {
  std::size_t count = 0;
  std::error_code failed;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/task", failed))
    ++count;
  return count;
}

std::size_t settled_thread_count(std::size_t expected) {
  std::size_t count = thread_count();
  for (int wait = 0; count > expected && wait < 20; ++wait) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    count = thread_count();
  }
  return count;
}

Memory memory_now() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  const auto heap = mallinfo2();
  return {heap.uordblks + heap.hblkhd,
          resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))};
}

}  // namespace winnow::validator
