#include "bundle.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "bundle_table.hpp"
#include "verifiers/weights_hash.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFormat = 1;
constexpr const char* kFile = "bundle.toml";

// A file or folder within the bundle.
fs::path member(const Bundle& bundle, Table& table, const std::string& key) {
  const fs::path name = table.text(key);
  if (name.empty() || name.is_absolute() || *name.begin() == ".." ||
      name.lexically_normal() != name)
    table.fail(key, "is \"" + name.string() + "\", expected a file within the bundle");
  if (!fs::exists(bundle.folder / name))
    table.fail(key, "is \"" + name.string() + "\", which is missing in the bundle");
  return bundle.folder / name;
}

fs::path program(const Bundle& bundle, Table& table) {
  const fs::path file = member(bundle, table, "file");
  if (file.extension() != ".pt2" && file.extension() != ".pt")
    table.fail("file", "is \"" + file.filename().string() + "\", expected .pt2 or .pt");
  return file;
}

void read_head(Bundle& bundle, Table& root, std::string* torch, std::string* cpu) {
  const int64_t format = root.integer("format", 0, kLargest);
  if (format != kFormat)
    root.fail("format", "is " + std::to_string(format) + ", this winnow reads " +
                            std::to_string(kFormat) + ": export the pipeline again");
  bundle.pipeline = root.text("pipeline");
  root.text("made_with");
  *torch = root.text("torch");
  *cpu = root.text("cpu");
}

void read_denoiser(Bundle& bundle, Table table) {
  bundle.denoiser = program(bundle, table);
  using diffusion::Prediction;
  bundle.prediction = table.choice<Prediction>("prediction", {{"epsilon", Prediction::kEpsilon},
                                                              {"v", Prediction::kV},
                                                              {"sample", Prediction::kSample},
                                                              {"flow", Prediction::kFlow}});
  bundle.bf16 = table.choice<bool>("precision", {{"fp32", false}, {"bf16", true}});
  bundle.max_batch = table.integer("max_batch", 1, kLargest);
  bundle.flops = table.number("flops", 0, 1e30);
  bundle.inputs = table.texts("inputs");
  if (bundle.inputs.size() < 2 || bundle.inputs[0] != "latents" || bundle.inputs[1] != "time")
    table.fail("inputs", "does not begin with \"latents\", \"time\"");
  table.finish();
}

void read_guidance(Bundle& bundle, Table table) {
  bundle.guidance = table.choice<Guidance>("kind", {{"none", Guidance::kNone},
                                                    {"classifier-free", Guidance::kClassifierFree},
                                                    {"distilled", Guidance::kDistilled}});
  if (bundle.guidance != Guidance::kNone) bundle.guidance_scale = table.number("scale", 0, 1e3);
  table.finish();
  const bool told = bundle.inputs.size() > 2 && bundle.inputs[2] == "guidance";
  if (told != (bundle.guidance == Guidance::kDistilled))
    table.fail("kind", told ? "is not \"distilled\", but the denoiser has an input \"guidance\""
                            : "is \"distilled\", but the third input of the denoiser is not "
                              "\"guidance\"");
}

BundleTokenizer tokenizer_of(const Bundle& bundle, Table table) {
  BundleTokenizer out;
  out.file = member(bundle, table, "file");
  out.length = table.integer("length", 1, kLargest);
  out.rows = table.integer("rows", 1, int64_t{1} << 31);
  out.samples = table.texts("samples");
  out.ids = table.lists("ids");
  if (out.samples.empty() || out.samples.size() != out.ids.size())
    table.fail("samples", "has " + std::to_string(out.samples.size()) + " texts and ids has " +
                              std::to_string(out.ids.size()) +
                              " lists, expected as many, one at least");
  table.finish();
  return out;
}

void read_text_encoder(Bundle& bundle, Table table) {
  BundleTextEncoder& out = bundle.text_encoder.emplace();
  out.program = program(bundle, table);
  out.lower_strip = table.choice<bool>("prepare", {{"none", false}, {"lower_strip", true}});
  out.zero_empty = table.choice<bool>("empty", {{"encoded", false}, {"zeros", true}});
  for (const Table& one : table.tables("tokenizer"))
    out.tokenizers.push_back(tokenizer_of(bundle, one));
  table.finish();
}

