// isolated_process_test.cpp: the processes themselves: nothing of them is left behind, they end
// with their host, and a debugger can look into them.
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "host/isolation/arena.hpp"
#include "host/isolation/channel.hpp"
#include "host/isolation/child.hpp"
#include "host/isolation/messages.hpp"
#include "tests/support/judge.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

namespace fs = std::filesystem;

struct Holdings {
  long files = 0, arenas = 0;
  bool children = false;
  bool operator==(const Holdings&) const = default;
};

Holdings holdings() {
  Holdings all;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd"))
    all.files += entry.path().has_filename();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    all.arenas += line.find("winnow-arena") != std::string::npos;
  all.children = ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD;
  return all;
}

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// 'T': stopped, by a signal or a debugger's.
char state_of(pid_t process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  std::getline(in, line);
  const std::size_t end = line.rfind(')');
  return end == std::string::npos || end + 2 >= line.size() ? '?' : line[end + 2];
}

}  // namespace

TEST_CASE("nothing is left of a plugin's process, however it ended", "[isolation]") {
  const Holdings before = holdings();
  REQUIRE_FALSE(before.children);
  {
    Judge judge("winnow.toy.first_pixel", {}, isolated());
    judge.score();
    CHECK(holdings().children);
    CHECK(holdings().arenas == before.arenas + 2);
  }
  CHECK(holdings() == before);
  for (const char* how : {"segv", "exit", "garbage"}) {
    Judge judge("test.deadly", deadly(how), isolated());
    judge.poison(1);
    judge.score();
  }
  CHECK(holdings() == before);
  CHECK_THROWS(Judge("test.deadly", deadly("abort", "create"), isolated()));
  CHECK(holdings() == before);
  {
    Isolation isolation = isolated();
    isolation.restarts = 0;
    Judge judge("test.deadly", deadly("segv"), isolation);
    judge.poison(0);
    CHECK_THROWS(judge.score());
  }
  CHECK(holdings() == before);
}

TEST_CASE("a plugin that hangs is killed with its host, however that ended", "[isolation]") {
  const TemporaryFolder cache;
  const auto mark = cache / "winnow/plugins/test.deadly/marks/once";
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  const pid_t host = ::fork();
  REQUIRE(host >= 0);
  if (host == 0) {
    ::setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
    Judge judge("test.deadly", deadly("deadlock", "score", mark.string()), isolated());
    judge.poison(0);
    judge.score();
    ::_exit(1);
  }
  CHECK(comes_true([&] { return fs::exists(mark); }));
  ::kill(host, SIGKILL);
  int status = 0;
  CHECK(::waitpid(host, &status, 0) == host);
  CHECK(WIFSIGNALED(status));
  pid_t orphan = 0;  // the plugin's process, which is ours now
  CHECK(comes_true([&] { return (orphan = ::waitpid(-1, &status, WNOHANG)) != 0; }));
  CHECK(orphan > 0);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("what this kernel lacks of a fence is said in one line, and the plugin runs",
          "[isolation]") {
  const auto score_without = [](const std::function<void(scmp_filter_ctx)>& lacking) {
    const TemporaryFolder folder;
    const pid_t host = ::fork();
    REQUIRE(host >= 0);
    if (host == 0) {  // a kernel as of years ago, for it and its children
      const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
      lacking(filter);
      if (seccomp_load(filter) != 0) ::_exit(2);
      std::string log = logged([&] {
        Judge judge("test.deadly", deadly("segv"), isolated());
        judge.poison(1);  // the second process need not say it again
        if (judge.score()[0].status != WN_OK) ::_exit(3);
      });
      write_bytes(folder / "log", log);
      ::_exit(0);
    }
    int status = 0;
    CHECK(::waitpid(host, &status, 0) == host);
    CHECK(status == 0);
    return read_bytes(folder / "log");
  };
  const auto no_landlock = [](scmp_filter_ctx filter) {
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0);
  };
  const auto no_seccomp = [](scmp_filter_ctx filter) {
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0);
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                     SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
  };
  const std::string without_landlock = score_without(no_landlock),
                    without_seccomp = score_without(no_seccomp),
                    without_both = score_without([&](scmp_filter_ctx filter) {
                      no_landlock(filter);
                      no_seccomp(filter);
                    });
  const std::string files =
      "test.deadly: this kernel has no Landlock: the plugin can read and write the user's files";
  CHECK_THAT(without_landlock, Contains(files));
  CHECK(without_landlock.find(files) == without_landlock.rfind(files));
  CHECK_THAT(without_seccomp, Contains("test.deadly: this kernel has no seccomp filter: the plugin "
                                       "can use the network and start programs"));
  CHECK_THAT(without_both, Contains("no Landlock and no seccomp filter: the plugin can do whatever "
                                    "the user can"));
}

TEST_CASE("with --attach a process waits for a debugger before it loads the plugin",
          "[isolation]") {
  Isolation isolation = isolated(0.2);  // which does not count then
  isolation.attach = true;
  bool traced = false;
  char state = '?';
  std::thread debugger;
  const std::string log = logged([&] {
    const pid_t host = ::getpid();
    debugger = std::thread([&, host] {
      pid_t child = 0;
      const std::string path =
          "/proc/" + std::to_string(host) + "/task/" + std::to_string(host) + "/children";
      const auto stopped = [&] {
        std::ifstream(path) >> child;
        return child > 0 && state_of(child) == 'T';
      };
      if (comes_true(stopped)) state = state_of(child);
      if (child <= 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      traced = ::ptrace(PTRACE_SEIZE, child, nullptr, nullptr) == 0 &&
               ::ptrace(PTRACE_DETACH, child, nullptr, nullptr) == 0;
      ::kill(child, SIGCONT);
    });
    Judge judge("winnow.toy.first_pixel", {}, isolation);
    CHECK(judge.score()[0].text == "");
    debugger.join();
  });
  CHECK(state == 'T');
  CHECK(traced);
  CHECK_THAT(log, Contains("waits for a debugger: gdb -p "));
}

TEST_CASE("a plugin host of another version is refused with what both speak", "[isolation]") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  Channel channel(ends[0], 1 << 20);
  const Arena inputs(Arena::Others::kRead, 1 << 20), exchange(Arena::Others::kWrite, 1 << 20);
  const Child child("test", ends[1], inputs.file(), exchange.file());
  ::close(ends[1]);
  Writer writer;
  writer.text("winnow 0.9 wire 7");
  REQUIRE(channel.send(Message::kLoad, writer.bytes()));
  std::optional<Packet> packet;
  while (!(packet = channel.next())) REQUIRE(channel.fill(/*wait=*/true));
  const Reply reply = read_reply(packet->payload);
  CHECK(reply.status != WN_OK);
  CHECK(reply.text.find(kWire) != std::string::npos);
  CHECK(reply.text.find("this winnow speaks 'winnow 0.9 wire 7'") != std::string::npos);
}
