/* zoo_sampler.c: a sampler of a linear model that makes the mistake its option names.
 *   u(x) = x / 2 + class / 100, x' = x + (to - from) u(x), sample = clamp(1/2 + x / 10)
 */
#include <math.h>

#include "winnow_manifest.h"
#include "zoo.h"

enum { kSteps = 4, kElements = 16 };

struct wn_instance {
  char flaw[32];
  const wn_host* host;
  double times[kSteps + 1], scales[kSteps];
};

static int is(const wn_instance* self, const char* flaw) { return strcmp(self->flaw, flaw) == 0; }

static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  (void)call;
  wn_instance* self = calloc(1, sizeof *self);
  zoo_copy_flaw(self->flaw, options, n);
  self->host = host;
  for (int k = 0; k <= kSteps; ++k) self->times[k] = 1 - k / (double)kSteps;
  for (int k = 0; k < kSteps; ++k) self->scales[k] = self->times[k];
  if (is(self, "schedule")) self->times[1] = 1;
  *out = self;
  return WN_OK;
}

static void destroy(wn_instance* self) { free(self); }

static wn_status info(wn_instance* self, uint32_t profile, wn_sampler_info* out) {
  (void)profile;
  out->flags = WN_F_MIXED_TIMES | WN_F_RENOISE | WN_F_VJP | WN_F_BATCH_INVARIANT |
               (is(self, "claims") ? 0 : WN_F_DETERMINISTIC);
  out->n_steps = kSteps;
  out->latent_dtype = (wn_dtype){2, 32, 1};
  for (int d = 0; d < 3; ++d) out->latent_shape[d] = out->sample_shape[d] = d ? 4 : 1;
  out->latent_ndim = out->sample_ndim = 3;
  out->carry_elems = kElements;
  out->times = self->times;
  out->noise_scale = self->scales;
  out->preview_nfe = out->preview_credit = out->network_passes = out->backward_nfe = 1;
  if (is(self, "info_beyond")) memset((char*)out + WN_SIZE(wn_sampler_info, flops), 0x11, 8);
  return WN_OK;
}

static wn_status leg(wn_instance* self, uint32_t profile, double from, double to,
                     double stochasticity, uint32_t steps, uint32_t max_steps, double* times,
                     double* nfe, uint32_t* steps_out) {
  double all[kSteps + 2];
  uint32_t count = steps;
  (void)profile, (void)stochasticity;
  if (!steps) {
    all[0] = from;
    for (int k = 0; k <= kSteps; ++k)
      if (self->times[k] < from && self->times[k] > to) all[++count] = self->times[k];
    if (is(self, "legs") && count > 1) --count;
    all[++count] = to;
  }
  *steps_out = count;
  if (count > max_steps) return WN_E_RESOURCE_EXHAUSTED;
  for (uint32_t k = 0; k <= count; ++k)
    times[k] = steps ? from + (to - from) * k / (double)count : all[k];
  times[count] = to;
  for (uint32_t k = 0; k < count; ++k) nfe[k] = 1;
  return WN_OK;
}

/* noise[n, kElements] at the items' positions, or all at 0 */
static wn_status draw(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                      int at_zero, float* noise) {
  const wn_host_noise_1* table = self->host->get_interface(self->host, WN_HOST_NOISE_1);
  uint32_t* zeros = calloc(batch->n + 1, sizeof *zeros);
  int64_t shape[] = {(int64_t)batch->n, 1, 4, 4};
  wn_tensor out = *batch->latents;
  out.data = noise;
  out.byte_offset = 0;
  out.shape = shape;
  const wn_status status = table->normal(self->host, call, batch->noise,
                                         at_zero ? zeros : batch->position, batch->n, &out);
  free(zeros);
  return status;
}

static double class_of(const wn_sampler_batch* batch, uint64_t i) {
  return (double)batch->conditions[i]->class_id / 100;
}

static wn_status init(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                      wn_status* status) {
  static const char kUnknown[] = "the class is above 999";
  if (is(self, "empty") && batch->n == 0) abort();
  const wn_status drawn = draw(self, call, batch, 1, zoo_data(batch->latents));
  for (uint64_t i = 0; i < batch->n; ++i) {
    batch->has_eval[i] = 0;
    if (is(self, "no_noise"))
      memset(zoo_data(batch->latents) + i * kElements, 0, kElements * sizeof(float));
    if (batch->conditions[i]->class_id <= 999) continue;
    if (is(self, "class")) abort();
    status[i] = WN_E_INVALID_ARGUMENT;
    call->errors->set_item(call->errors->ctx, i, status[i], kUnknown, sizeof kUnknown - 1);
  }
  return drawn;
}

