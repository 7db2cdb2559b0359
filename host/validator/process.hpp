// process.hpp: tests in processes of their own: a crash, an exit and a hang are results like
// others.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host/validator/test.hpp"

namespace winnow::validator {

// Seconds by a clock that only goes forward.
double now();

// What a test is about to do, kept where it can be read after a crash.
class Stage {
 public:
  Stage();
  ~Stage();
  Stage(const Stage&) = delete;
  void set(const std::string& text);  // "scoring 3 pictures"
  std::string text() const;

 private:
  char* shared_;
};

// The verdict of `body`, which ends by returning or by an exception.
Verdict verdict_of(const std::function<Verdict()>& body);

// The same in a forked process, killed after `seconds`. What it prints goes into the verdict.
Verdict run_apart(const std::function<Verdict()>& body, const Stage& stage, double seconds);

// What `body` returns, from a process forked for it; its End is thrown here. For tests.
std::string from_another_process(const std::function<std::string()>& body);

// What is written to stdout and stderr while `body` runs.
std::string printed_by(const std::function<void()>& body);

// The first warning that is logged while `body` runs; "": none.
std::string warned_by(const std::function<void()>& body);

}  // namespace winnow::validator
