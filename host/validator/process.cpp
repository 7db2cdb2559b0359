// process.cpp: see process.hpp.
#include "host/validator/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <new>
#include <system_error>
#include <utility>

#include "host/console.hpp"
#include "host/text.hpp"

namespace winnow::validator {
namespace {

constexpr std::size_t kStageBytes = 512, kMostOutput = 4096;

[[noreturn]] void failed_call(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

struct File {
  int number = -1;
  explicit File(int n) : number(n) {}
  File(File&& other) noexcept : number(std::exchange(other.number, -1)) {}
  ~File() { close(); }
  void close() {
    if (number >= 0) ::close(std::exchange(number, -1));
  }
};

File memory_file() {
  const int file = memfd_create("winnow-check", MFD_CLOEXEC);
  if (file < 0) failed_call("memfd_create");
  return File(file);
}

std::string contents(int file, std::size_t most = kMostOutput) {
  std::string text(most, '\0');
  const auto size = pread(file, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

void write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Everything until the other end is closed, or the time is over: false.
bool read_all(int file, double until, std::string& bytes) {
  for (char part[4096];;) {
    const double left = until - now();
    pollfd wait{file, POLLIN, 0};
    const int ready = poll(&wait, 1, left > 0 ? static_cast<int>(left * 1000) + 1 : 0);
    if (ready == 0) return false;
    if (ready < 0 && errno == EINTR) continue;
    const auto size = read(file, part, sizeof part);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    bytes.append(part, static_cast<std::size_t>(size));
  }
}

struct Ended {
  std::string bytes;
  bool in_time = true;
  int status = 0;
};

// `body` writes to the pipe; `output`: where stdout and stderr go, or -1.
Ended fork_and_wait(const std::function<std::string()>& body, double seconds, int output) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) failed_call("pipe2");
  File in(pipe_ends[0]), out(pipe_ends[1]);
  const pid_t child = fork();
  if (child < 0) failed_call("fork");
  if (child == 0) {
    in.close();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (output >= 0) {
      setpgid(0, 0);
      dup2(output, 1);
      dup2(output, 2);
    }
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    log_to([](std::string_view) {}, -1, false);
    write_all(out.number, body());
    _exit(0);
  }
  if (output >= 0) setpgid(child, child);
  out.close();
  Ended ended;
  ended.in_time = read_all(in.number, now() + seconds, ended.bytes);
  // Also what it started and left behind.
  kill(output >= 0 ? -child : child, ended.in_time ? 0 : SIGKILL);
  while (waitpid(child, &ended.status, 0) < 0 && errno == EINTR) {
  }
  if (output >= 0) kill(-child, SIGKILL);
  return ended;
}

std::string how_it_ended(const Ended& ended) {
  if (WIFSIGNALED(ended.status)) {
    const char* name = sigabbrev_np(WTERMSIG(ended.status));
    return fmt::format("crashed by SIG{}", name ? name : "?");
  }
  return fmt::format("ended the process, by exit({})", WEXITSTATUS(ended.status));
}

std::string packed(const Verdict& verdict) {
  return static_cast<char>('0' + static_cast<int>(verdict.outcome)) + verdict.text;
}

}  // namespace

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Stage::Stage() {
  void* memory =
      mmap(nullptr, kStageBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  shared_ = static_cast<char*>(memory);
}

Stage::~Stage() { munmap(shared_, kStageBytes); }

void Stage::set(const std::string& text) {
  const std::size_t size = std::min(text.size(), kStageBytes - 1);
  memcpy(shared_, text.data(), size);
  shared_[size] = '\0';
}

std::string Stage::text() const { return printable(std::string(shared_)); }

Verdict verdict_of(const std::function<Verdict()>& body) {
  const double start = now();
  Verdict verdict;
  try {
    verdict = body();
  } catch (const End& end) {
    verdict = {end.outcome, end.text};
  } catch (const std::exception& error) {
    verdict = {Outcome::kFailed, error.what()};
  }
  verdict.seconds = now() - start;
  return verdict;
}

Verdict run_apart(const std::function<Verdict()>& body, const Stage& stage, double seconds) {
  const File output = memory_file();
  const double start = now();
  const Ended ended =
      fork_and_wait([&] { return packed(verdict_of(body)); }, seconds, output.number);
  Verdict verdict;
  verdict.seconds = now() - start;
  verdict.output = contents(output.number);
  if (!ended.in_time) {
    verdict.outcome = Outcome::kFailed;
    verdict.text = fmt::format("not over after {} s, while {}", seconds, stage.text());
  } else if (ended.bytes.empty() || !WIFEXITED(ended.status)) {
    verdict.outcome = Outcome::kFailed;
    verdict.text = fmt::format("{} while {}", how_it_ended(ended), stage.text());
  } else {
    verdict.outcome = static_cast<Outcome>(ended.bytes[0] - '0');
    verdict.text = ended.bytes.substr(1);
  }
  return verdict;
}

std::string from_another_process(const std::function<std::string()>& body) {
  // The time limit is the test's own.
  const Ended ended = fork_and_wait(
      [&] {
        std::string bytes;
        const Verdict verdict = verdict_of([&] {
          bytes = body();
          return Verdict{};
        });
        return verdict.outcome == Outcome::kPassed ? "=" + bytes : packed(verdict);
      },
      1e6, -1);
  if (ended.bytes.empty() || !WIFEXITED(ended.status)) fail("{}", how_it_ended(ended));
  if (ended.bytes[0] != '=')
    throw End{static_cast<Outcome>(ended.bytes[0] - '0'), ended.bytes.substr(1)};
  return ended.bytes.substr(1);
}

std::string printed_by(const std::function<void()>& body) {
  const File file = memory_file(), out(dup(1)), err(dup(2));
  const auto redirect = [](int to_out, int to_err) {
    fflush(nullptr);
    dup2(to_out, 1);
    dup2(to_err, 2);
  };
  redirect(file.number, file.number);
  try {
    body();
  } catch (...) {
    redirect(out.number, err.number);
    throw;
  }
  redirect(out.number, err.number);
  return contents(file.number);
}

std::string warned_by(const std::function<void()>& body) {
  constexpr std::string_view kWord = "warning: ";
  struct Restored {
    std::shared_ptr<spdlog::logger> logger = spdlog::default_logger();
    ~Restored() { spdlog::set_default_logger(logger); }
  };
  std::string first;
  const Restored restored;
  log_to(
      [&](std::string_view line) {
        if (first.empty() && line.starts_with(kWord))
          first = line.substr(kWord.size(), line.find('\n') - kWord.size());
      },
      0, false);
  body();
  return first;
}

}  // namespace winnow::validator