void read_condition(Bundle& bundle, Table table) {
  const bool guided = bundle.guidance == Guidance::kClassifierFree;
  const auto first = bundle.inputs.begin() + (bundle.guidance == Guidance::kDistilled ? 3 : 2);
  const std::vector<std::string> names(first, bundle.inputs.end());
  bundle.condition = table.choice<ConditionKind>("kind", {{"none", ConditionKind::kNone},
                                                          {"class", ConditionKind::kClass},
                                                          {"prompt", ConditionKind::kPrompt}});
  switch (bundle.condition) {
    case ConditionKind::kNone:
      if (!names.empty()) table.fail("kind", "is \"none\", but the denoiser has further inputs");
      if (guided) table.fail("kind", "is \"none\", but guidance.kind is \"classifier-free\"");
      break;
    case ConditionKind::kClass:
      if (names != std::vector<std::string>{"class"})
        table.fail("kind", "is \"class\", but the last input of the denoiser is not \"class\"");
      bundle.classes = table.integer("classes", 1, kLargest);
      bundle.null_class = table.integer("null", 0, kLargest);
      break;
    case ConditionKind::kPrompt:
      if (table.has("file") || !bundle.text_encoder) bundle.prompts = member(bundle, table, "file");
      if (guided) bundle.null_prompt = table.text("null");
      if (names.empty()) table.fail("kind", "is \"prompt\", but the denoiser has no further input");
      for (const std::string& name : names) bundle.rows[name] = table.shape(name, 0, 4);
      break;
  }
  table.finish();
}

void read_discrete(Bundle& bundle, Table& table) {
  using diffusion::Betas, diffusion::Spacing;
  diffusion::DiscreteSchedule& s = bundle.schedule.discrete;
  s.betas = table.choice<Betas>("betas", {{"linear", Betas::kLinear},
                                          {"scaled_linear", Betas::kScaledLinear},
                                          {"cosine", Betas::kCosine}});
  s.beta_start = table.number("beta_start", 0, 1);
  s.beta_end = table.number("beta_end", 0, 1);
  s.train_steps = static_cast<uint32_t>(table.integer("train_steps", 2, kLargest));
  s.spacing = table.choice<Spacing>("spacing", {{"leading", Spacing::kLeading},
                                                {"trailing", Spacing::kTrailing},
                                                {"linspace", Spacing::kLinspace}});
  s.offset = static_cast<uint32_t>(table.integer("offset", 0, s.train_steps));
  s.zero_terminal_snr = table.boolean("zero_terminal_snr");
  bundle.schedule.to_data = table.boolean("to_data");
  bundle.schedule.karras = table.boolean("karras");
  if (table.has("clip")) bundle.clip = table.number("clip", 1e-6, 1e6);
}

void read_schedule(Bundle& bundle, Table table) {
  bundle.schedule.flow = table.choice<bool>("kind", {{"discrete", false}, {"flow", true}});
  if (bundle.schedule.flow != (bundle.prediction == diffusion::Prediction::kFlow))
    table.fail("kind", "does not fit denoiser.prediction: a flow has both, nothing else has one");
  if (bundle.schedule.flow) {
    bundle.schedule.shift = table.number("shift", 1e-6, 1e6);
    bundle.schedule.last = table.number("last", 0, 1);
    bundle.schedule.terminal = table.number("terminal", 0, 0.999, 0);
  } else {
    read_discrete(bundle, table);
  }
  const std::string solver = table.text("solver");
  try {
    bundle.solver = diffusion::parse_solver(solver);
  } catch (const std::invalid_argument& error) {
    table.fail("solver", "cannot be read: " + std::string(error.what()));
  }
  bundle.steps = static_cast<uint32_t>(table.integer("steps", 1, 10000));
  table.finish();
}

