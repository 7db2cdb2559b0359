// child.cpp: see child.hpp.
#include "host/isolation/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

#include "host/error.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "winnow-plugin-host";
constexpr std::size_t kMostOutput = 64 << 10, kLongestLine = 1000;

// Names, and beginnings of names that end with '_'.
constexpr std::array kVisible{
    "LANG",  "LC_",    "TZ",        "LD_LIBRARY_PATH", "OMP_",          "MKL_",
    "KMP_",  "GOMP_",  "OPENBLAS_", "CUDA_",           "NVIDIA_",       "HIP_",
    "ROCR_", "TORCH_", "PYTORCH_",  "ASAN_OPTIONS",    "UBSAN_OPTIONS", "MALLOC_"};

std::vector<char*> visible_environment() {
  std::vector<char*> chosen;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    const auto fits = [&](std::string_view wanted) {
      return wanted.ends_with('_') ? name.starts_with(wanted) : name == wanted;
    };
    if (std::any_of(kVisible.begin(), kVisible.end(), fits)) chosen.push_back(*entry);
  }
  chosen.push_back(nullptr);
  return chosen;
}

std::string signal_text(int signal) {
  const char* name = sigabbrev_np(signal);
  return name ? std::string("SIG") + name : fmt::format("signal {}", signal);
}

}  // namespace

fs::path plugin_host_program() {
  const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  for (const char* place : {"", "../bin", "../libexec/winnow"})
    if (const fs::path program = folder / place / kProgram; fs::exists(program))
      return fs::canonical(program);
  throw Error(Exit::kPlugin, fmt::format("{}: {} is not beside it, so that no plugin can run in a "
                                         "process of its own; isolate = \"none\" runs them here",
                                         folder.string(), kProgram));
}

Child::Child(const std::string& plugin, int socket, int inputs, int exchange) : plugin_(plugin) {
  const std::string program = plugin_host_program().string();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw Error(Exit::kResources, fmt::format("{}: no pipe: {}", plugin, strerror(errno)));
  output_ = ends[0];
  ::fcntl(output_, F_SETFL, O_NONBLOCK);

  // Two steps, since a descriptor may already have another's number. Only these survive exec.
  const std::array<std::pair<int, int>, 5> files{{{ends[1], STDOUT_FILENO},
                                                  {ends[1], STDERR_FILENO},
                                                  {socket, kSocketFile},
                                                  {inputs, kInputsFile},
                                                  {exchange, kExchangeFile}}};
  const int aside = std::max({ends[1], socket, inputs, exchange, kExchangeFile}) + 1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const auto& [from, to] : files) posix_spawn_file_actions_adddup2(&actions, from, aside + to);
  for (const auto& [from, to] : files) posix_spawn_file_actions_adddup2(&actions, aside + to, to);
  for (const auto& [from, to] : files) posix_spawn_file_actions_addclose(&actions, aside + to);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  // Ctrl-C is for the host, which then tells its plugins.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string name = kProgram, parent = std::to_string(::getpid()), about = plugin;
  char* arguments[] = {name.data(), parent.data(), about.data(), nullptr};
  const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, &attributes, arguments,
                                   visible_environment().data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed) {
    ::close(output_);
    throw Error(Exit::kResources,
                fmt::format("{}: {} cannot be started: {}", plugin, program, strerror(failed)));
  }
}

Child::~Child() {
  if (!ended_) {
    kill();
    reap(/*wait=*/true);
  }
  if (output_ >= 0) ::close(output_);
}

std::uint64_t Child::shared_memory() const {
  std::ifstream in(fmt::format("/proc/{}/status", pid_));
  constexpr std::string_view kName = "RssShmem:";
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(kName))
      return std::strtoull(line.c_str() + kName.size(), nullptr, 10) << 10;
  return 0;
}

void Child::kill() {
  if (ended_) return;
  killed_ = true;
  ::kill(pid_, SIGKILL);
}

void Child::drain() {
  std::array<char, 16 << 10> bytes;
  const ssize_t n = ::read(output_, bytes.data(), bytes.size());
  if (n > 0) return log({bytes.data(), static_cast<std::size_t>(n)});
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  ::close(output_);
  output_ = -1;
}

void Child::log(std::string_view text) {
  for (char c : text) {
    if (c != '\n' && line_.size() < kLongestLine) line_ += c;
    if (c != '\n') continue;
    if (!line_.empty()) note_last(line_);
    if (logged_ < kMostOutput && !line_.empty()) {
      spdlog::info("{} wrote: {}", plugin_, printable(line_));
      logged_ += line_.size() + 1;
      if (logged_ >= kMostOutput)
        spdlog::warn("{} has written {} bytes; the rest is not shown", plugin_, logged_);
    }
    line_.clear();
  }
}

// Of what Python writes when it crashes, the line that did it comes first: the one after this head.
void Child::note_last(const std::string& line) {
  if (crash_ == Crash::kTold) return;
  last_line_ = line.substr(std::min(line.find_first_not_of(' '), line.size()));
  if (crash_ == Crash::kHead) crash_ = Crash::kTold;
  if (line.starts_with("Current thread ") && line.ends_with("(most recent call first):"))
    crash_ = Crash::kHead;
}

bool Child::reap(bool wait) {
  if (ended_) return true;
  pid_t found;
  do {
    found = ::waitpid(pid_, &status_, wait ? 0 : WNOHANG);
  } while (found < 0 && errno == EINTR);
  ended_ = found != 0;
  return ended_;
}

std::string Child::end(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  while (!reap(/*wait=*/false)) {
    if (Clock::now() > until) {
      kill();
      reap(/*wait=*/true);
      break;
    }
    if (output_ >= 0) drain();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (int i = 0; i < 64 && output_ >= 0; ++i) {  // what is still in the pipe
    pollfd one{output_, POLLIN, 0};
    if (::poll(&one, 1, 0) <= 0) break;
    drain();
  }
  if (!line_.empty()) log("\n");
  return how();
}

std::string Child::how() const {
  std::string text = killed_                ? "hung after its connection had ended, and was killed"
                     : WIFSIGNALED(status_) ? "killed by " + signal_text(WTERMSIG(status_))
                     : WIFEXITED(status_)
                         ? fmt::format("exited with status {}", WEXITSTATUS(status_))
                         : "ended";
  if (!last_line_.empty() && !killed_)
    text += fmt::format(" (last words: {})", printable(last_line_));
  return text;
}

}  // namespace winnow
