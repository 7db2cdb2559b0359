/* c.c: of the corpus of binaries: a sampler, a verifier and a search in plain C, without any helper
 * of the SDK, that between them use every table of ABI 1.0 that C authors meet. NAME is the
 * package's: see ../build.sh. Arithmetic is + - x / and sqrt in double, so that results are the
 * same everywhere.
 *   sampler   latent [1,8,8]; prediction D = x / (1 + t^2) + c t^2 / (1 + t^2), c = (class - 4) /
 * 9; Euler steps x' = x + (to - from) (x - D) / from; sample 1/2 + x/6, clamped verifier  -(mean -
 * target)^2 times the product of weights, and the mean itself search    rounds of four: three
 * rotations of the best noise so far and a fresh one */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "winnow/winnow.h"
#include "winnow_manifest.h"

enum { kSide = 8, kPixels = kSide * kSide, kMostSteps = 64, kRound = 4 };

static wn_status fail(const wn_call* call, wn_status status, const char* text) {
  call->errors->set(call->errors->ctx, status, text, strlen(text));
  return status;
}

static float* floats(const wn_tensor* tensor) {
  return (float*)((char*)tensor->data + tensor->byte_offset);
}

static const wn_option* option(const wn_option* const* options, uint64_t n, const char* key,
                               uint32_t type) {
  for (uint64_t i = 0; i < n; ++i)
    if (strcmp(options[i]->key.data, key) == 0 && options[i]->type == type) return options[i];
  return NULL;
}

/* One instance serves for all three kinds. */
struct wn_instance {
  const wn_host* host;
  /* sampler */
  uint32_t steps;
  double times[kMostSteps + 1], scales[kMostSteps];
  /* verifier */
  double target, factor;
  /* search */
  uint64_t seed, best, first, pushed, lost, losers[kRound + 1];
  double best_score;
};

static void destroy(wn_instance* self) { free(self); }

static wn_instance* make(const wn_host* host) {
  static const char kText[] = "made";
  wn_instance* self = calloc(1, sizeof *self);
  const wn_host_log_1* log = host->get_interface(host, WN_HOST_LOG_1);
  if (self) self->host = host;
  if (log && log->enabled(host, WN_LOG_DEBUG))
    log->log(host, WN_LOG_DEBUG, kText, sizeof kText - 1);
  return self;
}

/* ---- sampler */

static wn_status create_sampler(const wn_host* host, const wn_option* const* options, uint64_t n,
                                const wn_call* call, wn_instance** out) {
  const wn_option* steps = option(options, n, "steps", WN_OPT_I64);
  if (!steps) return fail(call, WN_E_INVALID_ARGUMENT, "no option 'steps'");
  if (call->should_stop(call) != WN_OK) return WN_E_CANCELLED;
  call->progress(call, 1.0, 1.0, "making", 6);
  if (!(*out = make(host))) return fail(call, WN_E_RESOURCE_EXHAUSTED, "no memory");
  (*out)->steps = (uint32_t)steps->i;
  for (uint32_t k = 0; k < (*out)->steps; ++k) {
    (*out)->times[k] = 1.0 - (double)k / (double)(*out)->steps;
    (*out)->scales[k] = 0.5;
  }
  return WN_OK;
}

static wn_status sampler_info(wn_instance* self, uint32_t profile, wn_sampler_info* out) {
  (void)profile;
  out->flags =
      WN_F_DETERMINISTIC | WN_F_BATCH_INVARIANT | WN_F_MIXED_TIMES | WN_F_RENOISE | WN_F_VJP;
  out->n_steps = self->steps;
  out->preferred_batch = 16;
  out->latent_dtype.code = 2, out->latent_dtype.bits = 32, out->latent_dtype.lanes = 1;
  out->latent_ndim = out->sample_ndim = 3;
  out->latent_shape[0] = out->sample_shape[0] = 1;
  out->latent_shape[1] = out->sample_shape[1] = kSide;
  out->latent_shape[2] = out->sample_shape[2] = kSide;
  out->carry_elems = kPixels;
  out->times = self->times;
  out->noise_scale = self->scales;
  out->preview_nfe = out->preview_credit = out->network_passes = 1.0;
  out->backward_nfe = 2.0;
  if (WN_HAS(out, wn_sampler_info, flops)) out->vjp_forward_nfe = 1.0, out->flops = 100.0;
  return WN_OK;
}

