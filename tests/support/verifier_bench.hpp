// verifier_bench.hpp: a verifier behind the host's loader and guard, and made pictures to judge.
// Needs PLUGINS and MODELS, the folders of the packages and of the weights.
#pragma once

#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "host/guard.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

namespace winnow::test {

constexpr std::int64_t kSide = 28;
constexpr std::size_t kPixels = kSide * kSide;

struct PictureShape {
  std::int64_t channels = 1, side = kSide;
};
constexpr PictureShape kScene = {3, 32};

inline std::string model(const std::string& name) { return std::string(MODELS) + "/" + name; }

inline OptionValue path_option(const std::string& value) {
  return {"weights", WN_OPT_PATH, OptionData(value)};
}

inline OptionValue scale(const std::string& value) {
  return {"scale", WN_OPT_STR, OptionData(value)};
}

// The options of winnow.zero_shot, sorted by key.
inline std::vector<OptionValue> words(const std::string& weights,
                                      const std::vector<std::string>& prompts = {},
                                      const std::vector<std::string>& class_names = {}) {
  return {{"class_names", WN_OPT_STR_LIST, OptionData(class_names)},
          {"prompts", WN_OPT_STR_LIST, OptionData(prompts)},
          path_option(weights)};
}

// The options of winnow.self_similarity.
inline std::vector<OptionValue> preview_at(double time, const std::string& weights) {
  return {{"preview_time", WN_OPT_F64, OptionData(time)}, path_option(weights)};
}

// A verifier, and a batch of made pictures with classes 0, 1, ... 9, 0, ...
struct Bench {
  Bench(const std::string& id, std::vector<OptionValue> options, std::size_t n = 5,
        PictureShape of = {})
      : shape(of),
        registry(scan({PLUGINS})),
        services(nullptr),
        verifier(std::make_unique<PluginInstance>(
                     libraries.load(registry.find(PluginKind::kVerifier, id)),
                     PluginUse{id, options}, "1.0.0", services),
                 VerifierUse{{id, options}, id}) {
    resize(n);
  }

  void resize(std::size_t n) {
    samples = pictures(n);
    conditions.assign(n, wn_condition{});
    for (std::size_t i = 0; i < n; ++i) {
      conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
      conditions[i].class_id = static_cast<std::int64_t>(i % 10);
      draw(samples.item(i), i);
    }
  }

  Tensor pictures(std::size_t n) const {
    return Tensor(n, std::array<std::int64_t, 3>{shape.channels, shape.side, shape.side});
  }

  // A bright block on black with stripes that differ by item and channel.
  void draw(std::span<float> out, std::size_t i) const {
    const double k = static_cast<double>(i + 1);
    std::size_t at = 0;
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      for (std::int64_t y = 0; y < shape.side; ++y) {
        for (std::int64_t x = 0; x < shape.side; ++x) {
          const bool inside = std::abs(x - 13.5) < 5 + i % 7 && std::abs(y - 13.5) < 12 - i % 5;
          const double phase = 0.7 * k * static_cast<double>(x) + 0.4 * k * y + 2.0 * c;
          out[at++] = static_cast<float>(inside ? 0.6 + 0.35 * std::sin(phase) : 0.02);
        }
      }
    }
  }

  // Item i asks by a text alone; the text must outlive the bench.
  void ask(std::size_t i, std::string_view prompt) {
    conditions[i].class_id = -1;
    conditions[i].prompt = {prompt.data(), prompt.size()};
  }

  VerifierBatch batch(std::size_t first, std::size_t n) {
    part = pictures(n);
    VerifierBatch out;
    for (std::size_t i = 0; i < n; ++i) {
      std::ranges::copy(samples.item(first + i), part.item(i).begin());
      out.conditions.push_back(&conditions[first + i]);
      out.candidates.push_back(first + i);
    }
    out.samples = &part;
    if (!with_previews) return out;
    previews = pictures(n);
    for (std::size_t i = 0; i < n; ++i) draw(previews.item(i), first + i + preview_shift);
    out.previews = &previews;
    return out;
  }
  VerifierBatch all() { return batch(0, conditions.size()); }

  std::vector<float> score(std::size_t first, std::size_t n) {
    std::vector<float> out(n * verifier.info().n_heads);
    for (const ItemFailure& failure : verifier.score(batch(first, n), out))
      CHECK(failure.text == "");
    return out;
  }
  std::vector<float> score() { return score(0, conditions.size()); }

  Tensor gradient() {
    Tensor out = pictures(conditions.size());
    for (const ItemFailure& failure : verifier.grad(all(), out)) CHECK(failure.text == "");
    return out;
  }

  struct Features {
    std::vector<float> features, log_probabilities;
  };
  Features features() {
    const auto& info = verifier.features_info();
    Features out{std::vector<float>(conditions.size() * info.n_features),
                 std::vector<float>(conditions.size() * info.n_classes)};
    for (const auto& failure : verifier.features(all(), out.features, out.log_probabilities))
      CHECK(failure.text == "");
    return out;
  }

  PictureShape shape;
  Registry registry;
  LibraryCache libraries;
  HostServices services;
  Verifier verifier;
  Tensor samples, part, previews;
  std::vector<wn_condition> conditions;
  // The preview of item i is the picture of item i + preview_shift.
  bool with_previews = false;
  std::size_t preview_shift = 1;
};

}  // namespace winnow::test
