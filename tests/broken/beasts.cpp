// beasts: a verifier, a search and a sampler, each sound but for the one flaw that its option
// names. Written against winnow.h alone, since the SDK would not let most of them through.
#include <unistd.h>
#include <xmmintrin.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "winnow/winnow.h"
#include "winnow_manifest.h"

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinite = std::numeric_limits<float>::infinity();

struct Beast {
  std::string flaw;
  bool is(const char* name) const { return flaw == name; }

  // of a verifier
  float* kept_scores = nullptr;
  const float* kept_pixels = nullptr;
  // of a search
  std::uint64_t seed = 0, next = 1;
  int asks = 0;
  std::vector<std::uint64_t> told;
  // of a sampler
  double times[3] = {1, 0.5, 0};
};

Beast& beast(wn_instance* self) { return *reinterpret_cast<Beast*>(self); }

void say(const wn_call* call, wn_status status, const std::string& text) {
  call->errors->set(call->errors->ctx, status, text.data(), text.size());
}

wn_status create(const wn_host*, const wn_option* const* options, std::uint64_t n,
                 const wn_call* call, wn_instance** out) {
  std::string flaw;
  for (std::uint64_t i = 0; i < n; ++i)
    if (std::strcmp(options[i]->key.data, "flaw") == 0) flaw = options[i]->s.data;
  if (flaw == "no instance") return WN_OK;
  if (flaw == "odd create") return 7777;
  if (flaw == "refuses") return say(call, WN_E_NOT_FOUND, "no licence"), WN_E_NOT_FOUND;
  *out = reinterpret_cast<wn_instance*>(new Beast{.flaw = flaw});
  return WN_OK;
}

void destroy(wn_instance* self) { delete &beast(self); }

// ---- the verifier: the first pixel

wn_status verifier_info(wn_instance* self, wn_verifier_info* out) {
  const Beast& b = beast(self);
  out->n_heads = b.is("no heads") ? 0 : b.is("many heads") ? 1u << 31 : 1;
  if (b.is("late preview")) out->preview_time = 7;
  if (b.is("preview at NaN")) out->preview_time = kNan;
  return b.is("no info") ? 7777 : WN_OK;
}

const float* pixels_of(const wn_tensor& samples, std::uint64_t i) {
  std::int64_t each = 1;
  for (std::int32_t d = 1; d < samples.ndim; ++d) each *= samples.shape[d];
  return static_cast<const float*>(samples.data) + static_cast<std::int64_t>(i) * each;
}

// What becomes of an item whose first pixel is 1.
void spoil(Beast& b, const wn_call* call, std::uint64_t i, float* pixels, float& score,
           wn_status* status) {
  const auto fail = [&](std::uint64_t item, const std::string& text) {
    status[i] = WN_E_INTERNAL;
    call->errors->set_item(call->errors->ctx, item, WN_E_INTERNAL, text.data(), text.size());
  };
  if (b.is("NaN")) score = kNan;
  if (b.is("infinite")) score = -kInfinite;
  if (b.is("odd item")) status[i] = 7777;
  if (b.is("huge text")) fail(i, std::string(64 << 20, 'x'));
  if (b.is("no UTF-8")) fail(i, "\xff\xfe\xc0");
  if (b.is("many texts"))
    for (int k = 0; k < 1'000'000; ++k) fail(i, "x");
  if (b.is("wrong item")) fail(1ull << 60, "nobody");
  if (b.is("throws")) throw 42;
  if (b.is("throws text")) throw std::string("thrown");
  if (b.is("segfaults")) *reinterpret_cast<volatile int*>(16) = 1;
  if (b.is("exits")) std::exit(0);
  if (b.is("hangs"))
    for (;;) ::pause();
  if (b.is("writes inputs")) pixels[0] = 0;
  if (b.is("frees")) std::free(pixels);
  if (b.is("divides")) ::raise(SIGFPE);
  if (b.is("unaligned call")) reinterpret_cast<void (*)()>(0x1234567)();
}