static wn_status leg(wn_instance* self, uint32_t profile, double from, double to,
                     double stochasticity, uint32_t steps, uint32_t max_steps, double* times,
                     double* nfe, uint32_t* steps_out) {
  uint32_t n = 0;
  double inner[kMostSteps + 1];
  (void)profile, (void)stochasticity;
  if (steps) {
    for (uint32_t k = 1; k < steps && n < kMostSteps; ++k)
      inner[n++] = from + (to - from) * (double)k / (double)steps;
  } else {
    for (uint32_t k = 0; k <= self->steps; ++k)
      if (self->times[k] < from && self->times[k] > to) inner[n++] = self->times[k];
  }
  if (n + 1 > max_steps) return WN_E_RESOURCE_EXHAUSTED;
  times[0] = from;
  memcpy(times + 1, inner, n * sizeof *inner);
  times[n + 1] = to;
  for (uint32_t k = 0; k <= n; ++k) nfe[k] = 1.0;
  *steps_out = n + 1;
  return WN_OK;
}

static double centre(const wn_sampler_batch* batch, uint64_t i) {
  return ((double)batch->conditions[i]->class_id - 4.0) / 9.0;
}

/* Fills the carry with the prediction unless it is there. */
static const float* predicted(const wn_sampler_batch* batch, uint64_t i) {
  float* clean = floats(batch->carry) + i * kPixels;
  const float* x = floats(batch->latents) + i * kPixels;
  const double tt = batch->from_time[i] * batch->from_time[i];
  if (!batch->has_eval[i])
    for (int e = 0; e < kPixels; ++e)
      clean[e] = (float)((x[e] + centre(batch, i) * tt) / (1.0 + tt));
  return clean;
}

static wn_status noise_at_0(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                            float** noise) {
  const wn_host_alloc_1* alloc = self->host->get_interface(self->host, WN_HOST_ALLOC_1);
  const wn_host_noise_1* table = self->host->get_interface(self->host, WN_HOST_NOISE_1);
  if (!alloc || !table) return fail(call, WN_E_FAILED_PRECONDITION, "a host without noise");
  *noise = alloc->scratch(self->host, call, batch->n * kPixels * sizeof(float), 64);
  uint32_t* zeros = alloc->scratch(self->host, call, batch->n * sizeof(uint32_t), 64);
  if (!*noise || !zeros) return fail(call, WN_E_RESOURCE_EXHAUSTED, "no scratch memory");
  memset(zeros, 0, batch->n * sizeof *zeros);
  int64_t shape[4] = {(int64_t)batch->n, 1, kSide, kSide};
  wn_tensor out = {*noise, {1, 0}, 4, {2, 32, 1}, shape, NULL, 0};
  return table->normal(self->host, call, batch->noise, zeros, batch->n, &out);
}

static wn_status init(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                      wn_status* status) {
  static const char kText[] = "expected a class of 0 to 9";
  float* noise;
  const wn_status done = noise_at_0(self, call, batch, &noise);
  if (done != WN_OK) return done;
  memcpy(floats(batch->latents), noise, batch->n * kPixels * sizeof *noise);
  for (uint64_t i = 0; i < batch->n; ++i) {
    if (batch->conditions[i]->class_id >= 0 && batch->conditions[i]->class_id <= 9) continue;
    status[i] = WN_E_INVALID_ARGUMENT;
    call->errors->set_item(call->errors->ctx, i, status[i], kText, sizeof kText - 1);
  }
  return WN_OK;
}

static wn_status step(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                      wn_status* status) {
  (void)self, (void)call, (void)status;
  for (uint64_t i = 0; i < batch->n; ++i) {
    const float* clean = predicted(batch, i);
    float* x = floats(batch->latents) + i * kPixels;
    const double from = batch->from_time[i], to = batch->to_time[i];
    for (int e = 0; e < kPixels; ++e)
      x[e] = (float)(x[e] + (to - from) * ((double)x[e] - clean[e]) / from);
    batch->has_eval[i] = 0;
  }
  return WN_OK;
}

