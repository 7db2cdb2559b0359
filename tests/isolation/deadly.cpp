// deadly: for tests of isolation: a verifier that dies in a way of one's choice, one whose state
// must survive its death, one that tries what the fence forbids, and a search that dies in the
// middle of an ask.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>

#include "attempts.hpp"
#include "winnow/winnow.hpp"

namespace {

// Where the host's variables that a plugin may see name a file that can be made, loading ends it.
[[gnu::constructor]] void die_while_loaded() {
  const char* mark = std::getenv("OMP_WINNOW_TEST_MARK");
  if (!mark) return;
  const int file = ::open(mark, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file >= 0) std::abort();
}

// Deeper than any stack.
[[gnu::noinline]] std::uint64_t deeper(std::uint64_t depth) {
  if (depth == ~0ull) return 0;
  volatile char frame[4096];
  frame[depth % sizeof frame] = 1;
  return deeper(depth + 1) + static_cast<std::uint64_t>(frame[0]);
}

void leak() {
  for (;;) {
    const std::size_t bytes = 64 << 20;
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) std::abort();
    std::memset(data, 1, bytes);
  }
}

void share() {
  const std::size_t bytes = 256 << 20;
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (data != MAP_FAILED) std::memset(data, 1, bytes);
  ::pause();
}

// Memory is taken where the holes of a shared file are read, too.
void read_holes() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("winnow-arena") == std::string::npos || line.find(" r--s") == std::string::npos)
      continue;
    const auto* arena = reinterpret_cast<const volatile char*>(std::stoull(line, nullptr, 16));
    // Elsewhere in each process: what was taken stays taken.
    const auto from = (1ull << 34) + (static_cast<std::size_t>(::getpid()) % 1024 << 25);
    for (std::size_t i = 0; i < 32 << 20; i += 4096) static_cast<void>(arena[from + i]);
  }
  ::pause();
}

// A reply that ends where its results should begin.
void reply_short() {
  const std::uint64_t header[] = {kReplyNumber, 20};
  const char body[20] = {};
  if (::send(3, header, sizeof header, 0) < 0 || ::send(3, body, sizeof body, 0) < 0) ::_exit(1);
  ::pause();
}

void flood() {
  std::string line(79, 'x');
  line += '\n';
  for (int i = 0; i < 100'000; ++i)
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) break;
  std::abort();
}

// Once per file, if there is one.
bool may_die(const std::string& mark) {
  if (mark.empty()) return true;
  const int file = ::open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file >= 0) ::close(file);
  return file >= 0;
}

void die(const std::string& how, float* input) {
  if (how == "segv") ::raise(SIGSEGV);
  if (how == "abort") std::abort();
  if (how == "exit") std::exit(0);
  if (how == "_exit") ::_exit(7);
  if (how == "kill") ::kill(::getpid(), SIGKILL);
  if (how == "hang")
    for (volatile unsigned i = 0;;) i = i + 1;
  if (how == "deadlock") {
    std::mutex mutex;
    mutex.lock();
    std::condition_variable().wait(*new std::unique_lock<std::mutex>(mutex, std::adopt_lock));
  }
  if (how == "stack") deeper(0);
  if (how == "leak") leak();
  if (how == "flood") flood();
  if (how == "share") share();
  if (how == "holes") read_holes();
  if (how == "short") reply_short();
  if (how == "close")
    for (int file = 0; file < 64; ++file) ::close(file);
  if (how == "words") {
    std::fputs("out of cheese\n", stderr);
    std::abort();
  }
  if (how == "terminate") std::thread([] { throw 1; }).join();
  if (how == "inputs" && input) input[0] = 0;
  if (how == "garbage") {
    const char bytes[64] = "this is no message";
    for (int i = 0; i < 4; ++i)
      if (::send(3, bytes, sizeof bytes, 0) < 0) ::_exit(1);
    ::pause();
  }
}

class Deadly {
 public:
  static constexpr const char* kId = "test.deadly";
  static constexpr const char* kOptions = WINNOW_OPTIONS_TEST_DEADLY;

  Deadly(const wn::Host& host, const wn::Options& options)
      : host_(host),
        how_(options.str("how")),
        where_(options.str("where")),
        mark_(options.str("mark")),
        above_(static_cast<float>(options.f64("above"))) {
    if (where_ == "create" && may_die(mark_)) die(how_, nullptr);
  }
  ~Deadly() {
    if (where_ == "destroy") die(how_, nullptr);
  }

  wn::VerifierInfo info() const {
    if (where_ == "info" && may_die(mark_)) die(how_, nullptr);
    return {.flags = WN_F_DETERMINISTIC};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto pixels = batch.sample(i);
      double sum = 0;
      for (const float pixel : pixels) sum += pixel;
      scores[i] = static_cast<float>(sum / static_cast<double>(pixels.size()));
      if (where_ != "score" || !(pixels[0] > above_)) continue;
      if (how_ == "status")
        batch.fail(i, WN_E_INTERNAL, "deadly");
      else if (how_ == "chatter")
        for (;; batch.call().check_stop()) host_.log(WN_LOG_INFO, "\x1b[31mno end\nerror: forged");
      else if (may_die(mark_))
        die(how_, const_cast<float*>(pixels.data()));
    }
  }

 private:
  wn::Host host_;
  std::string how_, where_, mark_;
  float above_;
};

