/* brightness: prefers images whose mean intensity is near a target.
 *   score = -(mean(image) - target)^2, at most 0
 * Source: none; it is the smallest verifier there is, in plain C. The same in C++: sharpness.cpp.
 *   [[verifier]]
 *   plugin = "winnow.brightness"
 *   target = 0.5
 * To make your own: copy this file and brightness.toml, replace the id in both, and add one
 * winnow_add_plugin() call to your CMakeLists.txt.
 */
#include <stdlib.h>
#include <string.h>

#include "winnow/winnow.h"
#include "winnow_manifest.h" /* made from brightness.toml: version and options */

struct wn_instance {
  double target;
};

/* pixels[size] in [0, 1] */
static double score_one(const float* pixels, int64_t size, double target) {
  double sum = 0.0;
  for (int64_t i = 0; i < size; ++i) sum += pixels[i];
  const double distance = sum / (double)size - target;
  return -distance * distance;
}

static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  static const char kNoMemory[] = "no memory for an instance of winnow.brightness";
  (void)host, (void)n;
  *out = malloc(sizeof **out);
  if (!*out) {
    call->errors->set(call->errors->ctx, WN_E_RESOURCE_EXHAUSTED, kNoMemory, sizeof kNoMemory - 1);
    return WN_E_RESOURCE_EXHAUSTED;
  }
  (*out)->target = options[0]->f; /* checked, defaults filled in, sorted by key: only `target` */
  return WN_OK;
}

static void destroy(wn_instance* self) { free(self); }

static wn_status info(wn_instance* self, wn_verifier_info* out) {
  (void)self;
  out->flags = WN_F_REENTRANT | WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC;
  out->n_heads = 1;
  out->preview_time = -1.0;
  return WN_OK;
}

static wn_status score(wn_instance* self, const wn_call* call, const wn_verifier_batch* batch,
                       float* scores, wn_status* status) {
  const wn_tensor* samples = batch->samples; /* [n, C, H, W], compact */
  const int64_t size = samples->shape[1] * samples->shape[2] * samples->shape[3];
  const float* pixels = (const float*)((const char*)samples->data + samples->byte_offset);
  (void)call, (void)status; /* no item can fail */
  for (uint64_t i = 0; i < batch->n; ++i)
    scores[i] = (float)score_one(pixels + (int64_t)i * size, size, self->target);
  return WN_OK;
}

static const void* get_interface(const char* id) {
  static const wn_verifier_1 verifier = {.info = info, .score = score};
  return strcmp(id, WN_VERIFIER_1) == 0 ? &verifier : NULL;
}

static const wn_plugin_1 brightness = {
    .id = "winnow.brightness",
    .kind = "verifier",
    .version = WINNOW_VERSION_WINNOW_BRIGHTNESS,
    .options_toml = WINNOW_OPTIONS_WINNOW_BRIGHTNESS,
    .create = create,
    .destroy = destroy,
    .get_interface = get_interface,
};
static const wn_plugin_1* const plugins[] = {&brightness};

WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, /*need_minor=*/0);
  if (status != WN_OK) return status;
  out->plugins = plugins;
  out->n_plugins = 1;
  return WN_OK;
}