static wn_status preview(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                         wn_tensor* clean, wn_status* status) {
  (void)self, (void)call, (void)status;
  for (uint64_t i = 0; i < batch->n; ++i) {
    memcpy(floats(clean) + i * kPixels, predicted(batch, i), kPixels * sizeof(float));
    batch->has_eval[i] = 1;
  }
  return WN_OK;
}

static wn_status decode(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                        wn_tensor* samples, wn_status* status) {
  const float* x = floats(batch->latents);
  float* out = floats(samples);
  (void)self, (void)call, (void)status;
  for (uint64_t e = 0; e < batch->n * kPixels; ++e) {
    const double pixel = 0.5 + x[e] / 6.0;
    out[e] = (float)(pixel < 0.0 ? 0.0 : pixel > 1.0 ? 1.0 : pixel);
  }
  return WN_OK;
}

/* alpha = 1 - t, sigma = t */
static wn_status renoise(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                         wn_status* status) {
  float* noise;
  const wn_status done = noise_at_0(self, call, batch, &noise);
  (void)status;
  if (done != WN_OK) return done;
  for (uint64_t i = 0; i < batch->n; ++i) {
    const double s = batch->from_time[i], t = batch->to_time[i], ratio = (1.0 - t) / (1.0 - s);
    const double variance = t * t - ratio * ratio * s * s;
    const double spread = variance > 0.0 ? sqrt(variance) : 0.0;
    for (uint64_t e = i * kPixels; e < (i + 1) * kPixels; ++e)
      floats(batch->latents)[e] = (float)(ratio * floats(batch->latents)[e] + spread * noise[e]);
    batch->has_eval[i] = 0;
  }
  return WN_OK;
}

/* The path is affine: x(0) = c + f (x(1) - c), f the product of the steps' factors. */
static wn_status vjp(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                     const wn_tensor* d_samples, wn_tensor* d_latents, wn_status* status) {
  double factor = 1.0;
  (void)call, (void)status;
  for (uint32_t k = 0; k < self->steps; ++k) {
    const double t = self->times[k];
    factor *= 1.0 + (self->times[k + 1] - t) * t / (1.0 + t * t);
  }
  for (uint64_t e = 0; e < batch->n * kPixels; ++e) {
    const double c = centre(batch, e / kPixels);
    const double pixel = 0.5 + (c + factor * (floats(batch->latents)[e] - c)) / 6.0;
    const int clamped = pixel < 0.0 || pixel > 1.0;
    floats(d_latents)[e] = clamped ? 0.0f : (float)(floats(d_samples)[e] * factor / 6.0);
  }
  return WN_OK;
}

static const void* sampler_interface(const char* id) {
  static const wn_sampler_1 kSampler = {sampler_info, leg, init, step, preview, decode};
  static const wn_sampler_renoise_1 kRenoise = {renoise};
  static const wn_sampler_vjp_1 kVjp = {vjp};
  if (strcmp(id, WN_SAMPLER_1) == 0) return &kSampler;
  if (strcmp(id, WN_SAMPLER_RENOISE_1) == 0) return &kRenoise;
  return strcmp(id, WN_SAMPLER_VJP_1) == 0 ? &kVjp : NULL;
}

/* ---- verifier: takes an option of every type */