// score = accepted samples so far + first pixel; dies when that pixel is above 0.9. With a mark its
// first accept comes back only when it is asked to, and has counted by then.
class DeadlySet {
 public:
  static constexpr const char* kId = "test.deadly_set";
  static constexpr const char* kOptions = WINNOW_OPTIONS_TEST_DEADLY_SET;

  DeadlySet(const wn::Host&, const wn::Options& options) : mark_(options.str("mark")) {}

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      scores[i] = static_cast<float>(sum_) + batch.sample(i)[0];
      if (batch.sample(i)[0] > 0.9f) ::raise(SIGSEGV);
    }
  }
  void reset() { sum_ = 0; }
  void accept(const wn::VerifierBatch& batch) {
    sum_ += 10 * batch.sample(0)[0];
    if (!mark_.empty() && may_die(mark_))
      for (;;) batch.call().check_stop();
  }

 private:
  std::string mark_;
  double sum_ = 0;
};

// The errno of each attempt as a head; 0: it succeeded.
class Fenced {
 public:
  static constexpr const char* kId = "test.fenced";
  static constexpr const char* kOptions = WINNOW_OPTIONS_TEST_FENCED;

  Fenced(const wn::Host&, const wn::Options& options) : marks_(options.str("marks")) {}

  wn::VerifierInfo info() const {
    return {.flags = WN_F_DETERMINISTIC, .n_heads = static_cast<std::uint32_t>(kAttempts)};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const std::string mark = marks_ + "/mark";
    char name[] = "/bin/true";
    char* arguments[] = {name, nullptr};
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::size_t first = i * kAttempts;
      const auto note = [&](std::size_t head, long result) {
        scores[first + head] = static_cast<float>(result < 0 ? errno : 0);
      };
      note(kReadPasswords, ::open("/etc/passwd", O_RDONLY));
      note(kWriteTemporary, ::open("/tmp/winnow-fence-test", O_CREAT | O_WRONLY, 0600));
      note(kSocket, ::socket(AF_INET, SOCK_STREAM, 0));
      note(kExecute, ::execv(name, arguments));
      const pid_t child = ::fork();
      if (child == 0) ::_exit(0);
      note(kFork, child);
      note(kSignalHost, ::kill(::getppid(), 0));
      note(kTraceHost, ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr));
      note(kReadOwnStatus, ::open("/proc/self/status", O_RDONLY));
      const int file = ::open(mark.c_str(), O_CREAT | O_WRONLY, 0600);
      note(kWriteMark, file);
      note(kReadVariable, std::getenv("WINNOW_TEST_SECRET") ? 0 : (errno = ENOENT, -1));
      rlimit limit{};
      note(kLimitHost, ::prlimit(::getppid(), RLIMIT_CORE, nullptr, &limit));
      note(kSystemMemory, ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
      note(kCapability, ::prctl(PR_CAPBSET_DROP, 0, 0, 0, 0));  // which needs a capability

      note(kChangeMode, ::chmod(mark.c_str(), 0777));
      note(kChangeOpenMode, ::fchmod(file, 0777));
      note(kChangeOwner, ::lchown(mark.c_str(), ::getuid(), ::getgid()));
      note(kChangeTimes, ::utimensat(AT_FDCWD, mark.c_str(), nullptr, 0));
      note(kSetAttribute, ::setxattr(mark.c_str(), "user.test", "1", 1, 0));

      note(kUnixSocket, ::socket(AF_UNIX, SOCK_DGRAM, 0));
      int pair[2];
      note(kSocketPair, ::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
      sockaddr_un nobody{AF_UNIX, "/tmp/winnow-fence-test"};
      note(kDatagram, ::sendto(3, "x", 1, 0, reinterpret_cast<sockaddr*>(&nobody), sizeof nobody));
      note(kKernelSocket, ::socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT));

      // The kernel looks at the lower half of the first argument only.
      note(kOutliveHost, ::syscall(SYS_prctl, (1ull << 32) | PR_SET_PDEATHSIG, 0, 0, 0, 0));
      note(kReniceHost, ::setpriority(PRIO_PROCESS, static_cast<id_t>(::getppid()), 19));
      const sched_param lowest{};
      note(kScheduleHost, ::sched_setscheduler(::getppid(), SCHED_IDLE, &lowest));
      cpu_set_t cores;
      CPU_ZERO(&cores);
      CPU_SET(0, &cores);
      note(kPinHost, ::sched_setaffinity(::getppid(), sizeof cores, &cores));
      note(kSignalByFile, ::fcntl(file, F_SETOWN, ::getppid()));
    }
  }

 private:
  std::string marks_;
};

// Random search that dies in the middle of its third ask.
class DeadlySearch : public wn::Search {
 public:
  static constexpr const char* kId = "test.deadly_search";
  static constexpr const char* kOptions = WINNOW_OPTIONS_TEST_DEADLY_SEARCH;

  DeadlySearch(const wn::Host&, const wn::Options& options) : mark_(options.str("mark")) {}

  wn::Task run() override {
    for (int round = 0;; ++round) {
      Candidates all;
      for (int i = 0; i < 4; ++i) {
        all.push_back(start(fresh()));
        if (round == 2 && i == 2 && !mark_.empty() && may_die(mark_)) ::raise(SIGSEGV);
      }
      co_await evaluate(all);
    }
  }

 private:
  std::string mark_;
};

}  // namespace

WN_EXPORT_PLUGINS(Deadly, DeadlySet, Fenced, DeadlySearch)
