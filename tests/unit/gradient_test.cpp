// gradient_test.cpp: noises moved along gradients: their values, their price, what is refused.
#include "host/gradient.hpp"

#include <cmath>

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

std::vector<std::string> first_order(std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"search={plugin=\"winnow.first_order\"}",
                             "verifier=[{plugin=\"winnow.toy.target\", value=0.6}]"});
  return more;
}

double norm(const std::vector<float>& v) {
  double squares = 0;
  for (float x : v) squares += static_cast<double>(x) * x;
  return std::sqrt(squares);
}

}  // namespace

TEST_CASE("a noise moved along a gradient keeps its norm and turns by the step", "[gradient]") {
  const std::vector<float> x{1.5f, -2.0f, 0.5f, 3.0f}, g{2.0f, 1.5f, 0.0f, 0.0f};  // x . g = 0
  const std::vector<float> y = moved_along(x, g, 0.3);
  CHECK(norm(y) == Approx(norm(x)).epsilon(1e-6));
  double dot = 0;
  for (std::size_t i = 0; i < x.size(); ++i) dot += static_cast<double>(x[i]) * y[i];
  CHECK(dot / (norm(x) * norm(y)) == Approx(1 / std::sqrt(1 + 0.3 * 0.3)).epsilon(1e-6));
  CHECK(moved_along(x, std::vector<float>(4, 0.0f), 0.3) == x);  // nowhere to go
}

TEST_CASE("the ledger counts a forward NFE once, a backward one twice, what vjp makes again apart",
          "[gradient]") {
  ToyRun toy;  // 8 steps of 1 NFE; 160 = 8 + 6 * (8 + 16) + 8
  const auto outcome = toy.run("run", first_order({"search.no_improvement=\"go_on\""}));
  const auto& ledger = outcome.summary["ledger"];
  CHECK(ledger["candidates"] == 7 * 6);
  CHECK(ledger["backward_nfe"] == 6 * 16 * 6);
  CHECK(ledger["search_nfe"] == (7 * 8 + 6 * 16) * 6);
  CHECK(outcome.effort["recomputed_nfe"] == 6 * 8 * 6);  // vjp's own forward pass
}

TEST_CASE("a second noise along the same gradient costs no second backward pass", "[gradient]") {
  ToyRun toy;
  const auto halving = toy.run("run", first_order({"search.step=3.0"}));  // steps that overshoot
  const auto& ledger = halving.summary["ledger"];
  const double gradients = ledger["backward_nfe"].get<double>() / 16;
  CHECK(gradients < ledger["candidates"].get<double>() - 6);  // 6 first candidates need none
  CHECK(ledger["search_nfe"] <= 160 * 6);
  CHECK(ledger["search_nfe"] == ledger["candidates"].get<double>() * 8 + gradients * 16);
}

TEST_CASE("following the gradient beats random search at equal cost on a smooth problem",
          "[gradient]") {
  ToyRun toy;
  const auto gain = [](const RunOutcome& outcome) {
    double sum = 0;
    for (const auto& task : outcome.summary["tasks"]) sum += task["scores"]["target"].get<double>();
    return sum;
  };
  const auto random = toy.run("random", {"verifier=[{plugin=\"winnow.toy.target\", value=0.6}]"});
  CHECK(gain(toy.run("gradient", first_order())) > gain(random));
}

TEST_CASE("a search that follows gradients is refused where there are none, with both names",
          "[gradient]") {
  ToyRun toy;
  CHECK_THROWS_WITH(
      toy.run("a", {"search={plugin=\"winnow.first_order\"}"}),
      Catch::Contains("winnow.first_order follows gradients, but winnow.brightness has no grad"));
  CHECK_THROWS_WITH(
      toy.run("b", first_order({"sampler={plugin=\"winnow.toy.plain_sampler\"}"})),
      Catch::Contains("winnow.first_order follows gradients, but winnow.toy.plain_sampler has no "
                      "vjp"));
  CHECK_THROWS_WITH(toy.run("c", first_order({"selection.rule=\"mean-rank\""})),
                    Catch::Contains("winnow.first_order follows gradients, but selection.rule"));
  CHECK_THROWS_WITH(toy.run("d", first_order({"sampler.eta=0.5"})),
                    Catch::Contains("winnow.toy.sampler draws noise on the way"));
  CHECK_THROWS_WITH(toy.run("e", {"search={plugin=\"winnow.first_order\"}",
                                  "verifier=[{plugin=\"winnow.toy.target\", time=0.5}]"}),
                    Catch::Contains("winnow.toy.target looks at previews"));
  CHECK_FALSE(std::filesystem::exists(toy.folder / "a"));
}

TEST_CASE("a candidate whose gradient is still to be made may be forgotten", "[gradient]") {
  ToyRun toy;
  const auto outcome =
      toy.run("run", {"search={plugin=\"winnow.toy.forgetful\"}", "budget.nfe=4880",
                      "tasks.classes=[3]", "verifier=[{plugin=\"winnow.toy.target\", value=0.6}]"});
  CHECK(outcome.exit == Exit::kDone);
  CHECK(outcome.summary["ledger"]["backward_nfe"] == 2 * 2 * 16);
  CHECK(outcome.summary["ledger"]["failed_candidates"] == 0);
}

TEST_CASE("a continued candidate draws on no noise at the start, so it pays for no gradient",
          "[gradient]") {
  ToyRun toy;
  const auto outcome = toy.run(
      "run", {"search={plugin=\"winnow.toy.every_gradient\"}",
              "budget.nfe=150",  // one turn of the loop: of five gradients one is never used
              "verifier=[{plugin=\"winnow.toy.target\", value=0.6}]"});
  std::size_t gradients = 0;
  for (const std::string& record : logical_records(toy.folder / "run"))
    gradients += nlohmann::json::parse(record)["k"] == "grad";
  CHECK(outcome.summary["ledger"]["backward_nfe"] == 3 * 16 * 6);  // of from[0], from[1], climbed
  CHECK(gradients == 4 * 6);                                       // two of them along one gradient
}

TEST_CASE("gradients that there are not are refused with what is wrong", "[gradient]") {
  const auto sentence = [](const std::string& of, const std::string& poison) {
    ToyRun toy;
    try {
      toy.run("run", {"search={plugin=\"winnow.odd.wrong_gradient\", of=\"" + of + "\"}",
                      "verifier=[{plugin=\"winnow.toy.target\"}]", "sampler.poison=" + poison});
    } catch (const Error& error) {
      CHECK(error.exit() == Exit::kPlugin);
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  CHECK_THAT(sentence("preview", "0.0"), Catch::Contains("winnow.odd.wrong_gradient") &&
                                             Catch::Contains("candidate 1, which is not a START"));
  CHECK_THAT(sentence("leg", "0.0"), Catch::Contains("candidate 2, which is not a START"));
  CHECK_THAT(sentence("failed", "10.0"), Catch::Contains("candidate 3, which has not been told"));
  CHECK_THAT(sentence("unknown", "0.0"), Catch::Contains("candidate 0, which is not there"));
}
