// verify_test.cpp: a share of a run made again proves or refutes what the run and its plugins say.
#include "host/verify.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

const ClaimVerdict& verdict(const Verification& result, const std::string& plugin,
                            const std::string& claim) {
  for (const ClaimVerdict& each : result.claims)
    if (each.plugin == plugin && each.claim == claim) return each;
  throw std::runtime_error("no verdict on " + plugin + " " + claim);
}

}  // namespace

TEST_CASE("every candidate of every search comes out again with the same bits and scores",
          "[verify]") {
  for (const auto& [name, search] : searches()) {
    INFO(name);
    ToyRun toy;
    toy.run("run", search);
    const Verification result =
        verify_run(toy.config(search), toy_plugins(), toy.folder / "run", {.share = 1.0});
    CHECK(result.made == result.candidates);
    CHECK(result.made > 20);
    CHECK(result.hashes_equal == result.made);
    CHECK(result.faults == std::vector<std::string>{});
    const ClaimVerdict& claim = verdict(result, "winnow.toy.sampler", "deterministic");
    CHECK(claim.claimed);
    CHECK(claim.held == result.made);
  }
}

TEST_CASE("one candidate in a hundred is made again, one at least, chosen by the seed",
          "[verify]") {
  ToyRun toy;
  const Overrides& search = searches().at("random");
  toy.run("run", search);
  const auto made = [&](double share) {
    return verify_run(toy.config(search), toy_plugins(), toy.folder / "run", {.share = share});
  };
  const Verification least = made(0);
  CHECK(least.made == 1);
  const Verification half = made(0.5);
  CHECK(half.made == (half.candidates + 1) / 2);
}

TEST_CASE("a verifier whose claims are not true is named with the first candidate that shows it",
          "[verify]") {
  ToyRun toy;
  toy.text += "[[verifier]]\nplugin = \"winnow.odd.drift\"\nrole = \"report\"\n";
  const Overrides all{"output.keep=\"all\"", "run.deterministic=false"};
  toy.run("run", all);
  const Verification result =
      verify_run(toy.config(all), toy_plugins(), toy.folder / "run", {.share = 1.0});
  CHECK(result.hashes_equal == result.made);
  const ClaimVerdict& claim = verdict(result, "winnow.odd.drift", "deterministic");
  CHECK(claim.refuted());
  CHECK(claim.held == 0);
  CHECK(claim.counterexample == "task 0, candidate 1");
  CHECK(verdict(result, "winnow.odd.drift", "batch_invariant").refuted());
  REQUIRE(result.faults.size() == 3);  // two claims, and scores that are not the journal's
  CHECK_THAT(result.faults[0], Catch::Contains("winnow.odd.drift claims to be deterministic"));
  CHECK_THAT(result.faults[2], Catch::Contains("drift differs by"));
}
