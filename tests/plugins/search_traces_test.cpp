// search_traces_test.cpp: the recipes that every search asks for and the scores that it is told,
// for 200 NFE over the toy sampler, against tests/golden/search_traces.txt. What a search should do
// is tested elsewhere; here every unwanted change of it is seen. A wanted one is recorded by
//   WINNOW_RECORD_TRACES=1 build/tests/winnow_searches [traces]
// whose difference is then the change to review. Numbers have six digits, so that another libm does
// not matter.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"
#include "winnow/winnow.h"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

namespace {

std::string number(const json& value) {
  const double x = value.get<double>();
  return fmt::format("{:.6g}", std::abs(x) < 5e-13 ? 0.0 : x);
}

// "n7 = rotate 0.95 of n2"; nothing for fresh ones, which are told by their streams.
std::string noise_line(const json& noise) {
  static const char* const kOps[] = {"fresh",  "rotate", "mix",    "gradient",
                                     "tensor", "linear", "splice", "twist"};
  if (noise["op"] == WN_NOISE_FRESH) return "";
  std::string line = fmt::format("  n{} = {} {}", noise["id"].get<int>(),
                                 kOps[noise["op"].get<std::size_t>()], number(noise["s"]));
  if (noise.contains("c")) line += fmt::format(" at {}", noise["c"].get<int>());
  if (noise.contains("p"))
    for (std::size_t i = 0; i < noise["p"].size(); ++i) {
      line += fmt::format(" n{}", noise["p"][i].get<int>());
      if (noise.contains("w")) line += "*" + number(noise["w"][i]);
    }
  return line + "\n";
}

// "12 continue 3 n5 to 0.625: -0.0123"
std::string candidate_line(const json& c, const std::map<std::uint64_t, std::string>& scores) {
  static const char* const kOps[] = {"start", "continue", "renoise", "jitter", "rescore"};
  const auto id = c["id"].get<std::uint64_t>();
  std::string line = fmt::format("  {} {}", id, kOps[c["op"].get<std::size_t>()]);
  if (c["p"] != 0) line += fmt::format(" {}", c["p"].get<int>());
  if (c["n"] != 0) line += fmt::format(" n{}", c["n"].get<int>());
  if (c.contains("from")) line += " from " + number(c["from"]);
  if (c.contains("s")) line += " by " + number(c["s"]);
  line += " to " + number(c["to"]);
  if (c.contains("leg")) line += fmt::format(" in {}", c["leg"].get<int>());
  if (c.contains("st")) line += " stochasticity " + number(c["st"]);
  const auto told = scores.find(id);
  return line + (told == scores.end() ? "" : ": " + told->second) + "\n";
}

std::string trace(const std::string& id) {
  const auto& claims = toy_plugins().find(PluginKind::kSearch, id).plugin().claims;
  ToyRun toy;
  const std::string brightness = "plugin = \"winnow.brightness\"\ntarget = 0.6";
  toy.text.replace(toy.text.find(brightness), brightness.size(), "plugin = \"winnow.toy.target\"");
  toy.text.replace(toy.text.find("round = 5\n"), 10, "");
  Overrides how{"search={plugin=\"" + id + "\"}", "budget.nfe=200", "tasks.classes=[3]",
                "tasks.repeat=1"};
  if (claims.contains("needs_stochastic")) how.push_back("sampler.eta=0.4");
  REQUIRE(toy.run("run", how).exit == Exit::kDone);
  const auto records = records_by_task(toy.folder / "run").at(0);
  std::map<std::uint64_t, std::string> scores;
  for (const json& record : records)
    if (record["k"] == "done" && !record["s"].empty())
      scores[record["c"]] = number(record["s"][0][0]);
  std::string text = "[" + id + "]\n";
  for (const json& record : records) {
    if (record["k"] != "ask" || record["c"].empty()) continue;
    text += "ask\n";
    for (const json& noise : record["n"]) text += noise_line(noise);
    for (const json& c : record["c"]) text += candidate_line(c, scores);
  }
  return text;
}

// Sections by their heads.
std::map<std::string, std::string> recorded(const std::string& file) {
  std::map<std::string, std::string> sections;
  std::ifstream in(file);
  std::string id;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("[")) id = line.substr(1, line.size() - 2);
    sections[id] += line + "\n";
  }
  return sections;
}

}  // namespace

TEST_CASE("every shipped search asks and is told what its golden trace says", "[traces]") {
  const bool record = std::getenv("WINNOW_RECORD_TRACES") != nullptr;
  const auto golden = recorded(TRACES_FILE);
  std::string all;
  std::size_t seen = 0;
  for (const std::string& id : toy_plugins().ids(PluginKind::kSearch)) {
    if (id.starts_with("winnow.toy.") || id.starts_with("winnow.odd.") ||
        id.starts_with("org.example."))
      continue;
    ++seen;
    const std::string now = trace(id);
    all += now;
    INFO(id << ": record it with WINNOW_RECORD_TRACES=1");
    if (record) continue;
    REQUIRE(golden.contains(id));
    CHECK(golden.at(id) == now);
  }
  if (record) std::ofstream(TRACES_FILE) << all;
  CHECK(seen >= 19);
  CHECK((record || golden.size() == seen));
}
