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

TEST_CASE("a run that kept no samples is verified like any other", "[verify]") {
  ToyRun toy;
  const Overrides none{"output.keep=\"none\""};
  toy.run("run", none);
  const Verification result =
      verify_run(toy.config(none), toy_plugins(), toy.folder / "run", {.share = 0.2});
  CHECK(result.made > 10);
  CHECK(result.same_bits());
}

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

TEST_CASE("the wanted share is made again, one candidate at least", "[verify]") {
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
  CHECK(verdict(result, "winnow.odd.drift", "batch_invariant").untried());  // not to be told
  REQUIRE(result.faults.size() == 2);  // the claim, and scores that are not the journal's
  CHECK_THAT(result.faults[0], Catch::Contains("winnow.odd.drift claims to be deterministic"));
  CHECK_THAT(result.faults[1], Catch::Contains("by drift differ by"));
}

TEST_CASE("a deterministic run refutes a claim about batches, but proves none; small scores count",
          "[verify]") {
  ToyRun toy;
  toy.text += "[[verifier]]\nplugin = \"winnow.odd.place\"\nrole = \"report\"\n";
  const Overrides all{"output.keep=\"all\""};
  toy.run("run", all);
  const Verification result =
      verify_run(toy.config(all), toy_plugins(), toy.folder / "run", {.share = 1.0});
  CHECK(result.hashes_equal == result.made);
  CHECK_FALSE(result.same_bits());
  CHECK(verdict(result, "winnow.odd.place", "deterministic").held == result.made);
  CHECK(verdict(result, "winnow.odd.place", "batch_invariant").refuted());
  CHECK(verdict(result, "winnow.brightness", "batch_invariant").untried());
  const auto& place = result.differences.back();
  CHECK(place.verifier == "place");
  CHECK(place.median > 0.1);  // 0.005 of scores of 0.005 or so
  CHECK_THAT(result.faults.back(), Catch::Contains("by place differ by"));
}

TEST_CASE("the batch size that a run had does not change its verdict", "[verify]") {
  ToyRun toy;
  toy.run("run", {"execution.batch=3"});
  const Verification result =
      verify_run(toy.config(), toy_plugins(), toy.folder / "run", {.share = 0.2});
  CHECK(result.hashes_must_be_equal);
  CHECK(result.faults.empty());
}

TEST_CASE("a run whose plugins were changed is verified with a note, and blames no claim",
          "[verify]") {
  ToyRun toy;
  toy.run("run", {"run.deterministic=false"});
  const auto lock = toy.folder / "run" / "lock.json";
  std::string text = read_bytes(lock);
  const auto at = text.find("sha256\": \"") + 10;
  text[at] = text[at] == '0' ? '1' : '0';
  write_bytes(lock, text);
  const Verification result = verify_run(toy.config({"run.deterministic=false"}), toy_plugins(),
                                         toy.folder / "run", {.share = 0.2});
  REQUIRE(result.notes.size() == 1);
  CHECK_THAT(result.notes[0],
             Catch::Contains("other plugins or models") && Catch::Contains("sha256"));
  for (const ClaimVerdict& claim : result.claims) CHECK(claim.claim == "deterministic");
}

TEST_CASE("a run that was stopped can be verified as far as it went", "[verify]") {
  ToyRun toy;
  std::atomic<wn_status> stop{WN_OK};
  int turns = 0;
  const auto after = [&](const Progress&) {
    if (++turns == 40) stop = WN_E_CANCELLED;
  };
  const Overrides how{"search.round=40", "execution.batch=4", "run.deterministic=false"};
  REQUIRE(toy.run("run", how, &stop, after).exit == Exit::kCheckpointed);
  const Verification result =
      verify_run(toy.config(how), toy_plugins(), toy.folder / "run", {.share = 1.0});
  CHECK(result.made > 0);
  CHECK(result.faults.empty());
}
