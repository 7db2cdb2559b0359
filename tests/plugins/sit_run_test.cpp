// sit_run_test.cpp: whole runs with the shipped network: batch sizes change last bits only,
// deterministic runs not even those.
#include <atomic>
#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include "host/run.hpp"
#include "host/run_directory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

constexpr const char* kConfig = R"(
[run]
name = "sit"
seed = 5
[budget]
nfe = 20
[tasks]
classes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
[sampler]
plugin = "winnow.sit"
weights = "MODELS/fashion-sit-b.safetensors"
steps = 3
[[verifier]]
plugin = "winnow.class_probability"
weights = "MODELS/fashion-classifier.safetensors"
[[verifier]]
plugin = "winnow.judge"
weights = "MODELS/fashion-judge.safetensors"
role = "report"
[search]
plugin = "winnow.random"
)";

struct SitRun {
  TemporaryFolder folder;
  Registry registry = [] {
    SearchPath path;
    path.entries = {{PLUGINS, "build", true}};
    return Registry::scan(path, host_facts());
  }();

  std::string config_text = kConfig;

  RunConfig config(const std::vector<std::string>& overrides) {
    std::string text = config_text;
    for (std::size_t at; (at = text.find("MODELS")) != std::string::npos;)
      text.replace(at, 6, MODELS);
    write_bytes(folder / "run.toml", text);
    return load_config(folder / "run.toml", overrides, registry);
  }

  RunOutcome run(const std::string& out, const std::vector<std::string>& overrides,
                 int stop_after = 0) {
    const RunConfig checked = config(overrides);
    std::atomic<wn_status> stop{WN_OK};
    int turns = 0;
    return execute_run({.config = checked,
                        .registry = registry,
                        .directory = folder / out,
                        .stop = &stop,
                        .on_progress =
                            [&](const Progress&) {
                              if (++turns == stop_after) stop = WN_E_CANCELLED;
                            },
                        .on_notice = {}});
  }

  // Score of one verifier, of the selecting one unless told, by (task, candidate).
  std::map<std::pair<int, int>, double> scores(const std::string& out, std::size_t verifier = 0) {
    std::map<std::pair<int, int>, double> found;
    std::string notice;
    read_journal(
        journal_path(folder / out),
        [&](std::string_view payload) {
          const auto record = nlohmann::json::parse(payload);
          if (record["k"] == "done") found[{record["t"], record["c"]}] = record["s"][verifier][0];
        },
        &notice);
    return found;
  }
};

}  // namespace

TEST_CASE("scores of the SiT agree to 1e-4 between batch sizes and winners are the same", "[sit]") {
  SitRun sit;
  const auto sixteen = sit.run("b16", {"execution.batch=16"});
  const auto reference = sit.scores("b16");
  REQUIRE(reference.size() == 40);
  for (const std::string batch : {"1", "7"}) {
    const auto other = sit.run("b" + batch, {"execution.batch=" + batch});
    for (const auto& [candidate, score] : sit.scores("b" + batch))
      CHECK(std::abs(score - reference.at(candidate)) <= 1e-4 * std::max(1.0, std::abs(score)));
    for (std::size_t t = 0; t < 10; ++t)
      CHECK(other.summary["tasks"][t]["best"]["candidate"] ==
            sixteen.summary["tasks"][t]["best"]["candidate"]);
  }
}

TEST_CASE("a deterministic run of the SiT is bit-equal when repeated and when interrupted",
          "[sit]") {
  SitRun sit;
  const std::vector<std::string> deterministic{"run.deterministic=true", "execution.batch=8"};
  const auto once = sit.run("once", deterministic);
  const auto again = sit.run("again", deterministic);
  CHECK(again.summary == once.summary);
  CHECK(sit.scores("again") == sit.scores("once"));
  CHECK(sit.run("parts", deterministic, 9).exit == Exit::kCheckpointed);
  CHECK(sit.run("parts", deterministic, 11).exit == Exit::kCheckpointed);
  const auto parts = sit.run("parts", deterministic);
  CHECK(parts.summary == once.summary);
  CHECK(sit.scores("parts") == sit.scores("once"));
  for (const auto& task : once.summary["tasks"]) {
    const std::string sample = task["sample"];
    CHECK(read_bytes(sit.folder / "parts" / sample) == read_bytes(sit.folder / "once" / sample));
  }
}

TEST_CASE("networks in processes of their own give the same run to the bit", "[sit]") {
  SitRun sit;
  const std::string base = sit.config_text.substr(0, sit.config_text.find("[[verifier]]"));
  const std::string classifier = R"(
[[verifier]]
plugin = "winnow.class_probability"
weights = "MODELS/fashion-classifier.safetensors"
[[verifier]]
plugin = "winnow.judge"
weights = "MODELS/fashion-judge.safetensors"
role = "report"
)";
  const std::string encoders = R"(
[[verifier]]
plugin = "winnow.self_similarity"
weights = "MODELS/fashion-encoder.safetensors"
[[verifier]]
plugin = "winnow.linear_probe"
weights = "MODELS/fashion-encoder.safetensors"
[[verifier]]
plugin = "winnow.zero_shot"
weights = "MODELS/fashion-dual-encoder.safetensors"
[selection]
rule = "weighted-sum"
)";
  const std::string set = R"(
