// cli.cpp: from arguments to an exit code: chooses the verb, prints its answer, and turns whatever
// was thrown into one sentence and a documented code.
#include "host/cli.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <chrono>
#include <new>
#include <system_error>

#include "host/caught_error.hpp"
#include "host/cli_verbs.hpp"
#include "host/console.hpp"
#include "host/guard.hpp"

namespace winnow {
namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void print(std::ostream& out, const std::string& text) {
  errno = 0;
  out << text << std::flush;
  if (out) return;
  if (errno != EPIPE)
    throw std::system_error(errno ? errno : EIO, std::generic_category(),
                            "cannot write the result to standard output");
  out.clear();  // a reader that has gone away (head) has seen enough; further texts meet the same
}

Answer answer_to(const CommandLine& line, const StopSignals& signals, ProgressPrinter& progress,
                 std::ostream& out) {
  switch (line.verb) {
    case Verb::kHelp:
      return {Exit::kDone, line.help, {{"help", line.help}}};
    case Verb::kVersion:
      return version_verb();
    case Verb::kRun:
      return run_verb(line, signals, progress);
    case Verb::kStudy:
      return study_verb(line, signals, progress);
    case Verb::kRecommend:
      return recommend_verb(line);
    case Verb::kExport:
      return export_verb(line);
    case Verb::kPlan:
      return plan_verb(line);
    case Verb::kCheck:
      return check_verb(line);
    case Verb::kShow:
      return show_verb(line);
    case Verb::kVerify:
      return verify_verb(line);
    case Verb::kStatus:
      return status_verb(line);
    case Verb::kStats:
      return stats_verb(line);
    case Verb::kMetrics:
      return metrics_verb(line);
    case Verb::kRescore:
      return rescore_verb(line);
    case Verb::kPluginsList:
      return plugins_list_verb(line);
    case Verb::kPluginsInfo:
      return plugins_info_verb(line);
    case Verb::kPluginsNew:
      return plugins_new_verb(line);
    case Verb::kPluginsInspect:
      return plugins_inspect_verb(line);
    case Verb::kPluginsPack:
      return plugins_pack_verb(line);
    case Verb::kPluginsInstall:
      return plugins_install_verb(line);
    case Verb::kPluginsRemove:
      return plugins_remove_verb(line);
    case Verb::kPluginsVerify:
      return plugins_verify_verb(line);
    case Verb::kPluginsLock:
      return plugins_lock_verb(line);
    case Verb::kPluginsDocs:
      return plugins_docs_verb(line);
    case Verb::kPluginsCheck:
      return plugins_check_verb(line, [&](const std::string& text) { print(out, text); });
    case Verb::kDocsCheck:
      return docs_check_verb();
    case Verb::kDocsConfiguration:
      return docs_configuration_verb(line);
  }
  throw std::logic_error("a verb without an answer");
}

// Paths and plugins' texts need not be UTF-8; JSON must be.
std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

class Command {
 public:
  Command(const std::vector<std::string>& arguments, const StopSignals& signals, std::ostream& out,
          std::ostream& err)
      : arguments_(arguments), signals_(signals), out_(out), err_(err) {}

  int run() {
    log_to([this](std::string_view text) { err_ << text << std::flush; }, 0, colours_);
    try {
      const CommandLine line = parse_command_line(arguments_);
      json_ = line.json;
      return perform(line);
    } catch (...) {
      return fail(caught_error());
    }
  }

 private:
  int perform(const CommandLine& line) {
    const ProgressStyle style =
        line.quiet ? ProgressStyle::kNone : progress_style(line.progress, stderr_is_terminal());
    ProgressPrinter progress(style, {err_, terminal_columns, steady_seconds});
    const int verbosity = line.quiet ? -1 : line.verbose;
    log_to([&progress](std::string_view text) { progress.print_above(text); }, verbosity, colours_);
    try {
      const Answer answer = answer_to(line, signals_, progress, out_);
      progress.clear();
      print(out_, json_ ? json_text(answer.json) : answer.text);
      return static_cast<int>(answer.exit);
    } catch (...) {
      progress.clear();
      return fail(caught_error());
    }
  }

  int fail(const Error& error) {
    const int exit = static_cast<int>(error.exit());
    err_ << error_text(error.what(), colours_) << std::flush;
    if (json_)
      out_ << json_text({{"error", {{"exit", exit}, {"message", error.what()}}}}) << std::flush;
    return exit;
  }

  const std::vector<std::string>& arguments_;
  const StopSignals& signals_;
  std::ostream& out_;
  std::ostream& err_;
  const bool colours_ = stderr_wants_colours();
  bool json_ = asks_for_json(arguments_);
};

}  // namespace

int run_cli(const std::vector<std::string>& arguments, const StopSignals& signals,
            std::ostream& out, std::ostream& err) {
  const int exit = Command(arguments, signals, out, err).run();
  // What plugins log while they are unloaded must find a logger that is still there.
  log_to([](std::string_view) {}, -1, false);
  return exit;
}

}  // namespace winnow
