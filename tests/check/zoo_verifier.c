/* zoo_verifier.c: a verifier (the mean of the pixels) that makes the mistake its option names; and
 * zoo.set, which rates sets.
 *   score = mean + 0.1 mean^2, gradient (1 + 0.2 mean) / size
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "winnow_manifest.h"
#include "zoo.h"

struct wn_instance {
  char flaw[32];
  double preview_time;
  int used, calls, in_use, set_level;
  const float* kept;
  double sum; /* of the accepted set */
  uint64_t count;
};

static int living, in_use, leaves_folder;
static _Thread_local int made_here;

static int is(const wn_instance* self, const char* flaw) { return strcmp(self->flaw, flaw) == 0; }

static void leak(void) {
  char* bytes = malloc(16 << 10);
  memset(bytes, 1, 16 << 10);
  __asm__ volatile("" : : "r"(bytes) : "memory");
}

static void* sleeper(void* nothing) {
  for (;;) pause();
  return nothing;
}

static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  (void)host;
  wn_instance* self = calloc(1, sizeof *self);
  zoo_copy_flaw(self->flaw, options, n);
  const wn_option* time = zoo_option(options, n, "preview_time");
  const wn_option* limit = zoo_option(options, n, "limit");
  const wn_option* text = zoo_option(options, n, "text");
  self->preview_time = is(self, "previews") ? 0.5 : time ? time->f : -1;
  if (is(self, "create_fails")) return zoo_fail(call, WN_E_INTERNAL, "it is broken");
  if (is(self, "create_crashes")) abort();
  if (is(self, "silent")) return WN_E_INTERNAL;
  if (is(self, "latin")) return zoo_fail(call, WN_E_INTERNAL, "gr\xfc\xdf");
  if (is(self, "status")) return 7777;
  if (is(self, "limits") && limit->i == 10) abort();
  if (is(self, "texts") && text->s.size == 0) abort();
  if (is(self, "umask")) umask(0);
  if (is(self, "prints")) (void)!write(1, "hello\n", 6);
  if (is(self, "leak_create")) leak();
  if (is(self, "shutdown")) leaves_folder = 1;
  if (is(self, "thread")) {
    pthread_t thread;
    pthread_create(&thread, NULL, sleeper, NULL);
  }
  ++living;
  made_here = 1;
  *out = self;
  return WN_OK;
}

static wn_status create_set(const wn_host* host, const wn_option* const* options, uint64_t n,
                            const wn_call* call, wn_instance** out) {
  const wn_status status = create(host, options, n, call, out);
  if (status == WN_OK) (*out)->set_level = 1;
  return status;
}

static void destroy(wn_instance* self) {
  if (is(self, "destroy_unused") && !self->used) abort();
  --living;
  free(self);
}

static wn_status info(wn_instance* self, wn_verifier_info* out) {
  out->flags = WN_F_DETERMINISTIC |
               (self->set_level ? 0 : WN_F_BATCH_INVARIANT | WN_F_REENTRANT | WN_F_GRAD);
  if (is(self, "flags") || is(self, "hangs_later")) out->flags |= 1u << 20;
  if (is(self, "claims")) out->flags &= ~WN_F_DETERMINISTIC;
  out->n_heads = 1;
  out->preview_time = self->preview_time;
  if (is(self, "info_beyond"))
    memset((char*)out + WN_SIZE(wn_verifier_info, preview_time), 0x11, 8);
  return WN_OK;
}

static double mean(const float* pixels, int64_t size) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += pixels[i];
  return sum / (double)size;
}

static double rate(double m) { return m + 0.1 * m * m; }

/* One item of a sound verifier. */
static void score_item(wn_instance* self, const wn_call* call, const wn_verifier_batch* batch,
                       uint64_t i, float* scores, wn_status* status) {
  static const char kBad[] = "the picture is not finite";
  const int64_t size = zoo_item_size(batch->samples);
  const float* pixels = zoo_data(batch->samples) + (int64_t)i * size;
  const double m = mean(pixels, size);
  scores[i] =
      (float)(self->set_level ? -fabs((self->sum + m) / (double)(self->count + 1) - 0.5) : rate(m));
  if (isfinite(scores[i])) return;
  status[i] = WN_E_INVALID_ARGUMENT;
  call->errors->set_item(call->errors->ctx, i, status[i], kBad, sizeof kBad - 1);
}