[[verifier]]
plugin = "winnow.frechet"
weights = "MODELS/fashion-classifier.safetensors"
statistics = "MODELS/fashion-test-statistics.safetensors"
)";
  int number = 0;
  for (const auto& [verifiers, search] : {std::pair{classifier, "winnow.random"},
                                          {classifier, "winnow.first_order"},
                                          {encoders, "winnow.zero_order"},
                                          {set, "winnow.random"}}) {
    INFO(search << verifiers);
    sit.config_text = base + verifiers + "[search]\nplugin = \"" + search + "\"\n";
    std::vector<std::string> how{"run.deterministic=true", "execution.batch=8",
                                 "tasks.classes=[1, 4, 7]", "budget.nfe=36"};
    const std::string at = std::to_string(number++);
    const auto here = sit.run(at + "-here", how);
    how.push_back("execution.isolate=plugin");
    const auto there = sit.run(at + "-there", how);
    CHECK(there.summary == here.summary);
    CHECK(sit.scores(at + "-there") == sit.scores(at + "-here"));
    for (const auto& task : here.summary["tasks"]) {
      const std::string sample = task["sample"];
      CHECK(read_bytes(sit.folder / (at + "-there") / sample) ==
            read_bytes(sit.folder / (at + "-here") / sample));
    }
  }
}

TEST_CASE("gradients through network and classifier raise the score, and replay to the bit",
          "[sit]") {
  SitRun sit;
  const std::vector<std::string> climb{"run.deterministic=true", "execution.batch=4",
                                       "tasks.classes=[0, 3, 6]", "budget.nfe=65",
                                       "search={plugin=\"winnow.first_order\"}"};
  const auto once = sit.run("once", climb);
  REQUIRE(once.exit == Exit::kDone);
  for (const auto& task : once.summary["tasks"])
    CHECK(task["scores"]["class_probability"] > task["first"]["scores"]["class_probability"]);
  const auto& ledger = once.summary["ledger"];
  CHECK(ledger["backward_nfe"] > 0);
  CHECK(ledger["search_nfe"] <= 3 * 65);
  CHECK(sit.run("parts", climb, 7).exit == Exit::kCheckpointed);
  CHECK(sit.run("parts", climb, 9).exit == Exit::kCheckpointed);
  const auto parts = sit.run("parts", climb);
  CHECK(parts.summary == once.summary);
  CHECK(sit.scores("parts") == sit.scores("once"));
}

TEST_CASE("a network in bfloat16 makes nearly the same samples of the same noise", "[sit]") {
  SitRun sit;
  sit.run("fp32", {});
  sit.run("bf16", {"sampler.precision=\"bf16\""});
  const auto exact = sit.scores("fp32"), rounded = sit.scores("bf16");
  REQUIRE(exact.size() == 40);
  double moved = 0, spread = 0, before = 0;
  for (const auto& [candidate, score] : exact) {
    moved += std::abs(rounded.at(candidate) - score);
    spread += std::abs(before - score);
    before = score;
  }
  CHECK(moved > 0);
  CHECK(moved < 0.1 * spread);
}

TEST_CASE("the judge may not select", "[sit]") {
  SitRun sit;
  CHECK_THROWS_WITH(sit.config({"verifier.1.role=\"select\""}), Catch::Contains("report"));
}

TEST_CASE("damaged weights are one clear sentence before anything is made", "[sit]") {
  SitRun sit;
  std::string huge(8, '\0');
  huge[7] = 0x10;  // a header of 2^60 bytes
  write_bytes(sit.folder / "huge.safetensors", huge);
  const std::string path = (sit.folder / "huge.safetensors").string();
  CHECK_THROWS_WITH(sit.run("huge", {"sampler.weights=\"" + path + "\""}),
                    Catch::Contains("huge.safetensors") && Catch::Contains("header"));
  CHECK_FALSE(std::filesystem::exists(sit.folder / "huge"));
  CHECK_THROWS_WITH(sit.run("class", {"tasks.classes=[10]"}), Catch::Contains("class 10"));
  CHECK_FALSE(std::filesystem::exists(sit.folder / "class"));
  CHECK_THROWS_WITH(sit.run("prompt", {"tasks={prompts=['a red coat']}"}),
                    Catch::Contains("the prompt 'a red coat', the model takes classes"));
  CHECK_FALSE(std::filesystem::exists(sit.folder / "prompt"));
}

TEST_CASE("the encoders' verifiers, previews too, agree to 1e-4 between batch sizes", "[sit]") {
  SitRun sit;
  sit.config_text = sit.config_text.substr(0, sit.config_text.find("[[verifier]]")) + R"(
[[verifier]]
plugin = "winnow.self_similarity"
weights = "MODELS/fashion-encoder.safetensors"
[[verifier]]
plugin = "winnow.linear_probe"
weights = "MODELS/fashion-encoder.safetensors"
[[verifier]]
plugin = "winnow.zero_shot"
weights = "MODELS/fashion-dual-encoder.safetensors"
[search]
plugin = "winnow.random"
)";
  // Five steps: the preview lies on the way, not at the last step, which ends where it points.
  const std::vector<std::string> settings{"sampler.steps=5", "budget.nfe=36",
                                          "selection.rule=\"weighted-sum\""};
  for (const std::string batch : {"3", "16"}) {
    auto overrides = settings;
    overrides.push_back("execution.batch=" + batch);
    sit.run("b" + batch, overrides);
  }
  for (const std::size_t verifier : {0u, 1u, 2u}) {
    const auto once = sit.scores("b16", verifier), other = sit.scores("b3", verifier);
    REQUIRE(once.size() == 40);
    REQUIRE(other.size() == 40);
    std::set<double> different;
    for (const auto& [candidate, score] : once) {
      CHECK(other.at(candidate) == Approx(score).epsilon(1e-4).margin(1e-4));
      different.insert(score);
    }
    CHECK(different.size() > 35);
  }
}
