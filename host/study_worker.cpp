// study_worker.cpp: see study_worker.hpp.
#include "host/study_worker.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "host/caught_error.hpp"
#include "host/guard.hpp"

namespace winnow {
namespace {

using nlohmann::json;

constexpr std::size_t kLargestMessage = 128 << 10;  // of 16 KiB, each byte perhaps as \u0000
constexpr auto kSendEvery = std::chrono::milliseconds(100);

json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
double number(const json& value) { return value.is_null() ? NAN : value.get<double>(); }

json to_json(const Progress& p) {
  return {p.tasks,   p.tasks_done,   p.nfe, p.nfe_total, number(p.mean_best), number(p.mean_gain),
          p.seconds, p.nfe_this_part};
}

Progress progress_of(const json& p) {
  return {.tasks = p.at(0),
          .tasks_done = p.at(1),
          .nfe = p.at(2),
          .nfe_total = p.at(3),
          .mean_best = number(p.at(4)),
          .mean_gain = number(p.at(5)),
          .seconds = p.at(6),
          .nfe_this_part = p.at(7)};
}

bool send(int socket, const json& message) {
  const std::string text = message.dump(-1, ' ', false, json::error_handler_t::replace);
  ssize_t sent;
  do sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(text.size());
}

// Nothing: the other end is closed.
std::optional<json> receive(int socket) {
  std::string text(kLargestMessage, '\0');
  ssize_t got;
  do got = ::recv(socket, text.data(), text.size(), 0);
  while (got < 0 && errno == EINTR);
  if (got <= 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(got));
  return json::parse(text);
}

std::string shortened(std::string text) {
  constexpr std::size_t kLongest = 16 << 10;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + " ...";
  return text;
}

std::vector<std::string> environment_with(unsigned threads) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) all.emplace_back(*entry);
  if (!std::getenv("OMP_NUM_THREADS")) all.push_back(fmt::format("OMP_NUM_THREADS={}", threads));
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

StudyWorker::StudyWorker(const std::vector<std::string>& words, unsigned threads) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(Exit::kResources, fmt::format("no socket: {}", strerror(errno)));
  socket_ = disk::File(ends[0]);
  const disk::File theirs(ends[1]);
  // Standard output is for the study's results, which the worker has no part in.
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, theirs.fd(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  std::vector<std::string> all{"winnow"}, environment = environment_with(threads);
  all.insert(all.end(), words.begin(), words.end());
  const int failed = ::posix_spawn(&pid_, "/proc/self/exe", &files, nullptr,
                                   pointers_to(all).data(), pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&files);
  if (failed)
    throw Error(Exit::kResources, fmt::format("a worker cannot be started: {}", strerror(failed)));
}

StudyWorker::~StudyWorker() {
  if (pid_ < 0) return;
  ask_to_stop();
  how_ended();
}

bool StudyWorker::begin(std::size_t point, const std::string& folder) {
  return send(socket(), {{"point", point}, {"folder", folder}});
}

std::optional<WorkerMessage> StudyWorker::receive() {
  const std::optional<json> packet = winnow::receive(socket());
  if (!packet) return std::nullopt;
  WorkerMessage message;
  if (packet->contains("progress")) message.progress = progress_of(packet->at("progress"));
  if (packet->contains("notice")) message.notice = packet->at("notice");
  if (packet->contains("kind"))
    message.result = PointResult{packet->at("kind").get<PointResult::Kind>(),
                                 packet->at("exit").get<Exit>(), packet->at("why")};
  return message;
}

void StudyWorker::ask_to_stop() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

std::string StudyWorker::how_ended() {
  socket_ = {};
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (!WIFSIGNALED(status)) return fmt::format("ended with exit code {}", WEXITSTATUS(status));
  const char* name = sigabbrev_np(WTERMSIG(status));
  return fmt::format("was ended by {}", name ? fmt::format("SIG{}", name) : "a signal");
}

namespace {

PointResult made_of(PointMaker& maker, const StudyRequest& request, const json& order) try {
  const std::size_t point = order.at("point");
  if (point >= request.points.size() || request.points[point].folder != order.at("folder"))
    throw Error(Exit::kUsage,
                "the study's files were changed while it ran; the same command goes on");
  return maker.make(point);
} catch (const Stopped&) {
  return {PointResult::kStopped, Exit::kCheckpointed, ""};
} catch (...) {
  const Error error = caught_error();
  return {PointResult::kFailed, error.exit(), error.what()};
}

bool is_closed(int socket) {
  pollfd file{socket, 0, 0};
  return ::poll(&file, 1, 0) > 0 && (file.revents & POLLHUP) != 0;
}

}  // namespace

void serve_points(StudyRequest request, int socket) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // nobody would go on with what a lost worker makes
  auto last = std::chrono::steady_clock::time_point::min();
  request.progress_every = kProgressEvery;
  request.on_progress = [&](const Progress& progress) {
    if (const auto now = std::chrono::steady_clock::now(); now - kSendEvery > last) {
      last = now;
      send(socket, {{"progress", to_json(progress)}});
    }
  };
  request.on_notice = [&](const std::string& text) { send(socket, {{"notice", shortened(text)}}); };
  PointMaker maker(request);
  while (const std::optional<json> order = receive(socket)) {
    if (is_closed(socket)) return;  // its sender died before it could be noticed above
    const PointResult result = made_of(maker, request, *order);
    send(socket, {{"kind", result.kind}, {"exit", result.exit}, {"why", shortened(result.why)}});
  }
}

}  // namespace winnow