wn_status verifier_score(wn_instance* self, const wn_call* call, const wn_verifier_batch* batch,
                         float* scores, wn_status* status) {
  Beast& b = beast(self);
  if (b.is("odd status")) return 7777;
  if (b.is("cancelled by nobody")) return WN_E_CANCELLED;
  if (b.is("says WAIT")) return WN_WAIT;
  if (b.is("writes nothing")) return WN_OK;
  if (b.is("past the end")) std::memset(scores + batch->n, 0x7f, 4096);
  if (b.is("far past the end")) std::memset(scores + batch->n, 0x7f, 4ull << 30);
  if (b.is("before the start")) scores[-8] = 7;
  if (b.is("keeps a pointer")) {
    if (b.kept_scores) b.kept_scores[0] = 1e9f;
    b.kept_scores = scores;
  }
  if (b.is("fast mode")) _mm_setcsr(_mm_getcsr() | 0x8040);
  if (b.is("other folder") && ::chdir("/") != 0) return WN_E_INTERNAL;
  for (std::uint64_t i = 0; i < batch->n; ++i) {
    const float* pixels = pixels_of(*batch->samples, i);
    scores[i] = pixels[0];
    if (pixels[0] == 1) spoil(b, call, i, const_cast<float*>(pixels), scores[i], status);
  }
  return WN_OK;
}

constexpr wn_verifier_1 kVerifier{verifier_info, verifier_score};

const void* verifier_interface(const char* id) {
  return std::strcmp(id, WN_VERIFIER_1) == 0 ? &kVerifier : nullptr;
}

// ---- the search: two fresh noises a round

wn_status begin(wn_instance* self, const wn_call*, const wn_problem* problem) {
  Beast& b = beast(self);
  b.seed = problem->seed;
  return b.is("odd begin") ? 7777 : WN_OK;
}

wn_candidate start_of(std::uint64_t id, std::uint64_t noise) {
  wn_candidate candidate{};
  candidate.struct_size = WN_SIZE(wn_candidate, pool);
  candidate.op = WN_CAND_START;
  candidate.id = id;
  candidate.noise = noise;
  candidate.score = WN_SCORE_SAMPLE;
  return candidate;
}

wn_noise_recipe fresh_of(std::uint64_t id, std::uint64_t seed) {
  wn_noise_recipe recipe{};
  recipe.struct_size = WN_SIZE(wn_noise_recipe, position);
  recipe.op = WN_NOISE_FRESH;
  recipe.id = id;
  recipe.addr = {seed, id, 0, 0};
  return recipe;
}

void spoil(const Beast& b, wn_noise_recipe& recipe) {
  static const std::uint64_t itself[2] = {recipe.id, recipe.id};
  static const double weights[2] = {1, 1};
  if (b.is("cycle of parents"))
    recipe.op = WN_NOISE_MIX, recipe.parents = itself, recipe.weights = weights,
    recipe.n_parents = 2;
  if (b.is("parents nowhere"))
    recipe.op = WN_NOISE_MIX, recipe.parents = nullptr, recipe.weights = weights,
    recipe.n_parents = 2;
  if (b.is("endless parents"))
    recipe.op = WN_NOISE_MIX, recipe.parents = itself, recipe.weights = weights,
    recipe.n_parents = 1ull << 40;
  if (b.is("rotates nothing")) recipe.op = WN_NOISE_ROTATE, recipe.parent = 99, recipe.s = 0.5;
  if (b.is("cosine of 2")) recipe.op = WN_NOISE_ROTATE, recipe.parent = recipe.id - 1, recipe.s = 2;
  if (b.is("odd noise")) recipe.op = 4242;
  if (b.is("small noise")) recipe.struct_size = 4;
  if (b.is("same noise twice") && recipe.id > 1) recipe.id = 1;
}

void spoil(const Beast& b, wn_candidate& candidate) {
  if (b.is("duplicate ids") && candidate.id > 1) candidate.id = 1;
  if (b.is("id 0")) candidate.id = 0;
  if (b.is("no such parent")) candidate.op = WN_CAND_CONTINUE, candidate.parent = 99;
  if (b.is("own parent")) candidate.op = WN_CAND_CONTINUE, candidate.parent = candidate.id;
  if (b.is("no such noise")) candidate.noise = 4711;
  if (b.is("stops at NaN")) candidate.stop_time = kNan;
  if (b.is("odd operation")) candidate.op = 4242;
  if (b.is("odd profile")) candidate.profile = 5;
  if (b.is("small candidate")) candidate.struct_size = 4;
  if (b.is("endless leg")) candidate.leg_steps = ~0u;
}

