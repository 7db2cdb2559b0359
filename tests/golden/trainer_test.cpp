// The loop that all trainers share: a training in parts is the training in one piece.
#include "examples/training/trainer.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow::training {
namespace {

// Minimises the distance from a target that moves with the step. Returns the average.
at::Tensor trained(const std::string& checkpoint, int64_t stop_after, int64_t seed, bool* done) {
  const at::Tensor x = at::zeros({3}, at::kFloat);
  Trainer trainer({{"x", x}}, 0.01, 0.9);
  const Loop loop{.schedule = {0.1, 3, 20},
                  .batch = 1,
                  .checkpoint = checkpoint,
                  .identity = {{"seed", std::to_string(seed)}},
                  .stop_after_steps = stop_after};
  *done = train(trainer, loop, [&](int64_t step) {
    const auto generator =
        generator_for(static_cast<uint64_t>(seed), 1, static_cast<uint64_t>(step));
    return (x - at::randn({3}, generator, at::kFloat)).square().sum();
  });
  return trainer.average().at("x").clone();
}

TEST_CASE("a training that is stopped and resumed ends as one that is not") {
  const test::TemporaryFolder folder;
  const std::string once = (folder / "once").string(), parts = (folder / "parts").string();
  bool done = false;
  const at::Tensor whole = trained(once, 0, 5, &done);
  CHECK(done);
  const at::Tensor some = trained(parts, 7, 5, &done);
  CHECK_FALSE(done);
  CHECK_FALSE(at::equal(some, whole));
  CHECK(at::equal(trained(parts, 0, 5, &done), whole));
  CHECK(done);
  CHECK(at::equal(trained(parts, 0, 5, &done), whole));  // nothing is left to do
}

TEST_CASE("a checkpoint of other settings is refused with both values") {
  const test::TemporaryFolder folder;
  const std::string checkpoint = (folder / "checkpoint").string();
  bool done = false;
  trained(checkpoint, 2, 5, &done);
  CHECK_THROWS_WITH(trained(checkpoint, 0, 6, &done), Catch::Contains("seed = 5, now it is 6"));
}

}  // namespace
}  // namespace winnow::training