static wn_status create_verifier(const wn_host* host, const wn_option* const* options, uint64_t n,
                                 const wn_call* call, wn_instance** out) {
  const wn_option* target = option(options, n, "target", WN_OPT_F64);
  const wn_option* shift = option(options, n, "shift", WN_OPT_I64);
  const wn_option* flip = option(options, n, "flip", WN_OPT_BOOL);
  const wn_option* mode = option(options, n, "mode", WN_OPT_STR);
  const wn_option* file = option(options, n, "file", WN_OPT_PATH);
  const wn_option* weights = option(options, n, "weights", WN_OPT_F64_LIST);
  const wn_option* counts = option(options, n, "counts", WN_OPT_I64_LIST);
  const wn_option* names = option(options, n, "names", WN_OPT_STR_LIST);
  if (n != 8 || !target || !shift || !flip || !mode || !file || !weights || !counts || !names)
    return fail(call, WN_E_INVALID_ARGUMENT, "an option of one of the eight types is missing");
  if (mode->s.size != strlen(mode->s.data) || file->s.data[0] != '/')
    return fail(call, WN_E_INVALID_ARGUMENT, "a text has a wrong length, or a path is relative");
  if (!(*out = make(host))) return fail(call, WN_E_RESOURCE_EXHAUSTED, "no memory");
  double factor = flip->i ? -1.0 : 1.0;
  for (uint64_t k = 0; k < weights->list_len; ++k) factor *= ((const double*)weights->list)[k];
  for (uint64_t k = 0; k < counts->list_len; ++k)
    factor *= (double)((const int64_t*)counts->list)[k];
  for (uint64_t k = 0; k < names->list_len; ++k)
    factor *= (double)((const wn_str*)names->list)[k].size;
  (*out)->factor = factor;
  (*out)->target = target->f + (double)shift->i;
  return WN_OK;
}

static wn_status verifier_info(wn_instance* self, wn_verifier_info* out) {
  (void)self;
  out->flags = WN_F_REENTRANT | WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC;
  out->n_heads = 2;
  out->max_batch = 5;
  out->preview_time = -1.0;
  return WN_OK;
}

struct means {
  const float* pixels;
  int64_t size;
  double* out;
};

static void WN_CALL mean_of_range(void* user, uint64_t begin, uint64_t end) {
  const struct means* means = user;
  for (uint64_t i = begin; i < end; ++i) {
    double sum = 0.0;
    for (int64_t e = 0; e < means->size; ++e) sum += means->pixels[(int64_t)i * means->size + e];
    means->out[i] = sum / (double)means->size;
  }
}

static wn_status score(wn_instance* self, const wn_call* call, const wn_verifier_batch* batch,
                       float* scores, wn_status* status) {
  const wn_host_alloc_1* alloc = self->host->get_interface(self->host, WN_HOST_ALLOC_1);
  const wn_host_parallel_1* parallel = self->host->get_interface(self->host, WN_HOST_PARALLEL_1);
  const int64_t* shape = batch->samples->shape;
  struct means means = {floats(batch->samples), shape[1] * shape[2] * shape[3], NULL};
  wn_tensor* kept = NULL;
  int64_t n[1] = {(int64_t)batch->n};
  const wn_tensor like = {NULL, {1, 0}, 1, {2, 64, 1}, n, NULL, 0};
  (void)status;
  if (!alloc || !parallel) return fail(call, WN_E_FAILED_PRECONDITION, "a host without tables");
  if (alloc->tensor(self->host, call, &like, &kept) != WN_OK)
    return fail(call, WN_E_RESOURCE_EXHAUSTED, "no tensor");
  means.out = kept->data;
  parallel->for_range(self->host, call, batch->n, 1, mean_of_range, &means);
  for (uint64_t i = 0; i < batch->n; ++i) {
    const double distance = means.out[i] - self->target;
    scores[2 * i] = (float)(-distance * distance * self->factor);
    scores[2 * i + 1] = (float)means.out[i];
  }
  alloc->release(self->host, kept);
  return WN_OK;
}

static const void* verifier_interface(const char* id) {
  static const wn_verifier_1 kVerifier = {verifier_info, score};
  return strcmp(id, WN_VERIFIER_1) == 0 ? &kVerifier : NULL;
}

/* ---- search: candidates and their noises share their numbers */

static wn_status create_search(const wn_host* host, const wn_option* const* options, uint64_t n,
                               const wn_call* call, wn_instance** out) {
  (void)options, (void)n;
  if (!(*out = make(host))) return fail(call, WN_E_RESOURCE_EXHAUSTED, "no memory");
  (*out)->first = 1;
  return WN_OK;
}

static wn_status begin(wn_instance* self, const wn_call* call, const wn_problem* problem) {
  if (problem->n_scores < 2) return fail(call, WN_E_INVALID_ARGUMENT, "no verifier selects");
  self->seed = problem->seed;
  return WN_OK;
}

