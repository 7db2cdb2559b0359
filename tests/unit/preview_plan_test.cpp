// preview_plan_test.cpp: where verifiers that want previews get to see them, and at what price.
#include "host/preview_plan.hpp"

#include <cmath>

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

TEST_CASE("a preview is made at the time of the leg that is nearest, its end excepted",
          "[previews]") {
  const Leg leg{{1.0, 0.75, 0.5, 0.25, 0.0}, {1, 1, 1, 1}};
  const double wanted[] = {1.0, 0.9, 0.4, 0.1, 0.0, 0.625};
  CHECK(preview_steps(leg, wanted) == std::vector<std::size_t>{0, 0, 2, 3, 3, 1});
}

TEST_CASE("a preview costs its evaluation less what it saves the next step", "[previews]") {
  const Leg leg{{1.0, 0.5, 0.0}, {2, 1}};
  const double wanted[] = {0.5, 0.45, 1.0};  // two places
  SamplerInfo info;
  info.preview_nfe = 1;
  info.preview_credit = 0;  // nothing is kept
  CHECK(leg_price(leg, {}, info, false) == 3);
  CHECK(leg_price(leg, {}, info, true) == 3);
  CHECK(leg_price(leg, wanted, info, false) == 3 + 2);
  CHECK(leg_price(leg, wanted, info, true) == 3 + 2);
  info.preview_credit = 1;
  CHECK(leg_price(leg, {}, info, true) == 3 - 1);
  CHECK(leg_price(leg, wanted, info, false) == 3);
  CHECK(leg_price(leg, wanted, info, true) == 3 - 1);
  info.preview_nfe = 3;
  info.preview_credit = 2;  // more than the last step costs
  CHECK(leg_price(leg, wanted, info, false) == (3 + 0) + (3 + 0));
  CHECK(leg_price(leg, wanted, info, true) == (1 + 0) + (3 + 0));
  CHECK(preview_price(info, false) == 3);
  CHECK(preview_price(info, true) == 1);
}

TEST_CASE("a verifier that wants a preview is shown it, and the search costs no more for it",
          "[previews]") {
  ToyRun toy;
  const std::string look =
      "verifier=[{plugin=\"winnow.brightness\", target=0.6}, "
      "{plugin=\"winnow.toy.preview_pixel\", time=0.4, role=\"report\"}]";
  const auto plain = toy.run("plain");
  const auto seen = toy.run("seen", {look});
  CHECK(seen.summary["ledger"]["search_nfe"] == plain.summary["ledger"]["search_nfe"]);
  CHECK(seen.summary["ledger"]["final_nfe"] == 0);
  // A preview exists only while a candidate is walked, so every sample is shown.
  CHECK(seen.summary["ledger"]["verifier_calls"]["preview_pixel"] ==
        seen.summary["ledger"]["candidates"]);
  for (std::size_t t = 0; t < 6; ++t) {
    const auto& task = seen.summary["tasks"][t];
    CHECK(task["best"]["candidate"] == plain.summary["tasks"][t]["best"]["candidate"]);
    const double preview = task["heads"]["preview_pixel"][0];
    const double sample = task["heads"]["preview_pixel"][1];
    // The toy's path is straight in closed form: from the latent at time 3/8, nearest to 0.4, the
    // clean prediction is known, and so is the sample that its last three steps lead to.
    const double m = (task["condition"]["class"].get<double>() - 4.5) / 9;
    const double d = (preview - 0.5) * 6 - m;  // clamped samples would not fit; none is
    const double at = d * (1 + 0.375 * 0.375);
    double x = at;
    for (const double t0 : {0.375, 0.25, 0.125}) x += -0.125 * (x - x / (1 + t0 * t0)) / t0;
    CHECK((sample - 0.5) * 6 - m == Approx(x).margin(1e-4));
  }
  const Plan plan = make_plan(toy.config({look}), toy_plugins(), false);
  CHECK(to_json(plan.ledger) == seen.summary["ledger"]);
}
