// fence.cpp: the half of fence.hpp that runs in the plugin's process.
#include "host/isolation/fence.hpp"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace winnow {
namespace {

namespace fs = std::filesystem;

// Debian 12's header ends before these.
constexpr std::uint64_t kRefer = 1ull << 13, kTruncate = 1ull << 14;
constexpr std::uint64_t kConnectAndBind = 3;     // since version 4
constexpr std::uint64_t kSocketsAndSignals = 3;  // since version 6
struct RulesetAttributes {
  std::uint64_t files, network, scoped;
};

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWriteFile = LANDLOCK_ACCESS_FS_WRITE_FILE;
constexpr std::uint64_t kAllOfFirstVersion = (1ull << 13) - 1;
constexpr std::uint64_t kExecute = LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t kForFiles =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kExecute | kTruncate;

// What libraries look at while they are loaded and while they count processors.
constexpr std::array kSystem{"/usr",
                             "/lib",
                             "/lib64",
                             "/etc/ld.so.cache",
                             "/etc/ld.so.conf",
                             "/etc/ld.so.conf.d",
                             "/etc/localtime",
                             "/proc/self",
                             "/proc/cpuinfo",
                             "/proc/meminfo",
                             "/proc/stat",
                             "/proc/driver/nvidia",
                             "/proc/sys/vm",
                             "/sys/devices",
                             "/sys/fs/cgroup",
                             "/sys/bus/pci",
                             "/sys/module/nvidia",
                             "/dev/urandom",
                             "/dev/random",
                             "/dev/zero"};
constexpr std::array kNetworkFiles{"/etc/resolv.conf", "/etc/hosts",          "/etc/nsswitch.conf",
                                   "/etc/host.conf",   "/etc/services",       "/etc/ssl",
                                   "/etc/gai.conf",    "/run/systemd/resolve"};

// Without these no program starts.
constexpr std::array kLoaders{"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"};

class Landlock {
 public:
  explicit Landlock(const Fence& fence) {
    version_ = static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
    if (version_ < 1) return;
    handled_ = kAllOfFirstVersion;
    if (version_ >= 2) handled_ |= kRefer;
    if (version_ >= 3) handled_ |= kTruncate;
    RulesetAttributes attributes{handled_, 0, 0};
    if (version_ >= 4 && !fence.network) attributes.network = kConnectAndBind;
    if (version_ >= 6) attributes.scoped = kSocketsAndSignals;
    const std::size_t size = version_ >= 6   ? sizeof attributes
                             : version_ >= 4 ? 2 * sizeof(std::uint64_t)
                                             : sizeof(std::uint64_t);
    rules_ = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
  }
  ~Landlock() {
    if (rules_ >= 0) ::close(rules_);
  }

  void allow(const fs::path& path, std::uint64_t access) const {
    allow(::open(path.c_str(), O_PATH | O_CLOEXEC), access);
  }

  // Takes the descriptor over; negative: what is not there cannot be read either.
  void allow(int file, std::uint64_t access) const {
    struct stat found {};
    if (file < 0 || ::fstat(file, &found) != 0) return;
    struct {
      std::uint64_t access;
      std::int32_t file;
    } __attribute__((packed)) rule{access & handled_, file};
    if (!S_ISDIR(found.st_mode)) rule.access &= kForFiles;
    ::syscall(SYS_landlock_add_rule, rules_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    ::close(file);
  }

  bool restrict_self() const {
    return rules_ >= 0 && ::syscall(SYS_landlock_restrict_self, rules_, 0) == 0;
  }

 private:
  int version_ = 0, rules_ = -1;
  std::uint64_t handled_ = 0;
};

bool fence_files(const Fence& fence) {
  const Landlock landlock(fence);
  for (const char* path : kSystem) landlock.allow(path, kRead);
  if (fence.network)
    for (const char* path : kNetworkFiles) landlock.allow(path, kRead);
  for (const fs::path& path : fence.reads) landlock.allow(path, kRead);
  for (const Writable& folder : fence.writes)
    landlock.allow(open_writable(folder), (kAllOfFirstVersion & ~kExecute) | kRefer | kTruncate);
  if (!fence.program.empty()) {
    landlock.allow(fence.program, kRead | kExecute);
    for (const char* path : kLoaders) landlock.allow(path, kRead | kExecute);
  }
  landlock.allow("/dev/null", kRead | kWriteFile);
  std::error_code none;
  for (const auto& entry : fs::directory_iterator("/dev", none))
    if (entry.path().filename().string().starts_with("nvidia"))
      landlock.allow(entry.path(), kRead | kWriteFile);
  return landlock.restrict_self();
}

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ALLOW)) {}
  ~Filter() {
    if (context_) seccomp_release(context_);
  }
  template <typename... Compare>
  void refuse(int call, Compare... compare) {
    answer(EPERM, call, compare...);
  }
  // 0: as if it had been done.
  template <typename... Compare>
  void answer(std::uint32_t error, int call, Compare... compare) {
    if (context_ && call >= 0)  // negative: not a call of this architecture
      seccomp_rule_add(context_, SCMP_ACT_ERRNO(error), call, sizeof...(compare), compare...);
  }
  bool load() { return context_ && seccomp_load(context_) == 0; }

 private:
  scmp_filter_ctx context_;
};

