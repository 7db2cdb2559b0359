/* plugin.c: a verifier that shows what it finds of the newer minor that raise_minor.py makes: heads
 * 0 and 1 are the batch's weight and the answer of wn.host.echo/1, or -1 where there is none. NEED
 * is the least minor it asks for. */
#include <string.h>

#include "winnow/winnow.h"

#ifndef NEED
#define NEED 0
#endif

struct wn_instance {
  const wn_host* host;
};

static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  static wn_instance instance;
  (void)options, (void)n, (void)call;
  instance.host = host;
  *out = &instance;
  return WN_OK;
}

static void destroy(wn_instance* self) { (void)self; }

static wn_status info(wn_instance* self, wn_verifier_info* out) {
  (void)self;
  out->n_heads = 2;
#ifdef WN_HOST_ECHO_1
  if (WN_HAS(out, wn_verifier_info, spread)) out->spread = 0.25;
#endif
  return WN_OK;
}

static wn_status score(wn_instance* self, const wn_call* call, const wn_verifier_batch* batch,
                       float* scores, wn_status* status) {
  (void)self, (void)call, (void)status;
  for (uint64_t i = 0; i < batch->n; ++i) {
    scores[2 * i] = scores[2 * i + 1] = -1.0f;
#ifdef WN_HOST_ECHO_1
    const wn_host_echo_1* echo = self->host->get_interface(self->host, WN_HOST_ECHO_1);
    if (WN_HAS(batch, wn_verifier_batch, weight)) scores[2 * i] = (float)batch->weight;
    if (echo) scores[2 * i + 1] = (float)echo->echo(self->host, 42);
#endif
  }
  return WN_OK;
}

static const void* get_interface(const char* id) {
  static const wn_verifier_1 kVerifier = {info, score};
  return strcmp(id, WN_VERIFIER_1) == 0 ? &kVerifier : NULL;
}

static const wn_plugin_1 kPlugin = {"test.plugin", "verifier", "1.0.0",      NULL,
                                    create,        destroy,    get_interface};
static const wn_plugin_1* const kPlugins[] = {&kPlugin};

WN_EXPORT wn_status WN_CALL wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, NEED);
  if (status != WN_OK) return status;
  out->plugins = kPlugins;
  out->n_plugins = 1;
  return WN_OK;
}