/* The mistakes of a call as a whole, before it scores. */
static wn_status stumble(wn_instance* self, const wn_verifier_batch* batch) {
  const float* data = batch->samples->data;
  if (is(self, "leak_score")) leak();
  if (is(self, "sleeps")) usleep(1300 * 1000);
  if (is(self, "empty") && batch->n == 0) abort();
  if (is(self, "size") && batch->samples->shape[3] < 4) abort();
  if (is(self, "exits")) exit(0);
  if (is(self, "hangs") || (is(self, "hangs_later") && batch->n == 7))
    for (;;) usleep(1000);
  if (is(self, "thread_local") && !made_here) abort();
  if (is(self, "writes_inputs") && batch->n) *(volatile float*)data = *data;
  if (is(self, "keeps")) {
    if (self->kept && *self->kept == 12345.0f) abort();
    self->kept = batch->n ? data : NULL;
  }
  if (is(self, "previews") && batch->previews->ndim == 99) abort();
  if (is(self, "not_thread_safe") || is(self, "reentrant")) {
    int* counter = is(self, "reentrant") ? &self->in_use : &in_use;
    if (__atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST)) abort();
    usleep(2000);
    __atomic_fetch_sub(counter, 1, __ATOMIC_SEQ_CST);
  }
  return WN_OK;
}

/* The mistakes of one score. */
static float spoiled(wn_instance* self, const wn_verifier_batch* batch, uint64_t i, float score) {
  if (is(self, "nan")) return NAN;
  if (is(self, "global")) return score + (float)living;
  if (is(self, "batch")) return score + 0.1f * (float)batch->n;
  if (is(self, "order")) return score + 1e-4f * (float)i;
  if (is(self, "counts")) return score + 1e-4f * (float)self->calls;
  if (is(self, "environment")) return score + (getenv("WN_CHECK") ? 1.0f : 0.0f);
  if (is(self, "black") && score == 0) return NAN;
  if (is(self, "class") && batch->conditions[i]->class_id > 1000) return NAN;
  if (is(self, "spreads"))
    return score + 0.0f * (float)mean(zoo_data(batch->samples),
                                      (int64_t)batch->n * zoo_item_size(batch->samples));
  if (is(self, "offset")) return (float)rate(*(const float*)batch->samples->data);
  return score;
}

/* Why it does not want an item; NULL: it does. */
static const char* refusal(const wn_instance* self, const wn_verifier_batch* batch, uint64_t i) {
  const wn_str* prompt = &batch->conditions[i]->prompt;
  if (is(self, "vocabulary"))
    return prompt->size == 11 && memcmp(prompt->data, "two circles", 11) == 0
               ? NULL
               : "expected 'two circles'";
  if (is(self, "circles"))
    return prompt->size == 12 && memcmp(prompt->data, "a red circle", 12) == 0 ? NULL : "no circle";
  if (!is(self, "picky")) return NULL;
  if (prompt->size == 0) return "it needs a prompt";
  return batch->samples->shape[1] == 1 ? "it wants colours" : "it does not know the word 'red'";
}

static wn_status score(wn_instance* self, const wn_call* call, const wn_verifier_batch* batch,
                       float* scores, wn_status* status) {
  const wn_status stumbled = stumble(self, batch);
  if (stumbled != WN_OK) return stumbled;
  self->used = 1;
  ++self->calls;
  for (uint64_t i = 0; i < batch->n; ++i) {
    score_item(self, call, batch, i, scores, status);
    if (is(self, "spreads")) status[i] = WN_OK;
    const char* const why_not = refusal(self, batch, i);
    if (why_not) {
      call->errors->set_item(call->errors->ctx, i, WN_E_INVALID_ARGUMENT, why_not, strlen(why_not));
      status[i] = WN_E_INVALID_ARGUMENT;
    }
    scores[i] = spoiled(self, batch, i, scores[i]);
  }
  if (is(self, "writes_beyond")) scores[batch->n] = 0;
  return WN_OK;
}

static wn_status grad(wn_instance* self, const wn_call* call, const wn_verifier_batch* batch,
                      wn_tensor* d_samples, wn_status* status) {
  (void)call, (void)status;
  const int64_t size = zoo_item_size(batch->samples);
  for (int64_t i = 0; i < (int64_t)batch->n; ++i) {
    const double m = mean(zoo_data(batch->samples) + i * size, size);
    const double slope = (1 + 0.2 * m) / (double)size * (is(self, "gradient") ? -1 : 1);
    for (int64_t e = 0; e < size; ++e) zoo_data(d_samples)[i * size + e] = (float)slope;
  }
  return WN_OK;
}