/* u into the carry, unless it is there. */
static float* evaluate(wn_instance* self, const wn_sampler_batch* batch, uint64_t i) {
  float* u = zoo_data(batch->carry) + i * kElements;
  const float* x = zoo_data(batch->latents) + i * kElements;
  for (int e = 0; e < kElements; ++e) {
    if (!batch->has_eval[i]) u[e] = (float)(0.5 * x[e] + class_of(batch, i));
    if (batch->has_eval[i] && is(self, "carry")) u[e] *= 1.5f;
  }
  return u;
}

static wn_status step(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                      wn_status* status) {
  float noise[kElements * 64];
  (void)status;
  if (is(self, "empty") && batch->n == 0) abort();
  if (is(self, "draws") && batch->n <= 64) draw(self, call, batch, 0, noise);
  if (is(self, "writes_times")) *(volatile double*)batch->from_time = 1;
  for (uint64_t i = 0; i < batch->n; ++i) {
    float* x = zoo_data(batch->latents) + i * kElements;
    const float* u = evaluate(self, batch, i);
    const double to = batch->to_time[i], from = batch->from_time[is(self, "mixed") ? 0 : i];
    for (int e = 0; e < kElements; ++e) {
      x[e] = (float)(x[e] + (to - from) * u[e]);
      if (is(self, "nan")) x[e] = NAN;
      if (is(self, "neighbours")) x[e] += 0.1f * (float)i;
    }
    batch->has_eval[i] = 0;
  }
  return WN_OK;
}

static wn_status preview(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                         wn_tensor* clean, wn_status* status) {
  (void)call, (void)status;
  for (uint64_t i = 0; i < batch->n; ++i) {
    const float* x = zoo_data(batch->latents) + i * kElements;
    const float* u = evaluate(self, batch, i);
    batch->has_eval[i] = 1;
    for (int e = 0; e < kElements && !is(self, "preview"); ++e)
      zoo_data(clean)[i * kElements + (uint64_t)e] = (float)(x[e] - batch->from_time[i] * u[e]);
  }
  return WN_OK;
}

static wn_status decode(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                        wn_tensor* samples, wn_status* status) {
  (void)self, (void)call, (void)status;
  for (uint64_t e = 0; e < batch->n * kElements; ++e)
    zoo_data(samples)[e] = fminf(fmaxf(0.5f + zoo_data(batch->latents)[e] / 10, 0), 1);
  return WN_OK;
}

static wn_status renoise(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                         wn_status* status) {
  float* noise = malloc((batch->n + 1) * kElements * sizeof(float));
  const wn_status drawn = draw(self, call, batch, 1, noise);
  (void)status;
  for (uint64_t i = 0; i < batch->n; ++i) {
    float* x = zoo_data(batch->latents) + i * kElements;
    const double s = batch->from_time[i], t = batch->to_time[i], ratio = (1 - t) / (1 - s);
    const double spread = sqrt(t * t - ratio * ratio * s * s);
    for (int e = 0; e < kElements && !is(self, "renoise"); ++e)
      x[e] = (float)(ratio * x[e] + spread * noise[i * kElements + (uint64_t)e]);
    batch->has_eval[i] = 0;
  }
  free(noise);
  return drawn;
}

static wn_status vjp(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                     const wn_tensor* d_samples, wn_tensor* d_latents, wn_status* status) {
  double factor = is(self, "gradient") ? -0.1 : 0.1;
  (void)call, (void)status;
  for (int k = 0; k < kSteps; ++k) factor *= 1 + 0.5 * (self->times[k + 1] - self->times[k]);
  for (uint64_t e = 0; e < batch->n * kElements; ++e)
    zoo_data(d_latents)[e] = (float)(factor * zoo_data(d_samples)[e]);
  return WN_OK;
}

static const void* get_interface(const char* id) {
  static const wn_sampler_1 table = {
      .info = info, .leg = leg, .init = init, .step = step, .preview = preview, .decode = decode};
  static const wn_sampler_renoise_1 back = {.renoise = renoise};
  static const wn_sampler_vjp_1 gradient = {.vjp = vjp};
  if (strcmp(id, WN_SAMPLER_1) == 0) return &table;
  if (strcmp(id, WN_SAMPLER_RENOISE_1) == 0) return &back;
  if (strcmp(id, WN_SAMPLER_VJP_1) == 0) return &gradient;
  return NULL;
}

static const wn_plugin_1 sampler = {.id = "zoo.sampler",
                                    .kind = "sampler",
                                    .version = WINNOW_PACKAGE_VERSION,
                                    .options_toml = WINNOW_OPTIONS_ZOO_SAMPLER,
                                    .create = create,
                                    .destroy = destroy,
                                    .get_interface = get_interface};
static const wn_plugin_1* const plugins[] = {&sampler};

WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, 0);
  if (status != WN_OK) return status;
  out->plugins = plugins;
  out->n_plugins = 1;
  return WN_OK;
}
