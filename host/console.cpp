// console.cpp: see console.hpp.
#include "host/console.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "host/progress.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

constexpr const char* kBold = "\x1b[1m";
constexpr const char* kRed = "\x1b[1;31m";
constexpr const char* kYellow = "\x1b[1;33m";
constexpr const char* kPlain = "\x1b[0m";

// Each line printable by itself, the last one ended too.
std::string whole_lines(std::string_view text) {
  const std::string lines = printable_lines(text);
  return lines.ends_with('\n') ? lines : lines + '\n';
}

// spdlog's own terminal sinks know nothing of a progress line that must make room.
class MessageSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  MessageSink(MessageWriter write, bool colours) : write_(std::move(write)), colours_(colours) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    write_(prefix(message.level) + whole_lines({message.payload.data(), message.payload.size()}));
  }
  void flush_() override {}

  std::string prefix(spdlog::level::level_enum level) const {
    const bool error = level >= spdlog::level::err;
    const bool warning = level == spdlog::level::warn;
    const char* word = error     ? "error: "
                       : warning ? "warning: "
                                 : (level == spdlog::level::debug ? "debug: " : "note: ");
    if (!colours_) return word;
    return std::string(error ? kRed : warning ? kYellow : kBold) + word + kPlain;
  }

  MessageWriter write_;
  bool colours_;
};

}  // namespace

void log_to(MessageWriter write, int verbosity, bool colours) {
  auto sink = std::make_shared<MessageSink>(std::move(write), colours);
  auto logger = std::make_shared<spdlog::logger>("", std::move(sink));
  logger->set_level(verbosity < 0   ? spdlog::level::err
                    : verbosity > 0 ? spdlog::level::debug
                                    : spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

std::string error_text(std::string_view message, bool colours) {
  constexpr std::string_view kWord = "error: ";
  if (message.starts_with(kWord)) message.remove_prefix(kWord.size());
  const std::string word = colours ? std::string(kRed) + "error: " + kPlain : std::string(kWord);
  return word + whole_lines(message);
}

bool stderr_wants_colours() {
  const char* no = std::getenv("NO_COLOR");
  return stderr_is_terminal() && (no == nullptr || *no == '\0');
}

}  // namespace winnow
