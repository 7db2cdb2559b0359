// option_tests.cpp: tests of create() by the options that the manifest lets through.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>

#include "host/validator/bench.hpp"

namespace winnow::validator {
namespace {

// The subject's options, one of them replaced.
std::vector<OptionValue> with(const Bench& bench, const OptionSpec& spec, OptionData data) {
  auto options = bench.subject().options;
  const auto found = std::ranges::find(options, spec.key, &OptionValue::key);
  if (found == options.end())
    options.push_back({spec.key, spec.type, std::move(data)});
  else
    found->data = std::move(data);
  std::ranges::sort(options, {}, &OptionValue::key);
  return options;
}

// A refusal with a status and a text is as good as an instance; Call looks at both.
bool create_or_refuse(Bench& bench, const OptionSpec& spec, const OptionData& data) {
  const std::string text = to_toml(data);
  bench.stage("creating an instance with {} = {}", spec.key, text.substr(0, 80));
  Instance instance(bench, with(bench, spec, data), Instance::Failure::kAllowed);
  return instance.made();
}

// The least and the greatest that the bounds let through.
std::vector<OptionData> extremes(const OptionSpec& spec) {
  std::vector<OptionData> all;
  const auto add = [&](double bound, bool open, double inwards) {
    if (spec.type == WN_OPT_F64)
      all.emplace_back(open ? std::nextafter(bound, inwards) : bound);
    else if (std::abs(bound) < 9e15)
      all.emplace_back(static_cast<std::int64_t>(bound) + (open ? (inwards > bound ? 1 : -1) : 0));
  };
  if (spec.type == WN_OPT_BOOL) all = {OptionData(false), OptionData(true)};
  if (spec.type == WN_OPT_I64 || spec.type == WN_OPT_F64) {
    if (spec.min) add(*spec.min, spec.min_open, INFINITY);
    if (spec.max) add(*spec.max, spec.max_open, -INFINITY);
  }
  for (const OptionChoice& choice : spec.choices) all.emplace_back(choice.value);
  return all;
}

void option_limits(Bench& bench) {
  std::size_t tried = 0, made = 0;
  for (const OptionSpec& spec : bench.manifest().options)
    for (const OptionData& data : extremes(spec)) {
      ++tried;
      made += create_or_refuse(bench, spec, data);
    }
  if (!tried) skip("no option has bounds or choices");
  bench.remark(fmt::format("{} values, {} refused", tried, tried - made));
}

class OddFiles {
 public:
  explicit OddFiles(const std::filesystem::path& scratch) : folder_(scratch / "odd") {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "empty");
    std::ofstream noise(folder_ / "noise");
    std::mt19937 random(1);
    for (int i = 0; i < 1000; ++i) noise.put(static_cast<char>(random()));
  }
  std::vector<std::string> paths() const {
    return {folder_ / "missing", folder_, folder_ / "empty", folder_ / "noise", ""};
  }

 private:
  std::filesystem::path folder_;
};

// Lawful by the manifest, and senseless.
std::vector<OptionData> odd_values(const OptionSpec& spec, const OddFiles& files) {
  std::vector<OptionData> all;
  const std::vector<std::string> texts = {"", "no such thing", std::string(10'000, 'x'),
                                          "{}%s\n\\"};
  if (spec.type == WN_OPT_PATH)
    for (const std::string& path : files.paths()) all.emplace_back(path);
  if (spec.type == WN_OPT_STR && spec.choices.empty()) all.assign(texts.begin(), texts.end());
  if (spec.type == WN_OPT_STR_LIST)
    all = {OptionData(std::vector<std::string>{}), OptionData(std::vector<std::string>(1, "")),
           OptionData(texts)};
  if (spec.type == WN_OPT_I64 && !spec.max) all.emplace_back(std::int64_t{1} << 40);
  if (spec.type == WN_OPT_F64 && !spec.max) all.emplace_back(1e300);
  if (spec.type == WN_OPT_F64 && !spec.min) all.emplace_back(-1e300);
  const double number = spec.min.value_or(0) + (spec.min_open ? 1 : 0);
  if (spec.type == WN_OPT_F64_LIST)
    all = {OptionData(std::vector<double>{}), OptionData(std::vector<double>(1000, number))};
  if (spec.type == WN_OPT_I64_LIST)
    all = {OptionData(std::vector<std::int64_t>{}),
           OptionData(std::vector<std::int64_t>(1000, static_cast<std::int64_t>(number)))};
  return all;
}

void odd_options(Bench& bench) {
  const OddFiles files(bench.subject().scratch);
  std::size_t tried = 0, made = 0;
  for (const OptionSpec& spec : bench.manifest().options)
    for (const OptionData& data : odd_values(spec, files)) {
      ++tried;
      made += create_or_refuse(bench, spec, data);
    }
  if (!tried) skip("no option can have a senseless value");
  bench.remark(fmt::format("{} values, {} refused", tried, tried - made));
}

constexpr Test kTests[] = {
    {"option-limits", 4, kPlugin,
     "Each option at its bounds and each of its choices makes an instance or is refused.",
     option_limits, Needs::kInstance},
    {"odd-options", 6, kPlugin,
     "Senseless values (files that are missing or no models, odd texts) make an instance or are "
     "refused with a text.",
     odd_options, Needs::kInstance},
};

}  // namespace

Tests option_tests() { return kTests; }

}  // namespace winnow::validator