void read_latents(Bundle& bundle, Table& root) {
  Table latents = root.table("latents");
  bundle.latent_shape = latents.shape("shape", 3, 4);
  bundle.scale = latents.number("scale", 1e-6, 1e6, 1);
  bundle.shift = latents.number("shift", -1e6, 1e6, 0);
  latents.finish();
  if (!root.has("decoder")) {
    const int64_t channels = bundle.latent_shape[0];
    if (bundle.latent_shape.size() != 3 || (channels != 1 && channels != 3))
      root.fail("decoder", "is missing, and the latents have " + std::to_string(channels) +
                               " channels, expected pixels (1 or 3)");
    return;
  }
  Table decoder = root.table("decoder");
  bundle.decoder = member(bundle, decoder, "file");
  if (bundle.decoder.extension() != ".safetensors")
    bundle.picture_shape = decoder.shape("picture", 3, 4);
  decoder.finish();
}

// Of the CPU, in the words of at::get_cpu_capability.
int rank(const std::string& cpu) {
  static constexpr std::array<const char*, 3> kCpus = {"DEFAULT", "AVX2", "AVX512"};
  const auto found = std::find(kCpus.begin(), kCpus.end(), cpu);
  return static_cast<int>(found - kCpus.begin());
}

void check_machine(const Bundle& bundle, const std::string& file, const std::string& made_torch,
                   const std::string& made_cpu, const std::string& torch, const std::string& cpu) {
  if (!bundle.is_compiled()) return;
  if (made_torch != torch)
    throw std::runtime_error(file + ": its programs were compiled by torch " + made_torch +
                             ", this winnow runs LibTorch " + torch +
                             ": export the pipeline again with torch " + torch +
                             ", or with --format torchscript");
  if (rank(made_cpu) > rank(cpu))
    throw std::runtime_error(file + ": its programs were compiled for a CPU with " + made_cpu +
                             ", this one has " + cpu + ": export the pipeline on this machine, " +
                             "or with --format torchscript");
}

toml::table parsed(const std::string& file) {
  try {
    return toml::parse_file(file);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    throw std::runtime_error(file + ":" + std::to_string(at.line) + ":" +
                             std::to_string(at.column) + ": " + std::string(error.description()));
  }
}

}  // namespace

bool Bundle::is_compiled() const {
  return denoiser.extension() == ".pt2" || decoder.extension() == ".pt2" ||
         (text_encoder && text_encoder->program.extension() == ".pt2");
}

Bundle read_bundle(const fs::path& folder, const std::string& torch, const std::string& cpu) {
  const std::string file = (folder / kFile).string();
  if (!fs::is_regular_file(file))
    throw std::runtime_error("'" + folder.string() + "' is no bundle: it has no " + kFile +
                             "; examples/export/export_diffusers.py makes one");
  const toml::table all = parsed(file);
  Bundle bundle;
  bundle.folder = folder;
  Table root(file, "", &all);
  std::string made_torch, made_cpu;
  read_head(bundle, root, &made_torch, &made_cpu);
  root.table("files");
  read_denoiser(bundle, root.table("denoiser"));
  read_guidance(bundle, root.table("guidance"));
  if (root.has("text_encoder")) read_text_encoder(bundle, root.table("text_encoder"));
  read_condition(bundle, root.table("condition"));
  read_schedule(bundle, root.table("schedule"));
  read_latents(bundle, root);
  root.finish();
  check_machine(bundle, file, made_torch, made_cpu, torch, cpu);
  return bundle;
}

void check_files(const Bundle& bundle) {
  const std::string file = (bundle.folder / kFile).string();
  const toml::table all = parsed(file);
  const toml::table& named = *all["files"].as_table();
  for (const auto& [key, value] : named) {
    const fs::path path = bundle.folder / key.str();
    if (!fs::is_regular_file(path))
      throw std::runtime_error(file + ": the file '" + std::string(key.str()) + "' is missing");
    const std::string expected = value.value_or(std::string()), found = weights_hash(path.string());
    if (found != expected)
      throw std::runtime_error(path.string() +
                               " is not the file that was exported: its sha256 is " + found +
                               ", bundle.toml says " + expected);
  }
  for (const auto& entry : fs::recursive_directory_iterator(bundle.folder)) {
    const std::string name = entry.path().lexically_relative(bundle.folder).generic_string();
    if (!entry.is_directory() && name != kFile && !named.contains(name))
      throw std::runtime_error(file + " does not name the file '" + name + "' beside it");
  }
}

}  // namespace winnow