// The kernel looks at so many bits of an int, a filter at all 64 of its register.
constexpr scmp_datum_t kInt = 0xffffffff;
constexpr int kProcessOfIoPriority = 1;  // IOPRIO_WHO_PROCESS
// Newer than the headers of Debian 12; the same number everywhere.
constexpr int kFchmodat2 = 452, kSetxattrat = 463, kRemovexattrat = 466, kFileSetattr = 469;

// Modes, owners, times and attributes, which Landlock leaves open for every file of the user's.
void fence_attributes(Filter& filter) {
  for (int call :
       {SCMP_SYS(chmod),       SCMP_SYS(fchmod),       SCMP_SYS(fchmodat),     kFchmodat2,
        SCMP_SYS(chown),       SCMP_SYS(fchown),       SCMP_SYS(lchown),       SCMP_SYS(fchownat),
        SCMP_SYS(setxattr),    SCMP_SYS(lsetxattr),    SCMP_SYS(fsetxattr),    kSetxattrat,
        SCMP_SYS(removexattr), SCMP_SYS(lremovexattr), SCMP_SYS(fremovexattr), kRemovexattrat,
        kFileSetattr,          SCMP_SYS(utime),        SCMP_SYS(utimes),       SCMP_SYS(futimesat)})
    filter.refuse(call);
  filter.refuse(SCMP_SYS(utimensat), SCMP_A1(SCMP_CMP_NE, 0));  // 0: of an open file
}

// Sockets of the file system lead to the user's other programs, also by a datagram from a pair.
// With `network` there are those of the internet.
void fence_sockets(Filter& filter, bool network) {
  filter.refuse(SCMP_SYS(socketpair));
  if (!network) {
    for (int call : {SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
                     SCMP_SYS(accept), SCMP_SYS(accept4)})
      filter.refuse(call);
    filter.refuse(SCMP_SYS(sendto), SCMP_A4(SCMP_CMP_NE, 0));
    return;
  }
  for (scmp_datum_t family = 0; family < AF_NETLINK; ++family)
    if (family != AF_INET && family != AF_INET6)
      filter.refuse(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, family));
  filter.refuse(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
  filter.refuse(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
                SCMP_A2(SCMP_CMP_NE, NETLINK_ROUTE));
}

void fence_processes(Filter& filter) {
  // Threads are allowed, processes are not. The flags of clone3 lie in memory that a filter cannot
  // read; the C library goes back to clone.
  filter.answer(ENOSYS, SCMP_SYS(clone3));
  filter.refuse(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  const auto self = static_cast<scmp_datum_t>(::getpid());
  for (int call :
       {SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo)})
    filter.refuse(call, SCMP_A0(SCMP_CMP_NE, self));
  filter.refuse(SCMP_SYS(tkill));
  for (int call : {SCMP_SYS(prlimit64), SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam),
                   SCMP_SYS(sched_setattr), SCMP_SYS(migrate_pages), SCMP_SYS(move_pages)})
    filter.refuse(call, SCMP_A0(SCMP_CMP_NE, 0));  // 0: its own
  // Threads are bound to cores when they start, by their number; they do without.
  filter.answer(0, SCMP_SYS(sched_setaffinity), SCMP_A0(SCMP_CMP_NE, 0));
  for (int call : {SCMP_SYS(setpriority), SCMP_SYS(ioprio_set)})
    filter.refuse(call, SCMP_A1(SCMP_CMP_NE, 0));
  filter.refuse(SCMP_SYS(setpriority), SCMP_A0(SCMP_CMP_NE, PRIO_PROCESS));
  filter.refuse(SCMP_SYS(ioprio_set), SCMP_A0(SCMP_CMP_NE, kProcessOfIoPriority));
  // It ends with the host.
  filter.refuse(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_MASKED_EQ, kInt, PR_SET_PDEATHSIG),
                SCMP_A1(SCMP_CMP_NE, SIGKILL));
  // Signals on behalf of a file go where its owner is.
  for (scmp_datum_t command : {F_SETOWN, F_SETOWN_EX, F_SETSIG})
    filter.refuse(SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, kInt, command));
  for (scmp_datum_t command : {FIOSETOWN, SIOCSPGRP})
    filter.refuse(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, kInt, command));
}

