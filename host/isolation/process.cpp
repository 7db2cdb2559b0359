// process.cpp: see process.hpp.
#include "host/isolation/process.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "host/error.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr double kGrace = 2;         // seconds between asking and killing
constexpr double kLoadTimeout = 60;  // seconds at least, for constructors, negotiate and imports
constexpr double kEndTimeout = 10;   // for destroy, which nobody waits for
constexpr int kPoll = 20;            // milliseconds between looks at should_stop
constexpr std::uint64_t kMostFromPlugin = 256 << 20;  // bytes of one message
constexpr std::uint64_t kMostLog = 256 << 10;         // bytes of the log, of one process

std::atomic<wn_status>& stop_word(Arena& exchange) {
  static_assert(sizeof(std::atomic<wn_status>) == sizeof(wn_status));
  return *static_cast<std::atomic<wn_status>*>(exchange.at(0, sizeof(wn_status)));
}

std::uint64_t memory_limit(const Isolation& isolation) {
  if (isolation.memory) return isolation.memory;
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 4 * 3;
}

// Addresses, which are not endless either: a search, of which a run may have thousands, gets no
// tensors.
std::uint64_t arena_bytes(const FoundPlugin& found) {
  return found.plugin().kind == PluginKind::kSearch ? 1ull << 20 : 1ull << 36;
}

double limit_of(Message message, const Isolation& isolation) {
  if (isolation.attach) return 0;
  if (message == Message::kDestroy) return kEndTimeout;
  const double most = isolation.call_timeout;
  return message == Message::kLoad && most > 0 ? std::max(kLoadTimeout, most) : most;
}

}  // namespace

PluginProcess::PluginProcess(const FoundPlugin& found,
                             const std::vector<std::filesystem::path>& options,
                             const Isolation& isolation)
    : found_(found),
      id_(found.plugin().id),
      isolation_(isolation),
      fence_(fence_of(found, options, memory_limit(isolation))),
      inputs_(std::make_shared<Arena>(Arena::Others::kRead, arena_bytes(found))),
      exchange_(std::make_shared<Arena>(Arena::Others::kWrite, arena_bytes(found))),
      restarts_left_(isolation.restarts) {
  exchange_->allocate(kStopWordBytes);  // the first piece, so it lies at 0
}

PluginProcess::~PluginProcess() {
  if (!child_) return;
  ::shutdown(channel_->socket(), SHUT_WR);  // it shuts its plugins down and ends
  const std::string how = child_->end(kGrace);
  if (!how.starts_with("exited with status 0")) spdlog::warn("{}: its process {}", id_, how);
}

bool PluginProcess::offers(const std::string& interface) const {
  return std::ranges::count(interfaces_, interface) > 0;
}

Reply PluginProcess::run(const wn_call* call) {
  if (child_) return {};
  start();
  try {
    return load(call);
  } catch (const Died& death) {
    throw Died{fmt::format("{} of {}", death.how, found_.library().string())};
  }
}

void PluginProcess::start() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(Exit::kResources, fmt::format("{}: no socket for its process", id_));
  channel_ = std::make_unique<Channel>(ends[0], kMostFromPlugin);
  try {
    child_ = std::make_unique<Child>(id_, ends[1], inputs_->file(), exchange_->file());
  } catch (...) {
    ::close(ends[1]);
    throw;
  }
  ::close(ends[1]);
  ++generation_;
  logged_ = 0;
}

Reply PluginProcess::load(const wn_call* call) {
  Writer writer;
  writer.text(kWire);
  writer.text(found_.package->path.string());
  writer.put<std::uint64_t>(found_.plugin_index);
  writer.put<std::uint64_t>(found_.variant_index);
  writer.put<std::int32_t>(spdlog::get_level());
  writer.put<std::uint8_t>(isolation_.attach);
  write_fence(writer, fence_);
  if (isolation_.attach)
    spdlog::warn(
        "{}: process {} waits for a debugger: gdb -p {}, set breakpoints, then 'signal "
        "SIGCONT'; without one: kill -CONT {}",
        id_, child_->pid(), child_->pid(), child_->pid());
  const Reply reply = this->call(Message::kLoad, writer.bytes(), call, {}, [&](Reader& reader) {
    interfaces_.clear();
    for (auto n = reader.get<std::uint64_t>(); n > 0; --n) interfaces_.emplace_back(reader.text());
    const std::string lacking = printable(reader.text());
    if (!lacking.empty() && generation_ == 1) spdlog::warn("{}: {}", id_, lacking);
  });
  if (reply.status == WN_OK) return {};
  kill();
  if (reply.status == WN_E_CANCELLED || reply.status == WN_E_DEADLINE) return reply;
  throw Error(Exit::kPlugin, reply.text);
}

// Whatever the process says, the line is its plugin's, and there is an end to them.
void PluginProcess::log(Reader& reader) {
  const auto level = static_cast<spdlog::level::level_enum>(reader.get<std::int32_t>());
  if (logged_ >= kMostLog) return;
  std::string line = printable(reader.text().substr(0, kMostLog - logged_));
  if (!line.starts_with(id_ + ": ")) line = id_ + ": " + line;
  logged_ += line.size();
  spdlog::log(std::clamp(level, spdlog::level::trace, spdlog::level::err), "{}", line);
  if (logged_ >= kMostLog)
    spdlog::warn("{} has logged {} bytes; the rest is not shown", id_, logged_);
}

