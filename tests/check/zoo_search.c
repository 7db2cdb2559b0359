/* zoo_search.c: a random search in rounds of four that makes the mistake its option names. */
#include "winnow_manifest.h"
#include "zoo.h"

enum { kRound = 4 };

struct wn_instance {
  char flaw[32];
  const wn_problem* problem;
  uint64_t next_id, in_round, first_told, best;
  double best_score;
  int over, rounds, pushed_any;
};

static uint64_t leftovers, clock_ticks;

static int is(const wn_instance* self, const char* flaw) { return strcmp(self->flaw, flaw) == 0; }

static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  (void)host, (void)call;
  *out = calloc(1, sizeof **out);
  zoo_copy_flaw((*out)->flaw, options, n);
  (*out)->next_id = 1;
  return WN_OK;
}

static void destroy(wn_instance* self) {
  if (is(self, "leftovers")) ++leftovers;
  free(self);
}

static wn_status begin(wn_instance* self, const wn_call* call, const wn_problem* problem) {
  if (is(self, "ranked") && problem->selection_flags & WN_F_RANKED)
    return zoo_fail(call, WN_E_FAILED_PRECONDITION, "ranks are beyond it");
  self->problem = problem;
  return WN_OK;
}

static wn_status push(wn_instance* self, const wn_call* call, const wn_proposals* to) {
  wn_noise_recipe noise = {.struct_size = WN_SIZE(wn_noise_recipe, reserved0),
                           .op = WN_NOISE_FRESH,
                           .id = self->next_id,
                           .addr = {self->problem->seed, self->next_id, 1, 0}};
  if (is(self, "seed")) noise.addr.seed = 1;
  if (is(self, "clock")) noise.addr.stream += 1000 * ++clock_ticks;
  if (is(self, "leftovers")) noise.addr.stream += 1000 * leftovers;
  if (is(self, "gradients") && self->best) {
    noise.op = WN_NOISE_GRADIENT;
    noise.candidate = self->best;
    noise.s = 0.1;
  }
  wn_status status = to->noise(to->ctx, &noise);
  if (status != WN_OK) return zoo_fail(call, status, "the host refused a noise");
  const wn_candidate candidate = {.struct_size = WN_SIZE(wn_candidate, pool),
                                  .op = WN_CAND_START,
                                  .id = is(self, "ids") ? 1 : self->next_id,
                                  .noise = self->next_id,
                                  .profile = WN_PROFILE_SEARCH,
                                  .score = WN_SCORE_SAMPLE};
  ++self->next_id; /* the noise stays pushed in any case */
  return to->candidate(to->ctx, &candidate);
}

static wn_status ask(wn_instance* self, const wn_call* call, uint64_t max_n,
                     const wn_proposals* to) {
  if (self->over) return is(self, "endless") ? WN_WAIT : WN_DONE;
  for (uint64_t pushed = 0; self->in_round < kRound; ++pushed, ++self->in_round) {
    if (pushed == max_n && !is(self, "max_n")) return WN_OK;
    const wn_status status = push(self, call, to);
    if (status == WN_BUDGET) {
      if (is(self, "small") && !self->pushed_any) abort();
      self->over = 1;
      return is(self, "endless") ? WN_WAIT : WN_DONE;
    }
    if (status != WN_OK) return zoo_fail(call, WN_E_INTERNAL, "the host refused a candidate");
    self->pushed_any = 1;
  }
  return WN_WAIT;
}

static wn_status tell(wn_instance* self, const wn_call* call, const wn_result* const* results,
                      uint64_t n) {
  self->in_round = 0;
  ++self->rounds;
  for (uint64_t i = 0; i < n; ++i) {
    const wn_result* result = results[i];
    if (!self->first_told) self->first_told = result->candidate;
    if (result->status != WN_OK && is(self, "failures"))
      return zoo_fail(call, WN_E_INTERNAL, "a candidate failed, so it fails too");
    if (is(self, "all_fail") && !self->best) self->best = result->candidate;
    if (result->status != WN_OK) continue;
    /* Ranks of different rounds do not compare: the newest round counts. */
    const int ranked = (self->problem->selection_flags & WN_F_RANKED) && i == 0;
    if (self->best && !ranked && result->scores[0] <= self->best_score) continue;
    self->best = result->candidate;
    self->best_score = result->scores[0];
  }
  return WN_OK;
}

static wn_status best(wn_instance* self, uint64_t max_n, uint64_t* ids, uint64_t* n) {
  *n = self->best && max_n ? 1 : 0;
  if (!*n) return WN_OK;
  ids[0] = is(self, "best") ? 999999 : is(self, "worst") ? self->first_told : self->best;
  return WN_OK;
}

static const void* get_interface(const char* id) {
  static const wn_search_1 table = {.begin = begin, .ask = ask, .tell = tell, .best = best};
  return strcmp(id, WN_SEARCH_1) == 0 ? &table : NULL;
}

static const wn_plugin_1 search = {.id = "zoo.search",
                                   .kind = "search",
                                   .version = WINNOW_PACKAGE_VERSION,
                                   .options_toml = WINNOW_OPTIONS_ZOO_SEARCH,
                                   .create = create,
                                   .destroy = destroy,
                                   .get_interface = get_interface};
static const wn_plugin_1* const plugins[] = {&search};

WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  const wn_status status = wn_negotiate(in, out, 0);
  if (status != WN_OK) return status;
  out->plugins = plugins;
  out->n_plugins = 1;
  return WN_OK;
}
