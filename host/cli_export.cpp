// cli_export.cpp: the verb export: what a run recorded, as a file for other tools.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/cli_verbs.hpp"
#include "host/replay_export.hpp"

namespace winnow {

Answer export_verb(const CommandLine& line) {
  const Registry registry = scan_plugins(line);
  if (!std::filesystem::is_directory(line.directory))
    throw Error(Exit::kUsage, fmt::format("'{}' is no run directory", line.directory.string()));
  const RunConfig config = load_config(config_file(line.directory), {}, registry);
  const std::filesystem::path out =
      line.out.empty() ? std::filesystem::path("replay.safetensors") : line.out;
  if (out.extension() != ".safetensors")
    throw Error(
        Exit::kUsage,
        fmt::format("'{}' is to be a .safetensors file; a table in CSV is read, not written",
                    out.string()));
  const ReplayExport made = export_replay(line.directory, config, registry, out, line.survivors);
  Answer answer;
  answer.text =
      fmt::format("{}: {} tasks, {} seeds, {} times, verifiers {}\n", out.string(), made.tasks,
                  made.seeds, made.times.size(), fmt::join(made.verifiers, ", "));
  const auto left_out = [&](std::size_t n, const char* which) {
    if (n > 0) answer.text += fmt::format("left out: {} of {} paths, {}\n", n, made.paths, which);
  };
  left_out(made.moved, "whose noises the search had moved");
  left_out(
      made.incomplete,
      "which were not judged at every time; the others are what the search chose, so best of N "
      "on them is too good");
  left_out(made.surplus, "of tasks with more than the others");
  if (!made.left_out.empty())
    answer.text += fmt::format("left out: {}, which did not judge every one\n",
                               fmt::join(made.left_out, ", "));
  answer.json = {{"file", out.string()},          {"tasks", made.tasks},
                 {"seeds", made.seeds},           {"times", made.times},
                 {"verifiers", made.verifiers},   {"left_out", made.left_out},
                 {"incomplete", made.incomplete}, {"moved", made.moved},
                 {"surplus", made.surplus},       {"paths", made.paths}};
  return answer;
}

}  // namespace winnow
