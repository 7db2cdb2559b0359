/* symmetry.c: prefers pictures that equal their mirror image.
 *   score = -mean |I(p) - I(p')| over all pixels p and channels, p' is p mirrored at the middle;
 *   in [-1, 0]
 * Source: none.
 *   [[verifier]]
 *   plugin = "org.example.symmetry"
 *   mirror = "left-right"      # or "up-down"
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "winnow/winnow.h"
#include "winnow_manifest.h" /* made from winnow-plugin.toml: version and options */

struct wn_instance {
  int up_down;
};

/* pixels[planes, height, width] in [0, 1] */
static double score_one(const float* pixels, int64_t planes, int64_t height, int64_t width,
                        int up_down) {
  double sum = 0.0;
  for (int64_t plane = 0; plane < planes; ++plane, pixels += height * width)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const float* mirrored =
            up_down ? pixels + (height - 1 - y) * width + x : pixels + y * width + (width - 1 - x);
        sum += fabs((double)pixels[y * width + x] - (double)*mirrored);
      }
  return -sum / (double)(planes * height * width);
}

/* The host has checked all options against the manifest and filled in the defaults. */
static const wn_option* find(const wn_option* const* options, uint64_t n, const char* key) {
  for (uint64_t i = 0; i < n; ++i)
    if (strcmp(options[i]->key.data, key) == 0) return options[i];
  return NULL;
}

static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  static const char kNoMemory[] = "no memory for an instance";
  (void)host;
  *out = malloc(sizeof **out);
  if (!*out) {
    call->errors->set(call->errors->ctx, WN_E_RESOURCE_EXHAUSTED, kNoMemory, sizeof kNoMemory - 1);
    return WN_E_RESOURCE_EXHAUSTED;
  }
  (*out)->up_down = strcmp(find(options, n, "mirror")->s.data, "up-down") == 0;
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
  const int64_t planes = samples->shape[1], height = samples->shape[2], width = samples->shape[3];
  const float* pixels = (const float*)((const char*)samples->data + samples->byte_offset);
  (void)call, (void)status; /* no picture can fail */
  for (uint64_t i = 0; i < batch->n; ++i, pixels += planes * height * width)
    scores[i] = (float)score_one(pixels, planes, height, width, self->up_down);
  return WN_OK;
}

static const void* get_interface(const char* id) {
  static const wn_verifier_1 verifier = {.info = info, .score = score};
  return strcmp(id, WN_VERIFIER_1) == 0 ? &verifier : NULL;
}

static const wn_plugin_1 plugin = {
    .id = "org.example.symmetry",
    .kind = "verifier",
    .version = WINNOW_VERSION_ORG_EXAMPLE_SYMMETRY,
    .options_toml = WINNOW_OPTIONS_ORG_EXAMPLE_SYMMETRY,
    .create = create,
    .destroy = destroy,
    .get_interface = get_interface,
};
static const wn_plugin_1* const plugins[] = {&plugin};

WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, /*need_minor=*/0);
  if (status != WN_OK) return status;
  out->plugins = plugins;
  out->n_plugins = 1;
  return WN_OK;
}