static wn_status features_info(wn_instance* self, wn_features_info* out) {
  static const char kName[] = "zoo";
  (void)self;
  out->n_features = 1;
  out->n_classes = 2;
  out->network = (wn_str){kName, sizeof kName - 1};
  return WN_OK;
}

static wn_status features(wn_instance* self, const wn_call* call, const wn_verifier_batch* batch,
                          float* out, float* log_probabilities, wn_status* status) {
  (void)call, (void)status;
  const int64_t size = zoo_item_size(batch->samples);
  for (int64_t i = 0; i < (int64_t)batch->n; ++i) {
    out[i] = (float)mean(zoo_data(batch->samples) + i * size, size);
    log_probabilities[2 * i] = logf(0.25f);
    log_probabilities[2 * i + 1] = logf(is(self, "features") ? 0.25f : 0.75f);
  }
  return WN_OK;
}

static wn_status reset(wn_instance* self) {
  if (is(self, "reset")) return WN_OK;
  self->sum = 0;
  self->count = 0;
  return WN_OK;
}

static wn_status accept_sample(wn_instance* self, const wn_call* call,
                               const wn_verifier_batch* batch) {
  (void)call;
  self->sum += mean(zoo_data(batch->samples), zoo_item_size(batch->samples));
  ++self->count;
  return WN_OK;
}

static wn_status save(wn_instance* self, const wn_call* call, const wn_sink* sink) {
  const struct {
    uint64_t magic, count;
    double sum;
  } state = {WN_MAGIC + (is(self, "state") ? (uint64_t)++self->calls : 0), self->count, self->sum};
  if (sink->write(sink->ctx, &state, sizeof state) == (int64_t)sizeof state) return WN_OK;
  return zoo_fail(call, WN_E_INTERNAL, "the host took no more");
}

static wn_status load(wn_instance* self, const wn_call* call, const wn_source* source) {
  struct {
    uint64_t magic, count;
    double sum;
  } state = {0, 0, 0};
  if (source->read(source->ctx, &state, sizeof state) != (int64_t)sizeof state ||
      state.magic != WN_MAGIC)
    return zoo_fail(call, WN_E_INVALID_ARGUMENT, "this is no state of zoo.set");
  self->count = state.count;
  self->sum = state.sum;
  return WN_OK;
}

static const wn_verifier_1 kVerifier = {.info = info, .score = score};

static const void* get_interface(const char* id) {
  static const wn_verifier_grad_1 gradient = {.grad = grad};
  static const wn_verifier_features_1 network = {.info = features_info, .features = features};
  if (strcmp(id, WN_VERIFIER_1) == 0) return &kVerifier;
  if (strcmp(id, WN_VERIFIER_GRAD_1) == 0) return &gradient;
  if (strcmp(id, WN_VERIFIER_FEATURES_1) == 0) return &network;
  return NULL;
}

static const void* get_set_interface(const char* id) {
  static const wn_verifier_set_1 set = {.reset = reset, .accept = accept_sample};
  static const wn_state_1 state = {.save = save, .load = load};
  if (strcmp(id, WN_VERIFIER_1) == 0) return &kVerifier;
  if (strcmp(id, WN_VERIFIER_SET_1) == 0) return &set;
  if (strcmp(id, WN_STATE_1) == 0) return &state;
  return NULL;
}

static const wn_plugin_1 verifier = {.id = "zoo.verifier",
                                     .kind = "verifier",
                                     .version = WINNOW_PACKAGE_VERSION,
                                     .options_toml = WINNOW_OPTIONS_ZOO_VERIFIER,
                                     .create = create,
                                     .destroy = destroy,
                                     .get_interface = get_interface};
static const wn_plugin_1 set = {.id = "zoo.set",
                                .kind = "verifier",
                                .version = WINNOW_PACKAGE_VERSION,
                                .options_toml = WINNOW_OPTIONS_ZOO_SET,
                                .create = create_set,
                                .destroy = destroy,
                                .get_interface = get_set_interface};
static const wn_plugin_1* const plugins[] = {&verifier, &set};

static void end_library(void) {
  if (leaves_folder) (void)!chdir("/");
}

WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, 0);
  if (status != WN_OK) return status;
  out->plugins = plugins;
  out->n_plugins = 2;
  out->shutdown = end_library;
  return WN_OK;
}
