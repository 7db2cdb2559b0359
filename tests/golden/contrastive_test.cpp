// What the contrastive trainers feed on: views, captions, the loss and the interval they report.
#include "examples/training/contrastive.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "examples/training/captions.hpp"
#include "examples/training/trainer.hpp"
#include "tests/support/catch.hpp"

namespace winnow::training {
namespace {

// Half dark, narrow, low and plain; half bright, wide, tall and patterned. uint8 [30, 1, 28, 28]
at::Tensor two_looks() {
  const at::Tensor out = at::zeros({30, 1, 28, 28}, at::kByte);
  for (int64_t i = 0; i < 30; ++i) {
    if (i % 2 == 0) {
      out[i][0].narrow(0, 10, 8).narrow(1, 11, 6).fill_(60);
    } else {
      out[i][0].narrow(0, 2, 24).narrow(1, 2, 24).fill_(150);
      for (int64_t x = 2; x < 26; x += 2) out[i][0].narrow(0, 2, 24).select(1, x).fill_(250);
    }
  }
  return out;
}

std::set<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

TEST_CASE("the contrastive loss of orthogonal pairs is its closed form, right and wrong") {
  const at::Tensor a = at::eye(6, at::kFloat), scale = at::full({}, 3.0, at::kFloat);
  const double others = std::log(std::exp(3.0) + 5);
  CHECK(contrastive_loss(a, 4 * a, scale).item<double>() == Approx(others - 3).epsilon(1e-5));
  CHECK(contrastive_loss(a, a.roll(1, 0), scale).item<double>() == Approx(others).epsilon(1e-5));
}

TEST_CASE("a view without any change is the picture or its mirror image") {
  const at::Tensor images = at::rand({12, 1, 28, 28}, generator_for(1, 2, 3), at::kFloat);
  const at::Tensor seen = random_views(images, {}, generator_for(4, 5, 6));
  int64_t mirrored = 0;
  for (int64_t i = 0; i < 12; ++i) {
    const bool same = at::allclose(seen[i], images[i], 1e-3, 1e-3);
    const bool mirror = at::allclose(seen[i], images[i].flip(2), 1e-3, 1e-3);
    CHECK(same != mirror);
    mirrored += mirror;
  }
  CHECK((mirrored > 0 && mirrored < 12));
}

TEST_CASE("captions name the class and looks that the picture has, in known words") {
  const at::Tensor measures = measure_attributes(two_looks());
  CHECK(measures[0][0].item<float>() == 60);
  CHECK(measures[0][1].item<float>() == 6);
  CHECK(measures[0][2].item<float>() == 8);
  CHECK(measures[0][3].item<float>() == 0);
  CHECK(measures[1][3].item<float>() == 100);
  const Captions captions(measures);
  const at::Tensor looks = captions.looks(measures);
  const auto known = caption_words();
  const std::set<std::string> low = {"dark", "narrow", "low", "plain"};
  const std::set<std::string> high = {"bright", "wide", "tall", "patterned"};
  std::set<std::string> seen;
  for (uint64_t i = 0; i < 400; ++i) {
    const bool is_high = i % 2 == 1;
    const std::string caption =
        captions.draw(8, looks[static_cast<int64_t>(i % 30)], generator_for(7, 8, i));
    const auto words = words_of(caption);
    for (const std::string& word : words) {
      CHECK(std::binary_search(known.begin(), known.end(), word));
      CHECK((is_high ? low : high).count(word) == 0);
      seen.insert(word);
    }
    CHECK(words.count("bag") + words.count("handbag") + words.count("purse") == 1);
    for (std::string prompt : held_out_prompts()) {
      for (const auto& synonym : class_words()[8])
        CHECK(caption != std::string(prompt).replace(prompt.find("{}"), 2, synonym));
    }
  }
  for (const auto& look : {low, high})
    CHECK(std::includes(seen.begin(), seen.end(), look.begin(), look.end()));
}

TEST_CASE("an accuracy comes with Wilson's interval") {
  CHECK(accuracy_text(881, 1000) == "88.1 % (85.9 to 90.0)");
  CHECK(accuracy_text(0, 20) == "0.0 % (0.0 to 16.1)");
}

}  // namespace
}  // namespace winnow::training
