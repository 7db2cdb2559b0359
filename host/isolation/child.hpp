// child.hpp: one run of winnow-plugin-host, seen from the host: starting it, what it writes, how it
// ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace winnow {

// The program, from beside this one. Throws Error(Exit::kPlugin) where it is missing.
std::filesystem::path plugin_host_program();

// The descriptors with which it starts.
inline constexpr int kSocketFile = 3, kInputsFile = 4, kExchangeFile = 5;

class Child {
 public:
  // Lends the descriptors to a new process, in a process group of its own, with the environment's
  // variables that plugins may see. Throws Error(Exit::kResources).
  Child(const std::string& plugin, int socket, int inputs, int exchange);
  ~Child();  // kills it
  Child(const Child&) = delete;

  pid_t pid() const { return pid_; }
  std::uint64_t shared_memory() const;    // bytes that it uses now of memory that others may see
  int output() const { return output_; }  // what it writes to stdout and stderr; -1: closed
  // Puts what it has written into the log, at most 64 KiB in all.
  void drain();
  void kill();
  // Waits so long for its end, then kills it. "killed by SIGSEGV", "exited with status 0", and its
  // last words.
  std::string end(double seconds);

 private:
  void log(std::string_view text);
  void note_last(const std::string& line);
  bool reap(bool wait);
  std::string how() const;

  std::string plugin_;
  pid_t pid_ = -1;
  int output_ = -1;
  int status_ = 0;
  bool ended_ = false, killed_ = false;
  std::size_t logged_ = 0;
  std::string line_, last_line_;
  enum class Crash { kNone, kHead, kTold } crash_ = Crash::kNone;
};

}  // namespace winnow
