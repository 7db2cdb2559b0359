// toy_packages.hpp: packages of a sampler, verifiers and a search for tests of run configs; nothing
// in them can be loaded.
#pragma once

#include "tests/support/package.hpp"

namespace winnow::test {

inline Package toy(const std::string& id, const std::string& kind, const std::string& options = "",
                   const std::string& plugin_keys = "") {
  Package package;
  package.id = id;
  package.kind = kind;
  package.options = options;
  package.plugin_keys = plugin_keys;
  return package;
}

// toy.sit, toy.brightness, toy.sharpness, toy.judge (report only) and toy.random, in `folder`.
inline Registry toy_registry(const std::filesystem::path& folder) {
  write_package(folder / "sit", toy("toy.sit", "sampler", R"(
[[plugin.option]]
key = "weights"
type = "path"
help = "Weights."
[[plugin.option]]
key = "steps"
type = "i64"
default = 13
min = 1
max = 1000
[[plugin.option]]
key = "solver"
type = "str"
default = "euler"
choices = [{ value = "euler", help = "First order." }, { value = "heun", help = "Second." }]
)"));
  const std::string target = R"(
[[plugin.option]]
key = "target"
type = "f64"
default = 0.5
min = 0.0
max = 1.0
help = "Wanted mean."
)";
  write_package(folder / "brightness", toy("toy.brightness", "verifier", target));
  write_package(folder / "sharpness", toy("toy.sharpness", "verifier"));
  write_package(folder / "judge",
                toy("toy.judge", "verifier", "", "claims = { report_only = true }\n"));
  write_package(folder / "random", toy("toy.random", "search", R"(
[[plugin.option]]
key = "candidates"
type = "i64"
default = 16
min = 1
unit = "candidates"
[[plugin.option]]
key = "restart.patience"
type = "i64"
default = 3
[[plugin.option]]
key = "temperature"
type = "f64"
default = 1.0
min = 0.0
open = ["min"]
[[plugin.option]]
key = "temp"
type = "f64"
deprecated = { since = "1.0.0", use = "temperature" }
)",
                                       "aliases = [\"toy.best_of_n\"]\n"));
  return scan({folder});
}

// A whole config over these plugins.
inline const char* toy_config() {
  return R"([run]
name = "trial"
seed = 7
deterministic = false

[budget]
nfe = 2000
candidates = 16
seconds = 60.0

[tasks]
classes = [0, 3, 9]
repeat = 2

[sampler]
plugin = "toy.sit"
weights = "model.safetensors"
steps = 13
solver = "heun"

[[verifier]]
plugin = "toy.brightness"
weight = 2.0
target = 0.25

[[verifier]]
plugin = "toy.judge"
name = "judge"
role = "report"

[selection]
rule = "single"

[search]
plugin = "toy.random"
candidates = 64
restart.patience = 5

[output]
keep = "best"
dir = "runs/trial"

[execution]
batch = 16
cache = "64 MiB"
)";
}

}  // namespace winnow::test