wn_status ask(wn_instance* self, const wn_call* call, std::uint64_t max_n,
              const wn_proposals* proposals) {
  Beast& b = beast(self);
  ++b.asks;
  if (b.is("odd ask")) return say(call, 7777, "what?"), 7777;
  if (b.is("asks for nothing")) return WN_OK;
  if (b.is("waits for nothing")) return WN_WAIT;
  if (b.is("throws")) throw 42;
  if (b.is("hangs"))
    for (;;) ::pause();
  const bool dies = b.is("dies and asks for another") && b.asks == 2;
  const std::uint64_t seed =
      b.is("dies and asks for another") ? b.seed + static_cast<std::uint64_t>(::getpid()) : b.seed;
  const std::uint64_t wanted = b.is("does not listen") ? 2'000 : 2;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const std::uint64_t id = b.next++;
    wn_noise_recipe recipe = fresh_of(id, seed);
    spoil(b, recipe);
    wn_status status = proposals->noise(proposals->ctx, &recipe);
    wn_candidate candidate = start_of(id, id);
    spoil(b, candidate);
    if (status == WN_OK) status = proposals->candidate(proposals->ctx, &candidate);
    if (b.is("does not listen")) continue;
    if (status == WN_BUDGET) return WN_DONE;
    if (status == WN_E_RESOURCE_EXHAUSTED) return WN_OK;
    if (dies) std::abort();
    if (b.is("forgets strangers")) {
      const std::uint64_t strangers[] = {id + 100, 0, ~0ull};
      proposals->forget(proposals->ctx, strangers, 3);
    }
  }
  (void)max_n;
  return WN_WAIT;
}

wn_status tell(wn_instance* self, const wn_call*, const wn_result* const* results,
               std::uint64_t n) {
  Beast& b = beast(self);
  if (b.is("dies when told")) std::abort();
  if (b.is("odd tell")) return 7777;
  for (std::uint64_t i = 0; i < n; ++i)
    if (results[i]->status == WN_OK) b.told.push_back(results[i]->candidate);
  return WN_OK;
}

wn_status best(wn_instance* self, std::uint64_t max_n, std::uint64_t* ids, std::uint64_t* n_out) {
  const Beast& b = beast(self);
  if (b.is("odd best")) return 7777;
  *n_out = b.is("too many best") ? max_n + 1 : b.told.empty() ? 0 : 1;
  if (max_n && *n_out) ids[0] = b.is("stranger is best") || b.told.empty() ? 999 : b.told[0];
  return WN_OK;
}

constexpr wn_search_1 kSearch{begin, ask, tell, best};
constexpr wn_search_1 kSearchWithHole{begin, ask, nullptr, best};

const void* search_interface(const char* id) {
  return std::strcmp(id, WN_SEARCH_1) == 0 ? &kSearch : nullptr;
}

const void* hole_interface(const char* id) {
  return std::strcmp(id, WN_SEARCH_1) == 0 ? &kSearchWithHole : nullptr;
}

// ---- the sampler: noise that shrinks to a half at every step

wn_status sampler_info(wn_instance* self, std::uint32_t, wn_sampler_info* out) {
  Beast& b = beast(self);
  if (b.is("rising times")) b.times[1] = 2;
  if (b.is("times at NaN")) b.times[1] = kNan;
  out->n_steps = b.is("no steps") ? 0 : b.is("endless steps") ? ~0u : 2;
  out->times = b.is("no times") ? nullptr : b.times;
  out->preferred_batch = 4;
  out->latent_dtype = {2, static_cast<std::uint8_t>(b.is("half floats") ? 16 : 32), 1};
  out->latent_ndim = b.is("many dimensions") ? 77 : 3;
  out->sample_ndim = 3;
  for (int d = 0; d < 3; ++d)
    out->latent_shape[d] = out->sample_shape[d] = d == 0 ? 1 : b.is("huge latents") ? 1 << 24 : 2;
  if (b.is("negative latents")) out->latent_shape[1] = -2;
  if (b.is("huge carry")) out->carry_elems = ~0ull / 2;
  if (b.is("costs NaN")) out->preview_nfe = kNan;
  out->preview_nfe += 1;
  out->network_passes = 1;
  return b.is("no info") ? 7777 : WN_OK;
}