bool fence_calls(const Fence& fence) {
  Filter filter;
  if (fence.program.empty())  // else the program refuses these, once it runs
    for (int call : {SCMP_SYS(execve), SCMP_SYS(execveat)}) filter.refuse(call);
  for (int call : {SCMP_SYS(fork),
                   SCMP_SYS(vfork),
                   SCMP_SYS(ptrace),
                   SCMP_SYS(process_vm_readv),
                   SCMP_SYS(process_vm_writev),
                   SCMP_SYS(pidfd_open),
                   SCMP_SYS(pidfd_send_signal),
                   SCMP_SYS(pidfd_getfd),
                   SCMP_SYS(open_by_handle_at),
                   SCMP_SYS(shmget),
                   SCMP_SYS(shmat),
                   SCMP_SYS(msgget),
                   SCMP_SYS(semget),
                   SCMP_SYS(mq_open),
                   SCMP_SYS(mount),
                   SCMP_SYS(umount2),
                   SCMP_SYS(pivot_root),
                   SCMP_SYS(chroot),
                   SCMP_SYS(setns),
                   SCMP_SYS(unshare),
                   SCMP_SYS(bpf),
                   SCMP_SYS(perf_event_open),
                   SCMP_SYS(userfaultfd),
                   SCMP_SYS(io_uring_setup),
                   SCMP_SYS(keyctl),
                   SCMP_SYS(add_key),
                   SCMP_SYS(request_key),
                   SCMP_SYS(init_module),
                   SCMP_SYS(finit_module),
                   SCMP_SYS(delete_module),
                   SCMP_SYS(kexec_load),
                   SCMP_SYS(reboot),
                   SCMP_SYS(swapon),
                   SCMP_SYS(swapoff)})
    filter.refuse(call);
  fence_attributes(filter);
  fence_sockets(filter, fence.network);
  fence_processes(filter);
  return filter.load();
}

void limit(int what, std::uint64_t most) {
  rlimit now{};
  if (::getrlimit(what, &now) != 0) return;
  now.rlim_cur = now.rlim_max = std::min<rlim_t>(now.rlim_max, most);
  ::setrlimit(what, &now);
}

// Whoever runs winnow as root, as in a container, does not hand that on; but what root may read
// there, the plugin may too, as far as Landlock lets it.
void drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};
  if (::syscall(SYS_capget, &header, sets) != 0) return;
  sets[0].effective &= 1u << CAP_DAC_OVERRIDE;
  sets[0].permitted &= 1u << CAP_DAC_OVERRIDE;
  sets[0].inheritable = 0;
  sets[1] = {};
  ::syscall(SYS_capset, &header, sets);
}

}  // namespace

std::string put_up(const Fence& fence) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  drop_capabilities();
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 4096);
#if !defined(__SANITIZE_ADDRESS__)  // whose shadow counts as memory
  if (fence.memory) limit(RLIMIT_DATA, fence.memory);
#endif
  const bool files = fence_files(fence), calls = fence_calls(fence);
  if (files && calls) return "";
  return fmt::format("this kernel has no {}: the plugin can {}",
                     files   ? "seccomp filter"
                     : calls ? "Landlock"
                             : "Landlock and no seccomp filter",
                     files   ? "use the network and start programs"
                     : calls ? "read and write the user's files"
                             : "do whatever the user can");
}

}  // namespace winnow