static wn_status push(const wn_instance* self, const wn_proposals* proposals) {
  const uint64_t id = self->first + self->pushed;
  const int fresh = !self->best || self->pushed + 1 == kRound;
  wn_noise_recipe noise = {0};
  noise.struct_size = WN_SIZE(wn_noise_recipe, reserved0);
  noise.op = fresh ? WN_NOISE_FRESH : WN_NOISE_ROTATE;
  noise.id = id;
  noise.parent = fresh ? 0 : self->best;
  noise.addr.seed = self->seed;
  noise.addr.stream = id;
  noise.addr.domain = fresh ? 0 : 1;
  noise.s = fresh ? 0.0 : 0.8;
  wn_candidate candidate = {0};
  candidate.struct_size = WN_SIZE(wn_candidate, pool);
  candidate.op = WN_CAND_START;
  candidate.id = candidate.noise = id;
  candidate.profile = WN_PROFILE_SEARCH;
  candidate.score = WN_SCORE_SAMPLE;
  const wn_status status = proposals->noise(proposals->ctx, &noise);
  if (status != WN_OK) return status;
  const wn_candidate* const list[] = {&candidate};
  double price;
  if (proposals->cost(proposals->ctx, list, 1, &price) != WN_OK) return WN_E_INTERNAL;
  if (price > proposals->left(proposals->ctx)) return WN_BUDGET;
  return proposals->candidate(proposals->ctx, &candidate);
}

static wn_status ask(wn_instance* self, const wn_call* call, uint64_t max_n,
                     const wn_proposals* proposals) {
  if (self->lost && proposals->forget(proposals->ctx, self->losers, self->lost) != WN_OK)
    return fail(call, WN_E_INTERNAL, "the host could not forget");
  self->lost = 0;
  for (uint64_t n = 0; self->pushed < kRound; ++n, ++self->pushed) {
    if (n == max_n) return WN_OK;
    const wn_status status = push(self, proposals);
    if (status == WN_BUDGET) return WN_DONE;
    if (status != WN_OK) return fail(call, status, "the host refused a candidate");
  }
  return WN_WAIT;
}

static wn_status tell(wn_instance* self, const wn_call* call, const wn_result* const* results,
                      uint64_t n) {
  (void)call;
  for (uint64_t i = 0; i < n; ++i) {
    const int better = results[i]->status == WN_OK && results[i]->n_scores > 0 &&
                       (!self->best || results[i]->scores[0] > self->best_score);
    const uint64_t loser = better ? self->best : results[i]->candidate;
    if (loser) self->losers[self->lost++] = loser;
    if (better) self->best = results[i]->candidate, self->best_score = results[i]->scores[0];
  }
  self->first += n;
  self->pushed = 0;
  return WN_OK;
}

static wn_status best(wn_instance* self, uint64_t max_n, uint64_t* ids, uint64_t* n_out) {
  *n_out = self->best && max_n > 0 ? 1 : 0;
  if (*n_out) ids[0] = self->best;
  return WN_OK;
}

static const void* search_interface(const char* id) {
  static const wn_search_1 kSearch = {begin, ask, tell, best};
  return strcmp(id, WN_SEARCH_1) == 0 ? &kSearch : NULL;
}

/* ---- the library */

static const wn_plugin_1 kSampler = {
    "corpus." NAME ".sampler", "sampler",      WINNOW_PACKAGE_VERSION,
    SAMPLER_OPTIONS,           create_sampler, destroy,
    sampler_interface};
static const wn_plugin_1 kVerifier = {
    "corpus." NAME ".verifier", "verifier",      WINNOW_PACKAGE_VERSION,
    VERIFIER_OPTIONS,           create_verifier, destroy,
    verifier_interface};
static const wn_plugin_1 kSearch = {
    "corpus." NAME ".search", "search", WINNOW_PACKAGE_VERSION, NULL, create_search, destroy,
    search_interface};
static const wn_plugin_1* const kPlugins[] = {&kSampler, &kVerifier, &kSearch};

WN_EXPORT wn_status WN_CALL wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, 0);
  if (status != WN_OK) return status;
  out->plugins = kPlugins;
  out->n_plugins = 3;
  return WN_OK;
}
