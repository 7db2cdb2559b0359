// sets_test.cpp: set-level verifiers: scored and accepted in task order, on samples as written.
#include <cmath>

#include "host/png.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

const std::string kBalance = "verifier=[{plugin=\"winnow.toy.balance\"}]";

double first_pixel(const std::filesystem::path& png) {
  return read_png(png).pixels.front() / 255.0;
}

}  // namespace

TEST_CASE("a set-level verifier chooses greedily, task after task", "[sets]") {
  ToyRun toy;
  const auto outcome = toy.run("run", {kBalance, "output.keep=\"all\"", "execution.batch=16"});
  double sum = 0;
  for (std::size_t t = 0; t < 6; ++t) {
    const auto& task = outcome.summary["tasks"][t];
    double best_score = -10;
    std::uint64_t best = 0;
    for (std::uint64_t c = 1; c <= 20; ++c) {  // 160 NFE of 8 each
      const auto file = fmt::format("samples/t{:05}-c{:06}.png", t, c);
      const double pixel = first_pixel(toy.folder / "run" / file);
      const double score =
          static_cast<float>(-std::fabs((sum + pixel) / static_cast<double>(t + 1) - 0.5));
      if (score > best_score) best_score = score, best = c;
    }
    CHECK(task["best"]["candidate"] == best);
    CHECK(task["scores"]["balance"].get<double>() == Approx(best_score).margin(1e-6));
    sum += first_pixel(toy.folder / "run" / task["sample"].get<std::string>());
  }
}

TEST_CASE("a resumed run that has lost a sample of its set says which", "[sets]") {
  ToyRun toy;
  std::atomic<wn_status> stop{WN_OK};
  const auto half = toy.run("run", {kBalance}, &stop, [&](const Progress& p) {
    if (p.tasks_done >= 2) stop = WN_E_CANCELLED;
  });
  REQUIRE(half.exit == Exit::kCheckpointed);
  const auto lost = toy.folder / "run" / "samples" / "t00001-best.png";
  REQUIRE(std::filesystem::remove(lost));
  CHECK_THROWS_WITH(toy.run("run", {kBalance}), Catch::Contains("t00001-best.png"));
}

TEST_CASE("a set-level verifier needs samples that are kept", "[sets]") {
  ToyRun toy;
  CHECK_THROWS_WITH(toy.run("run", {kBalance, "output.keep='none'"}),
                    Catch::Contains("output.keep = \"none\"") && Catch::Contains("set-level"));
  CHECK_FALSE(std::filesystem::exists(toy.folder / "run"));
}

TEST_CASE("tasks that fail before their turn hold up no other, and change nothing", "[sets]") {
  ToyRun toy;  // half of the tasks have a single candidate, which fails before it is decoded
  const std::vector<std::string> failing{kBalance, "budget.candidates=1", "sampler.poison=0.7",
                                         "tasks.repeat=8", "execution.batch=16"};
  const auto many = toy.run("many", failing);
  CHECK(many.exit == Exit::kCandidates);
  std::size_t failed = 0;
  for (const auto& task : many.summary["tasks"]) failed += task.contains("error");
  CHECK(failed > 4);
  CHECK(failed < 20);
  std::vector<std::string> one_by_one = failing;
  one_by_one.insert(one_by_one.end(), {"execution.batch=1", "execution.cache=0"});
  CHECK(toy.run("one", one_by_one).summary == many.summary);
  std::vector<std::string> tight = failing;
  tight.push_back("execution.cache=2000");  // room for a few samples of other tasks
  CHECK(toy.run("tight", tight).summary == many.summary);
  int parts = 0;
  RunOutcome last;
  do {
    std::atomic<wn_status> stop{WN_OK};
    int turns = 0;
    last = toy.run("parts", failing, &stop, [&](const Progress&) {
      if (++turns == 3 * (parts + 1)) stop = WN_E_CANCELLED;
    });
    ++parts;
    REQUIRE(parts < 100);
  } while (last.exit == Exit::kCheckpointed);
  CHECK(parts > 2);
  CHECK(last.summary == many.summary);
}

TEST_CASE("a set-level verifier that only reports sees the same sets however a run is executed",
          "[sets]") {
  ToyRun toy;
  const std::vector<std::string> reporting{
      "verifier=[{plugin=\"winnow.brightness\", target=0.6}, "
      "{plugin=\"winnow.toy.balance\", role=\"report\"}]",
      "output.keep=\"all\"", "budget.nfe=56", "sampler.search_steps=4"};
  const auto many = toy.run("many", reporting);
  std::vector<std::string> one_by_one = reporting;
  one_by_one.insert(one_by_one.end(), {"execution.batch=1", "execution.cache=0"});
  CHECK(toy.run("one", one_by_one).summary == many.summary);
  double sum = 0;
  for (std::size_t t = 0; t < 6; ++t) {
    const auto& task = many.summary["tasks"][t];
    CHECK(task["best"]["made"] == "regenerated");
    sum += first_pixel(toy.folder / "many" / task["sample"].get<std::string>());
    CHECK(task["scores"]["balance"].get<double>() ==
          Approx(-std::fabs(sum / static_cast<double>(t + 1) - 0.5)).margin(1e-6));
  }
}