wn_status leg(wn_instance* self, std::uint32_t, double from, double to, double, std::uint32_t steps,
              std::uint32_t room, double* times, double* nfe, std::uint32_t* steps_out) {
  const Beast& b = beast(self);
  if (b.is("odd leg")) return 7777;
  const std::uint32_t n = steps ? steps : 2;
  if (n > room) return WN_E_RESOURCE_EXHAUSTED;
  for (std::uint32_t i = 0; i <= n; ++i) {
    times[i] = from + (to - from) * i / n;
    if (i < n) nfe[i] = b.is("costs less than nothing") ? -1 : 1;
  }
  times[n] = to;
  if (b.is("leg elsewhere")) times[n] = 0.25;
  *steps_out = b.is("leg too long") ? room + 1 : n;
  return WN_OK;
}

float* values_of(const wn_tensor& tensor) { return static_cast<float*>(tensor.data); }

std::uint64_t elements_of(const wn_tensor& tensor) {
  std::uint64_t n = 1;
  for (std::int32_t d = 0; d < tensor.ndim; ++d) n *= static_cast<std::uint64_t>(tensor.shape[d]);
  return n;
}

wn_status init(wn_instance* self, const wn_call*, const wn_sampler_batch* batch, wn_status*) {
  const Beast& b = beast(self);
  if (b.is("odd init")) return 7777;
  for (std::uint64_t i = 0; i < elements_of(*batch->latents); ++i)
    values_of(*batch->latents)[i] = 0.5f;
  return WN_OK;
}

wn_status step(wn_instance* self, const wn_call*, const wn_sampler_batch* batch,
               wn_status* status) {
  const Beast& b = beast(self);
  if (b.is("odd step")) return 7777;
  if (b.is("throws")) throw 42;
  if (b.is("segfaults")) *reinterpret_cast<volatile int*>(16) = 1;
  float* values = values_of(*batch->latents);
  const std::uint64_t n = elements_of(*batch->latents);
  for (std::uint64_t i = 0; i < n; ++i) values[i] *= 0.5f;
  if (b.is("past the end")) std::memset(values + n, 0x7f, 4096);
  if (b.is("odd items"))
    for (std::uint64_t i = 0; i < batch->n; ++i) status[i] = 7777;
  return WN_OK;
}

wn_status decode(wn_instance* self, const wn_call*, const wn_sampler_batch* batch,
                 wn_tensor* samples, wn_status*) {
  const Beast& b = beast(self);
  for (std::uint64_t i = 0; i < elements_of(*samples); ++i)
    values_of(*samples)[i] = b.is("NaN") ? kNan : values_of(*batch->latents)[i];
  return WN_OK;
}

constexpr wn_sampler_1 kSampler{
    sampler_info,
    leg,
    init,
    step,
    [](wn_instance* self, const wn_call* call, const wn_sampler_batch* batch, wn_tensor* clean,
       wn_status* status) { return decode(self, call, batch, clean, status); },
    decode};

const void* sampler_interface(const char* id) {
  return std::strcmp(id, WN_SAMPLER_1) == 0 ? &kSampler : nullptr;
}

constexpr wn_plugin_1 kPlugins[] = {
    {"test.beast.verifier", "verifier", "1.0.0", WINNOW_OPTIONS_TEST_BEAST_VERIFIER, create,
     destroy, verifier_interface},
    {"test.beast.search", "search", "1.0.0", WINNOW_OPTIONS_TEST_BEAST_SEARCH, create, destroy,
     search_interface},
    {"test.beast.sampler", "sampler", "1.0.0", WINNOW_OPTIONS_TEST_BEAST_SAMPLER, create, destroy,
     sampler_interface},
    {"test.beast.hole", "search", "1.0.0", nullptr, create, destroy, hole_interface}};
constexpr const wn_plugin_1* kList[] = {&kPlugins[0], &kPlugins[1], &kPlugins[2], &kPlugins[3]};

}  // namespace

extern "C" WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, 0);
  if (status != WN_OK) return status;
  out->plugins = kList;
  out->n_plugins = 4;
  return WN_OK;
}