// One call: the time it has, and what comes back before its reply.
class PluginProcess::Call {
 public:
  Call(PluginProcess& process, Message message, const wn_call* call)
      : process_(process),
        message_(message),
        call_(call),
        stop_(stop_word(*process.exchange_)),
        limit_(limit_of(message, process.isolation_)) {
    stop_.store(WN_OK);
  }

  Reply run(std::string_view payload, const Answers& answers) {
    Channel& channel = *process_.channel_;
    send(message_, payload);
    while (!stopped_) {
      const auto packet = channel.next();
      if (!packet) {
        const short ready = channel.soon() ? POLLIN : wait(POLLIN);
        if (!stopped_ && ready && !channel.fill(/*wait=*/false)) lost();
        continue;
      }
      if (packet->message == Message::kReply) return finished(read_reply(packet->payload));
      Reader reader(packet->payload);
      if (packet->message == Message::kLog)
        process_.log(reader);
      else if (answers)
        send(Message::kAnswer, answers(packet->message, reader));
      else
        throw Malformed();
      watch();  // a process that never falls silent is stopped like any other
    }
    return {asked_, "was asked to stop and did not", {}, {}};
  }

 private:
  void send(Message message, std::string_view payload) {
    const auto go_on = [&] { return wait(POLLOUT), !stopped_; };
    if (!process_.channel_->send(message, payload, go_on) && !stopped_) lost();
  }

  // What became ready of `events` on the socket.
  short wait(short events) {
    pollfd files[] = {{process_.channel_->socket(), events, 0},
                      {process_.child_->output(), POLLIN, 0}};
    ::poll(files, 2, kPoll);
    if (files[1].revents) process_.child_->drain();
    watch();
    return files[0].revents;
  }

  [[noreturn]] void lost() { process_.died(message_, process_.child_->end(0.5)); }

  bool overrun() const {
    const bool inputs = process_.inputs_->overrun(), exchange = process_.exchange_->overrun();
    return inputs || exchange;
  }

  void check_arenas() {
    if (!overrun()) return;
    process_.kill();
    overrun();  // what it took until then
    throw Died{fmt::format("wrote or read far behind the tensors that it was lent in {}",
                           name_of(message_))};
  }

  // The kernel limits private memory only.
  void check_shared_memory() {
    const std::uint64_t lent = process_.inputs_->taken() + process_.exchange_->taken();
    if (process_.child_->shared_memory() <= process_.fence_.memory + lent) return;
    process_.kill();
    throw Died{
        fmt::format("shared more memory than [execution] plugin_memory in {}", name_of(message_))};
  }

  // Passes a wish to stop on, then enforces it.
  void watch() {
    const double now = Seconds(Clock::now() - start_).count();
    if (stopped_ || now < next_look_) return;
    next_look_ = now + kPoll * 1e-3;
    check_arenas();
    check_shared_memory();
    if (asked_ == WN_OK) {
      if (call_) asked_ = call_->should_stop(call_);
      if (asked_ == WN_OK && limit_ > 0 && now > limit_) asked_ = WN_E_DEADLINE, late_ = true;
      if (asked_ == WN_OK) return;
      stop_.store(asked_);
      asked_at_ = now;
    }
    if (now < asked_at_ + kGrace) return;
    process_.kill();
    if (late_) throw Died{late_text()};
    stopped_ = true;
  }

  Reply finished(Reply reply) {
    check_arenas();
    if (!late_ || reply.status == WN_OK) return reply;
    process_.kill();  // it may have done half of it, and must not do it again
    throw Died{late_text()};
  }
  std::string late_text() const {
    return fmt::format("did not come back from {} within {:g} s", name_of(message_), limit_);
  }

  PluginProcess& process_;
  Message message_;
  const wn_call* call_;
  std::atomic<wn_status>& stop_;
  double limit_;
  Clock::time_point start_ = Clock::now();
  double next_look_ = kPoll * 1e-3, asked_at_ = 0;
  wn_status asked_ = WN_OK;
  bool late_ = false, stopped_ = false;
};

Reply PluginProcess::call(Message message, std::string_view payload, const wn_call* call,
                          const Answers& answers, const Take& take) {
  try {
    Reply reply = Call(*this, message, call).run(payload, answers);
    Reader reader(reply.body);
    if (take && reply.status == WN_OK) take(reader);
    return reply;
  } catch (const Died&) {
    throw;
  } catch (const Malformed&) {
    kill();
    throw Died{fmt::format("sent a malformed message in {}", name_of(message))};
  } catch (...) {  // of an answer; it still waits for it
    kill();
    throw;
  }
}

void PluginProcess::died(Message message, const std::string& how) {
  child_.reset();
  throw Died{fmt::format("{} in {}", how, name_of(message))};
}

void PluginProcess::kill() { child_.reset(); }

void PluginProcess::spend_restart(const std::string& how) {
  if (trial_ || isolation_.restarts == 0)
    throw Error(Exit::kPlugin, fmt::format("{}: {}", id_, how));
  if (restarts_left_ == 0)
    throw Error(Exit::kPlugin,
                fmt::format("{}: {}; its process was started again {} time{} before, which is all "
                            "that [execution] restarts allows",
                            id_, how, isolation_.restarts, isolation_.restarts == 1 ? "" : "s"));
  --restarts_left_;
  spdlog::warn("{}: {}; {}", id_, how, restarts_text());
}

std::string PluginProcess::restarts_text() const {
  return fmt::format("{} of {} restarts left", restarts_left_, isolation_.restarts);
}

}  // namespace winnow
