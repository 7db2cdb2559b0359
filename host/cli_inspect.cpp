// cli_inspect.cpp: the verbs that look at a run directory: status and show.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "host/cli_verbs.hpp"
#include "host/code_trust.hpp"
#include "host/figures.hpp"

namespace winnow {
namespace {

using nlohmann::ordered_json;

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, value);
  if (failed != std::errc() || stopped != end) return std::nullopt;
  return value;
}

const char* state_of(const RunStatus& status) {
  if (status.finished) return "finished";
  return status.locked ? "running" : "stopped";
}

std::string verdict(const Shown& shown, bool deterministic) {
  if (shown.hash_equal) return fmt::format("{}, as in the journal", shown.hash);
  return fmt::format("{}, the journal says {}{}", shown.hash, shown.journal_hash,
                     deterministic ? "" : "; only deterministic = true keeps the last bits");
}

std::string score_of(const nlohmann::ordered_json& score) {
  return score.is_number() ? score_text(score.get<double>()) : score.dump();
}

std::string score_verdict(const Shown& shown, const std::string& verifier) {
  const std::string now = score_of(shown.scores[verifier]);
  const auto before = shown.journal_scores.find(verifier);
  if (before == shown.journal_scores.end()) return now;
  if (*before == shown.scores[verifier]) return now + ", as in the journal";
  return fmt::format("{}, the journal says {}", now, score_of(*before));
}

}  // namespace

CandidateName parse_candidate(const std::string& text, std::uint64_t task) {
  const std::string_view whole = text;
  const std::size_t slash = whole.find('/');
  const auto in_text = slash == whole.npos ? task : whole_number(whole.substr(0, slash));
  const std::string_view name = slash == whole.npos ? whole : whole.substr(slash + 1);
  const auto candidate = name == "best" ? 0 : whole_number(name);
  if (!in_text || !candidate || (*candidate == 0 && name != "best"))
    throw Error(Exit::kUsage,
                fmt::format("'{}' is no candidate; expected best, a number from 1 on, "
                            "or either with the task in front: 3/17",
                            text));
  return {*in_text, *candidate};
}

Answer status_verb(const CommandLine& line) {
  const RunStatus status = read_status(line.directory);
  const auto count = [](std::uint64_t n) { return grouped(static_cast<double>(n)); };
  Answer answer;
  answer.text =
      fmt::format("{}: {}\n", line.directory.string(), state_of(status)) +
      table_text(
          {{"  tasks", fmt::format("{} of {} done", count(status.tasks_done), count(status.tasks))},
           {"  candidates",
            fmt::format("{} done, {} failed, {} open", count(status.candidates_done),
                        count(status.candidates_failed), count(status.candidates_open))},
           {"  NFE walked", grouped(status.walked_nfe)},
           {"  time", duration_text(status.seconds)}});
  if (!status.notice.empty()) answer.text += "  " + status.notice + "\n";
  if (!status.finished && !status.locked)
    answer.text += fmt::format("  winnow run {} goes on\n", line.directory.string());
  answer.json = {{"directory", line.directory.string()},
                 {"state", state_of(status)},
                 {"tasks", status.tasks},
                 {"tasks_done", status.tasks_done},
                 {"candidates_done", status.candidates_done},
                 {"candidates_failed", status.candidates_failed},
                 {"candidates_open", status.candidates_open},
                 {"walked_nfe", status.walked_nfe},
                 {"seconds", status.seconds}};
  if (!status.notice.empty()) answer.json["notice"] = status.notice;
  return answer;
}

Answer show_verb(const CommandLine& line) {
  const CandidateName name = parse_candidate(line.candidate, line.task);
  std::error_code failed;
  if (!std::filesystem::is_directory(line.directory, failed))
    throw Error(Exit::kUsage, fmt::format("'{}' is no run directory", line.directory.string()));
  const Registry registry = scan_plugins(line);
  const RunConfig config = load_config(config_file(line.directory), {}, registry);
  require_trust(config_file(line.directory), code_of_config(config, registry),
                words_to_lock(config_file(line.directory), line));
  const Shown shown =
      show_candidate(config, registry, line.directory, name.task, name.candidate, line.out);
  std::vector<std::vector<std::string>> rows = {
      {"  sample hash", verdict(shown, config.deterministic)}};
  for (const auto& [verifier, score] : shown.scores.items())
    rows.push_back({"  " + verifier, score_verdict(shown, verifier)});
  if (shown.largest_score_difference > 0)
    rows.push_back(
        {"  largest score difference", fmt::format("{:.3g}", shown.largest_score_difference)});
  if (!shown.file.empty()) rows.push_back({"  written to", shown.file.string()});
  rows.push_back({"  recipe", shown.recipe.dump()});
  Answer answer;
  // Without deterministic = true the last bits depend on the batch, which is one here.
  if (config.deterministic && !shown.hash_equal) answer.exit = Exit::kPlugin;
  answer.text = fmt::format("task {}, candidate {}\n", name.task,
                            name.candidate ? std::to_string(name.candidate) : "best") +
                table_text(rows);
  if (!shown.note.empty()) answer.text += "note: " + shown.note + "\n";
  answer.json = {{"exit", static_cast<int>(answer.exit)},
                 {"task", name.task},
                 {"recipe", shown.recipe},
                 {"scores", shown.scores},
                 {"journal_scores", shown.journal_scores},
                 {"hash", shown.hash},
                 {"journal_hash", shown.journal_hash},
                 {"hash_equal", shown.hash_equal},
                 {"largest_score_difference", shown.largest_score_difference}};
  if (!shown.file.empty()) answer.json["file"] = shown.file.string();
  if (!shown.note.empty()) answer.json["note"] = shown.note;
  return answer;
}

}  // namespace winnow
