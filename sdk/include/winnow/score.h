/* score.h: a verifier in C that is one function of one picture, without options.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   #include "winnow/score.h"
 *   #include "winnow_manifest.h"
 *
 *   static double score(const wn_picture* picture) { return picture->pixels[0]; }
 *   WN_EXPORT_SCORE(score)
 *
 * winnow_manifest.h is made from the winnow-plugin.toml of the package, which names this one
 * plugin. The function is pure: the same picture, the same number, from any thread. A number that
 * is not finite fails the picture. What has options, loads a model, gives several numbers or
 * rates a batch at once is written against winnow.h.
 */
#ifndef WINNOW_SCORE_H
#define WINNOW_SCORE_H

#include <string.h>

#include "winnow/winnow.h"

typedef struct wn_picture {
  const float* pixels; /* [channels, height, width] in [0, 1]; valid during the call, as all here */
  int64_t channels, height, width;
  int64_t size;                  /* of pixels, in numbers */
  const wn_condition* condition; /* what the task asks for: class_id (-1: none), prompt.data ... */
} wn_picture;
typedef double (*wn_score_fn)(const wn_picture*);

/* What follows is for WN_EXPORT_SCORE. */
#ifdef __cplusplus
extern "C"
#endif
    WN_EXPORT wn_status WN_CALL
    wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out);

struct wn_instance {
  char unused;
};

static inline wn_status WN_CALL wn_score_create(const wn_host* host,
                                                const wn_option* const* options, uint64_t n,
                                                const wn_call* call, wn_instance** out) {
  static wn_instance all_alike;
  (void)host, (void)options, (void)n, (void)call;
  *out = &all_alike;
  return WN_OK;
}

static inline void WN_CALL wn_score_destroy(wn_instance* self) { (void)self; }

static inline wn_status WN_CALL wn_score_info(wn_instance* self, wn_verifier_info* out) {
  (void)self;
  out->flags = WN_F_REENTRANT | WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC;
  out->n_heads = 1;
  out->preview_time = -1.0;
  return WN_OK;
}

static inline wn_status wn_score_batch(wn_score_fn score, const wn_call* call,
                                       const wn_verifier_batch* batch, float* scores) {
  static const char kNoPictures[] = "the samples are no pictures, expected [n, C, H, W] float32";
  const wn_tensor* samples = batch->samples;
  wn_picture picture;
  uint64_t i;
  if (samples->ndim != 4 || samples->dtype.code != 2 || samples->dtype.bits != 32) {
    call->errors->set(call->errors->ctx, WN_E_INVALID_ARGUMENT, kNoPictures,
                      sizeof kNoPictures - 1);
    return WN_E_INVALID_ARGUMENT;
  }
  picture.channels = samples->shape[1];
  picture.height = samples->shape[2];
  picture.width = samples->shape[3];
  picture.size = picture.channels * picture.height * picture.width;
  picture.pixels = (const float*)(const void*)((const char*)samples->data + samples->byte_offset);
  for (i = 0; i < batch->n; ++i, picture.pixels += picture.size) {
    picture.condition = batch->conditions[i];
    scores[i] = (float)score(&picture);
  }
  return WN_OK;
}

/* Once in a library. */
#define WN_EXPORT_SCORE(function)                                                            \
  typedef char wn_a_score_takes_no_options[WINNOW_PLUGIN_N_OPTIONS == 0 ? 1 : -1];           \
  static wn_status WN_CALL wn_score_call(wn_instance* self, const wn_call* call,             \
                                         const wn_verifier_batch* batch, float* scores,      \
                                         wn_status* status) {                                \
    (void)self, (void)status;                                                                \
    return wn_score_batch(function, call, batch, scores);                                    \
  }                                                                                          \
  static const void* WN_CALL wn_score_interface(const char* id) {                            \
    static const wn_verifier_1 verifier = {wn_score_info, wn_score_call};                    \
    return strcmp(id, WN_VERIFIER_1) == 0 ? &verifier : NULL;                                \
  }                                                                                          \
  WN_EXPORT wn_status WN_CALL wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) { \
    static const wn_plugin_1 plugin = {                                                      \
        WINNOW_PLUGIN_ID, "verifier",       WINNOW_PACKAGE_VERSION, NULL,                    \
        wn_score_create,  wn_score_destroy, wn_score_interface};                             \
    static const wn_plugin_1* const plugins[] = {&plugin};                                   \
    const wn_status status = wn_negotiate(in, out, /*need_minor=*/0);                        \
    if (status != WN_OK) return status;                                                      \
    out->plugins = plugins;                                                                  \
    out->n_plugins = 1;                                                                      \
    return WN_OK;                                                                            \
  }

#endif
