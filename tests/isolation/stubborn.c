/* stubborn: for tests of isolation: a search that is hard to stop, in a way of one's choice, and
 * that does not bear to be told anything twice. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "winnow/winnow.h"
#include "winnow_manifest.h"

struct wn_instance {
  char how[16], mark[256];
  int again; /* it did its worst in a process before */
  uint64_t seed, pushed, told;
};

static void copy(char* to, size_t room, wn_str from) {
  const size_t n = from.size < room ? from.size : room - 1;
  memcpy(to, from.data, n);
  to[n] = 0;
}

static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  (void)host, (void)call;
  wn_instance* self = calloc(1, sizeof *self);
  if (!self) return WN_E_RESOURCE_EXHAUSTED;
  for (uint64_t i = 0; i < n; ++i)
    if (!strcmp(options[i]->key.data, "how"))
      copy(self->how, sizeof self->how, options[i]->s);
    else if (!strcmp(options[i]->key.data, "mark"))
      copy(self->mark, sizeof self->mark, options[i]->s);
  self->again = access(self->mark, F_OK) == 0;
  *out = self;
  return WN_OK;
}

static void destroy(wn_instance* self) { free(self); }

static int is(const wn_instance* self, const char* how) { return strcmp(self->how, how) == 0; }

/* The first time, by the mark. */
static int first(const wn_instance* self) {
  const int file = open(self->mark, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file >= 0) close(file);
  return file >= 0;
}

static wn_status until_stop(const wn_call* call) {
  for (;; usleep(5000)) {
    const wn_status status = call->should_stop(call);
    if (status != WN_OK) return status;
  }
}

static wn_status begin(wn_instance* self, const wn_call* call, const wn_problem* problem) {
  self->seed = problem->seed;
  if (!self->again || !(is(self, "slow") || is(self, "deaf"))) return WN_OK;
  const wn_status status = until_stop(call);
  while (is(self, "deaf")) pause();
  return status;
}

static wn_status push(wn_instance* self, const wn_proposals* proposals) {
  const uint64_t id = ++self->pushed;
  wn_noise_recipe noise = {
      .struct_size = WN_SIZE(wn_noise_recipe, reserved0), .id = id, .op = WN_NOISE_FRESH};
  noise.addr.seed = self->seed;
  noise.addr.stream = id;
  const wn_status status = proposals->noise(proposals->ctx, &noise);
  if (status != WN_OK) return status;
  const wn_candidate candidate = {.struct_size = WN_SIZE(wn_candidate, pool),
                                  .op = WN_CAND_START,
                                  .id = id,
                                  .noise = id,
                                  .profile = WN_PROFILE_SEARCH,
                                  .score = WN_SCORE_SAMPLE};
  return proposals->candidate(proposals->ctx, &candidate);
}

static wn_status ask(wn_instance* self, const wn_call* call, uint64_t max_n,
                     const wn_proposals* proposals) {
  (void)max_n;
  while (is(self, "chatter")) {
    proposals->left(proposals->ctx);
    if (call->should_stop(call) != WN_OK) return call->should_stop(call);
  }
  if (self->pushed == 4 && (is(self, "slow") || is(self, "deaf")) && first(self)) abort();
  for (int i = 0; i < 2; ++i) {
    const wn_status status = push(self, proposals);
    if (status == WN_BUDGET) return WN_DONE;
    if (status != WN_OK) return status;
  }
  return WN_WAIT;
}

static wn_status tell(wn_instance* self, const wn_call* call, const wn_result* const* results,
                      uint64_t n) {
  for (uint64_t i = 0; i < n; ++i)
    if (results[i]->candidate != ++self->told) return WN_E_INTERNAL;
  if (is(self, "late") && self->told == 4 && first(self)) return until_stop(call);
  return WN_OK;
}

static wn_status best(wn_instance* self, uint64_t max_n, uint64_t* ids, uint64_t* n_out) {
  (void)self;
  *n_out = 1;
  if (max_n) ids[0] = 1;
  return WN_OK;
}

static const void* get_interface(const char* id) {
  static const wn_search_1 table = {.begin = begin, .ask = ask, .tell = tell, .best = best};
  return strcmp(id, WN_SEARCH_1) ? NULL : &table;
}

static const wn_plugin_1 plugin = {.id = "test.stubborn",
                                   .kind = "search",
                                   .version = WINNOW_VERSION_TEST_STUBBORN,
                                   .options_toml = WINNOW_OPTIONS_TEST_STUBBORN,
                                   .create = create,
                                   .destroy = destroy,
                                   .get_interface = get_interface};
static const wn_plugin_1* const plugins[] = {&plugin};

WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, 0);
  if (status != WN_OK) return status;
  out->plugins = plugins;
  out->n_plugins = 1;
  return WN_OK;
}
