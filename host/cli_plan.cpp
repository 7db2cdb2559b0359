// cli_plan.cpp: the verbs that look at a config and spend nothing: plan, check, docs.
#include <fmt/format.h>

#include "host/cli_verbs.hpp"
#include "host/code_trust.hpp"
#include "host/figures.hpp"
#include "host/interface_needs.hpp"
#include "host/library_file.hpp"
#include "host/plugin_lock.hpp"

namespace winnow {
namespace {

using nlohmann::ordered_json;

struct Named {
  PluginKind kind;
  std::string id;
};

std::vector<Named> named_plugins(const RunConfig& config) {
  std::vector<Named> named = {{PluginKind::kSampler, config.sampler.id},
                              {PluginKind::kSearch, config.search.id}};
  for (const VerifierUse& verifier : config.verifiers)
    named.push_back({PluginKind::kVerifier, verifier.use.id});
  return named;
}

std::vector<std::vector<std::string>> plan_rows(const Plan& plan) {
  const Ledger& ledger = plan.ledger;
  const auto count = [](std::uint64_t n) { return grouped(static_cast<double>(n)); };
  std::vector<std::vector<std::string>> rows = {{"  tasks", count(plan.tasks)},
                                                {"  candidates", count(ledger.candidates)},
                                                {"  search NFE", grouped(ledger.search_nfe)},
                                                {"  final NFE", grouped(ledger.final_nfe)}};
  if (ledger.backward_nfe > 0) rows.push_back({"  backward NFE", grouped(ledger.backward_nfe)});
  rows.push_back({"  network passes", grouped(ledger.network_passes)});
  for (const auto& [name, calls] : ledger.verifier_calls)
    rows.push_back({"  calls of " + name, count(calls)});
  rows.push_back({"  memory", bytes_text(plan.memory_bytes)});
  rows.push_back({"  disk, at most", bytes_text(plan.disk_bytes)});
  if (plan.seconds > 0) rows.push_back({"  time, about", duration_text(plan.seconds)});
  return rows;
}

}  // namespace

Answer plan_verb(const CommandLine& line) {
  const Registry registry = scan_plugins(line);
  const RunConfig config = load_config(config_file(line.config), line.overrides, registry);
  require_locked(config_file(line.config), plugins_of(config), registry);
  require_trust(config_file(line.config), code_of_config(config, registry),
                words_to_lock(config_file(line.config), line));
  const Plan plan = make_plan(config, registry, line.measure);
  Answer answer;
  answer.text = fmt::format("{} ({})\n", config.name,
                            plan.exact ? "exact" : "an upper bound: the cost depends on scores") +
                table_text(plan_rows(plan), /*right=*/true);
  answer.json = {{"name", config.name},
                 {"tasks", plan.tasks},
                 {"exact", plan.exact},
                 {"ledger", to_json(plan.ledger)},
                 {"memory_bytes", plan.memory_bytes},
                 {"disk_bytes", plan.disk_bytes},
                 {"seconds", plan.seconds > 0 ? ordered_json(plan.seconds) : nullptr}};
  return answer;
}

Answer check_verb(const CommandLine& line) {
  const Registry registry = scan_plugins(line);
  const RunConfig config = load_config(config_file(line.config), line.overrides, registry);
  require_locked(config_file(line.config), plugins_of(config), registry);
  require_trust(config_file(line.config), code_of_config(config, registry),
                words_to_lock(config_file(line.config), line));
  std::vector<std::vector<std::string>> rows;
  ordered_json plugins = ordered_json::array();
  for (const Named& named : named_plugins(config)) {
    const FoundPlugin& found = registry.find(named.kind, named.id);
    const auto library = check_library_file(found);
    rows.push_back({"  " + to_string(named.kind), named.id, found.package->version});
    plugins.push_back({{"kind", to_string(named.kind)},
                       {"id", named.id},
                       {"version", found.package->version},
                       {"library", library.string()},
                       {"sha256", found.variant().sha256}});
  }
  check_interface_needs(config, registry);
  // Whatever run refuses only when it has the plugins in its hands.
  if (line.load) make_plan(config, registry, /*measure=*/false);
  Answer answer;
  const std::string resolved = resolved_toml(config);
  answer.text = line.print ? resolved
                           : fmt::format("{}: no mistakes, {} tasks\n", line.config.string(),
                                         config.tasks.size()) +
                                 table_text(rows);
  if (!line.print && !line.load)
    answer.text +=
        "not loaded: files, classes and what options say together are checked by "
        "--load, plan and run\n";
  answer.json = {{"config", line.config.string()},
                 {"name", config.name},
                 {"tasks", config.tasks.size()},
                 {"loaded", line.load},
                 {"plugins", plugins}};
  if (line.print) answer.json["resolved"] = resolved;
  return answer;
}

Answer docs_configuration_verb(const CommandLine& line) {
  const std::string page = configuration_page(scan_plugins(line));
  return {Exit::kDone, page, {{"markdown", page}}};
}

}  // namespace winnow
