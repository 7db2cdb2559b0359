/* climber.c: climbs from the best noise so far, with one fresh noise in each round so that it never
 * gets stuck.
 *   round 1:  `neighbours` + 1 fresh noises
 *   others:   `neighbours` noises at a fixed cosine from the best one so far, and a fresh one
 * until the budget ends.
 * Source: Ma et al., arXiv 2501.09732, "Zero-Order Search", mixed with their "Random Search".
 *   [search]
 *   plugin = "org.example.climber"
 *   neighbours = 4
 *   cosine = 0.9
 *
 * Candidates and the noises that they start from share their numbers. Each round but the first
 * begins with the best candidate so far, judged again: that costs nothing, and makes its score
 * comparable where the scores of a run are ranks within a round.
 */
#include <stdlib.h>
#include <string.h>

#include "winnow/winnow.h"
#include "winnow_manifest.h" /* made from winnow-plugin.toml: version and options */

struct wn_instance {
  uint64_t neighbours;
  double cosine;
  uint64_t seed;
  uint64_t best;     /* candidate; 0: none has succeeded yet */
  uint64_t first;    /* number of the first entry of this round */
  uint64_t pushed;   /* entries of this round that the host has */
  uint64_t n_losers; /* candidates to be forgotten at the next ask */
  uint64_t* losers;  /* [neighbours + 2] */
};

static wn_status fail(const wn_call* call, wn_status status, const char* text) {
  call->errors->set(call->errors->ctx, status, text, strlen(text));
  return status;
}

/* The host has checked all options against the manifest and filled in the defaults. */
static const wn_option* find(const wn_option* const* options, uint64_t n, const char* key) {
  for (uint64_t i = 0; i < n; ++i)
    if (strcmp(options[i]->key.data, key) == 0) return options[i];
  return NULL;
}

static void destroy(wn_instance* self) {
  if (self) free(self->losers);
  free(self);
}

static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  const uint64_t neighbours = (uint64_t)find(options, n, "neighbours")->i;
  wn_instance* self = calloc(1, sizeof *self);
  (void)host;
  if (self) self->losers = calloc(neighbours + 2, sizeof *self->losers);
  if (!self || !self->losers) {
    destroy(self);
    return fail(call, WN_E_RESOURCE_EXHAUSTED, "no memory for an instance");
  }
  self->neighbours = neighbours;
  self->cosine = find(options, n, "cosine")->f;
  self->first = 1;
  *out = self;
  return WN_OK;
}

static wn_status begin(wn_instance* self, const wn_call* call, const wn_problem* problem) {
  (void)call;
  self->seed = problem->seed;
  return WN_OK;
}

/* Entries of this round: the best one again, if there is one, neighbours, and one fresh. */
static uint64_t round_size(const wn_instance* self) {
  return self->neighbours + (self->best ? 2 : 1);
}

static wn_status push_noise(const wn_instance* self, uint64_t id, const wn_proposals* proposals) {
  wn_noise_recipe recipe = {.struct_size = WN_SIZE(wn_noise_recipe, reserved0), .id = id};
  const int fresh = !self->best || self->pushed + 1 == round_size(self);
  recipe.op = fresh ? WN_NOISE_FRESH : WN_NOISE_ROTATE;
  recipe.addr.seed = self->seed;
  recipe.addr.stream = id;
  recipe.addr.domain = fresh ? 0 : 1;
  recipe.parent = fresh ? 0 : self->best;
  recipe.s = fresh ? 0.0 : self->cosine;
  return proposals->noise(proposals->ctx, &recipe);
}

/* The next entry of this round. */
static wn_status push(const wn_instance* self, const wn_proposals* proposals) {
  const uint64_t id = self->first + self->pushed;
  wn_candidate candidate = {.struct_size = WN_SIZE(wn_candidate, pool),
                            .op = WN_CAND_START,
                            .id = id,
                            .profile = WN_PROFILE_SEARCH,
                            .score = WN_SCORE_SAMPLE};
  if (self->best && self->pushed == 0) {
    candidate.op = WN_CAND_RESCORE;
    candidate.parent = self->best;
  } else {
    const wn_status status = push_noise(self, id, proposals);
    if (status != WN_OK) return status;
    candidate.noise = id;
  }
  return proposals->candidate(proposals->ctx, &candidate);
}

static wn_status ask(wn_instance* self, const wn_call* call, uint64_t max_n,
                     const wn_proposals* proposals) {
  wn_status status = WN_OK;
  if (self->n_losers > 0) status = proposals->forget(proposals->ctx, self->losers, self->n_losers);
  if (status != WN_OK) return fail(call, status, "the host could not forget");
  self->n_losers = 0;
  for (uint64_t n = 0; self->pushed < round_size(self); ++n, ++self->pushed) {
    if (n == max_n) return WN_OK; /* the rest of this round at the next ask */
    status = push(self, proposals);
    if (status == WN_BUDGET) return WN_DONE; /* what was pushed is the last round */
    if (status != WN_OK) return fail(call, status, "the host refused a candidate or its noise");
  }
  return WN_WAIT;
}

static wn_status tell(wn_instance* self, const wn_call* call, const wn_result* const* results,
                      uint64_t n) {
  const int again = self->best != 0; /* entry 0 stands for the best one */
  uint64_t winner = n;
  (void)call;
  for (uint64_t i = 0; i < n; ++i) {
    if (results[i]->status != WN_OK) continue;
    if (winner == n || results[i]->scores[0] > results[winner]->scores[0]) winner = i;
  }
  for (uint64_t i = 0; i < n; ++i) {
    const int is_new_best = i == winner && !(again && i == 0);
    if (!is_new_best) self->losers[self->n_losers++] = self->first + i;
  }
  if (winner < n && !(again && winner == 0)) {
    if (again) self->losers[self->n_losers++] = self->best;
    self->best = self->first + winner;
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

static const void* get_interface(const char* id) {
  static const wn_search_1 search = {.begin = begin, .ask = ask, .tell = tell, .best = best};
  return strcmp(id, WN_SEARCH_1) == 0 ? &search : NULL;
}

static const wn_plugin_1 plugin = {
    .id = "org.example.climber",
    .kind = "search",
    .version = WINNOW_VERSION_ORG_EXAMPLE_CLIMBER,
    .options_toml = WINNOW_OPTIONS_ORG_EXAMPLE_CLIMBER,
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
