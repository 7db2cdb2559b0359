/* winnow.h: the plugin ABI of winnow, major 1, minor 0 (release candidate). C99, no dependency.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A plugin is a shared library that exports one function, wn_plugin_negotiate_v1. Everything else
 * is reached through the tables below. C++ authors include winnow.hpp instead, which fills them in.
 *
 * RULES OF THIS FILE (a test enforces each)
 * R1 Fixed-width integers, float, double and pointers only cross the boundary: no bool, enum, long,
 * size_t, bit-field, union, by-value struct return, varargs or C++ type. R2 Function tables are
 * FROZEN by their id ("wn.search/1"). A changed table is a new id ("wn.search/2"). R3 Data structs
 * are of two sorts. GROWABLE ones start with uint32_t struct_size = WN_SIZE(T, last_field), grow
 * only at the end under #if WN_AT_LEAST(n), are always passed by pointer, and are never embedded in
 * another struct nor laid out as an array (an array of them is an array of pointers: the two sides
 * may disagree about sizeof). FROZEN ones never change and may be embedded or laid out as arrays.
 * Padding is explicit (reservedN, must be 0). Absent field == 0 == default. R4 Memory: whoever
 * allocates frees. Pointers passed in are valid until the call returns, unless said otherwise. What
 * must outlive a call is made and released by the host (wn.host.alloc/1). R5 No exception, longjmp,
 * exit or abort crosses. Every fallible call takes an error sink. R6 Each function carries a thread
 * tag: [load] once, on one thread, while the library is loaded or shut down; [any-thread]
 * concurrently from any thread; [instance] one call at a time per instance, from any thread (so no
 * thread_local across calls); different instances run concurrently; [call] on the thread of the
 * call it belongs to, during it. R7 Failure of a fallible call: return a status other than WN_OK
 * and say why through call->errors->set. A failure without text is reported as the plugin's fault.
 */
#ifndef WINNOW_H
#define WINNOW_H

#include <stddef.h>
#include <stdint.h>

#define WN_ABI_MAJOR 1
#ifndef WN_ABI_MINOR
#define WN_ABI_MINOR 0 /* newest minor this header describes */
#endif
/* What the author wants to be loadable by: hosts with minor >= WN_TARGET_MINOR. Decimal. Define it
 * before including. */
#ifndef WN_TARGET_MINOR
#define WN_TARGET_MINOR WN_ABI_MINOR
#endif
#if WN_TARGET_MINOR > WN_ABI_MINOR
#error "WN_TARGET_MINOR is newer than this header"
#endif
#define WN_SDK_VERSION "1.0.0-rc.1"
#define WN_AT_LEAST(m) (WN_TARGET_MINOR >= (m))
/* End of the last field, NOT sizeof: a field added later may land in old tail padding. */
#define WN_SIZE(T, last) ((uint32_t)(offsetof(T, last) + sizeof(((T*)0)->last)))
/* Reader side: was this field there when the writer was compiled? */
#define WN_HAS(p, T, f) ((p)->struct_size >= WN_SIZE(T, f))
#define WN_MAGIC 0x31574E57u /* "WNW1", little-endian */

#if defined(_WIN32)
#define WN_EXPORT __declspec(dllexport)
#define WN_CALL __cdecl
#else
#define WN_EXPORT __attribute__((visibility("default")))
#define WN_CALL
#endif
#ifdef __cplusplus
extern "C" {
#endif

/* ---- status
 * -------------------------------------------------------------------------------------- The values
 * are ABI; an unknown value is treated as WN_E_INTERNAL. */
typedef int32_t wn_status;
#define WN_OK 0
#define WN_E_CANCELLED 1
#define WN_E_INVALID_ARGUMENT 3
#define WN_E_DEADLINE 4
#define WN_E_NOT_FOUND 5
#define WN_E_RESOURCE_EXHAUSTED 8
#define WN_E_FAILED_PRECONDITION 9
#define WN_E_UNIMPLEMENTED 12
#define WN_E_INTERNAL 13
#define WN_E_INCOMPATIBLE 100
/* not errors */
#define WN_WAIT 200 /* ask: the round is complete, tell it first */
#define WN_DONE 201 /* ask: the round is complete and the last */
#define WN_BUDGET \
  202 /* proposals: the budget does not reach for this candidate; nothing was taken */

/* FROZEN. UTF-8. data may be NULL only when size is 0; else data[size] == 0. */
typedef struct wn_str {
  const char* data;
  uint64_t size; /* bytes, without the terminating 0 */
} wn_str;

/* ---- tensors
 * ------------------------------------------------------------------------------------- FROZEN. The
 * layout of DLPack's DLDataType, DLDevice and DLTensor (a test asserts it against LibTorch's
 * header), so that every DLPack-aware library is one cast away. The host owns all of them; a plugin
 * writes in place where a call says so. */
typedef struct wn_dtype {
  uint8_t code;   /* 0 int, 1 uint, 2 float, 4 bfloat */
  uint8_t bits;   /* of one element */
  uint16_t lanes; /* 1 */
} wn_dtype;
typedef struct wn_device {
  int32_t type; /* 1 CPU, 2 CUDA */
  int32_t id;   /* ordinal; 0 on the CPU */
} wn_device;
typedef struct wn_tensor {
  void* data; /* 64-byte aligned on the CPU, 256 on CUDA, when the host made it */
  wn_device device;
  int32_t ndim;
  wn_dtype dtype;
  int64_t* shape;   /* [ndim] */
  int64_t* strides; /* [ndim] in elements; NULL: compact, row-major */
  uint64_t byte_offset;
} wn_tensor;

/* ---- host ---------------------------------------------------------------------------------------
 * GROWABLE. Error sink, a host object; valid during the call it comes with. The host copies the
 * text at once, so nothing is ever freed across the line. The first text of a call wins, later ones
 * become notes. [any-thread] */
typedef struct wn_errors {
  uint32_t struct_size;
  uint32_t reserved0;
  void* ctx;
  /* Why the whole call fails. `len` bytes of UTF-8, lower case, no final stop: what was found, what
   * was expected. */
  void(WN_CALL* set)(void* ctx, wn_status code, const char* msg, uint64_t len);
  /* Why item `item` of the batch fails; set its status[item] too. */
  void(WN_CALL* set_item)(void* ctx, uint64_t item, wn_status code, const char* msg, uint64_t len);
} wn_errors;

/* GROWABLE. Given to create(); valid until destroy() of the last instance. */
typedef struct wn_host wn_host;
struct wn_host {
  uint32_t struct_size;
  uint32_t minor; /* the negotiated one */
  void* ctx;
  /* The table for an id such as WN_HOST_NOISE_1, or NULL if the host does not know it. It lives as
   * long as the library. [any-thread] */
  const void*(WN_CALL* get_interface)(const wn_host*, const char* id);
};

/* GROWABLE. The context of one call; never keep it. */
typedef struct wn_call wn_call;
struct wn_call {
  uint32_t struct_size;
  uint32_t flags; /* 0 */
  void* ctx;
  const wn_errors* errors;
  wn_device device; /* already current on this thread; restore it if you change it */
  void* stream; /* cudaStream_t / hipStream_t; NULL on the CPU. Enqueue here. Never sync the device.
                 */
  uint64_t request_id; /* for logs */
  /* 0 = go on, else WN_E_CANCELLED or WN_E_DEADLINE, which the call should then return. Poll at
   * least every 100 ms. [any-thread] */
  wn_status(WN_CALL* should_stop)(const wn_call*);
  /* As often as one likes; `done` of `total` in any unit; `what` names the stage. [call] */
  void(WN_CALL* progress)(const wn_call*, double done, double total, const char* what,
                          uint64_t len);
  uint64_t memory_budget; /* bytes the call may hold on `device`; 0 = not stated */
};

#define WN_HOST_LOG_1 "wn.host.log/1"
#define WN_LOG_DEBUG 0
#define WN_LOG_INFO 1
#define WN_LOG_WARNING 2
#define WN_LOG_ERROR 3
#define WN_LOG_HOST_MISBEHAVING 5
#define WN_LOG_PLUGIN_MISBEHAVING 6
typedef struct wn_host_log_1 { /* never blocks for long; plugins do not write to stdout or stderr
                                  themselves */
  int32_t(WN_CALL* enabled)(const wn_host*, int32_t severity); /* 1 or 0. [any-thread] */
  void(WN_CALL* log)(const wn_host*, int32_t severity, const char* msg,
                     uint64_t len); /* [any-thread] */
} wn_host_log_1;

/* Memory that may outlive a call is made by the host: its deleter is host code, so it survives
 * unloading. */
#define WN_HOST_ALLOC_1 "wn.host.alloc/1"
typedef struct wn_host_alloc_1 {
  /* A compact tensor with the shape, dtype and device of `prototype`, contents unset. *out is the
   * host's; release() it. [call] */
  wn_status(WN_CALL* tensor)(const wn_host*, const wn_call*, const wn_tensor* prototype,
                             wn_tensor** out);
  void(WN_CALL* release)(const wn_host*, wn_tensor*); /* [any-thread] */
  /* CPU memory that dies with the call; `align` a power of two. NULL: there is none. [call] */
  void*(WN_CALL* scratch)(const wn_host*, const wn_call*, uint64_t bytes, uint64_t align);
} wn_host_alloc_1;

/* ---- noise --------------------------------------------------------------------------------------
 * Addressable: a pure function of its address, no generator state anywhere. Normative:
 * Philox4x32-10 (Salmon et al., SC 2011) with key = seed and counter = { element/4, position |
 * domain<<24, stream lo, stream hi }; Box-Muller in double made of + - x / sqrt and fixed
 * polynomials, rounded once to float32 (host/noise.cpp is the definition, tests/golden the
 * vectors). A *noise* is a function of the position: noise(0) is what START, RENOISE and JITTER
 * consume, noise(k) what a stochastic solver consumes in arriving at position k. With a noise of
 * its own a candidate counts positions by the schedule's index of arrival, or 1..n on a leg of its
 * own steps; with the parent's noise it counts on from the parent's last position. So a candidate
 * that stops and is continued with the same noise equals one that never stopped. Every operation
 * acts at each position alike (GRADIENT at position 0, TWIST at one position only); norms and dot
 * products in double, in element order; each noise is rounded to float32 before another is made of
 * it. */
typedef struct wn_noise_addr { /* FROZEN */
  uint64_t seed;
  uint64_t stream;
  uint32_t domain; /* 0 latents, 1 proposals of a search, 128..255 the plugin's own; below 256 */
  uint32_t reserved0;
} wn_noise_addr;
#define WN_NOISE_FRESH 0 /* standard normal at addr */
#define WN_NOISE_ROTATE                                                                       \
  1 /* of parent x: |x| (s u + sqrt(1-s^2) w), u = x/|x|, w unit, orthogonal to u, from addr: \
       cos(x, y) = s */
#define WN_NOISE_MIX 2 /* |x_0| times the unit vector along sum_i weights[i] x_i of parents[] */
#define WN_NOISE_GRADIENT                                                                         \
  3 /* initial noise of `candidate` moved by s |x| along d scores[0] / d noise (unit), norm kept; \
       `candidate` is a START on the schedule, run to time 0, told, not forgotten. The backward   \
       pass is part of the price of the first candidate that uses one of its gradients */
#define WN_NOISE_TENSOR                                                                        \
  4 /* float32 tensor for position `position`, fresh at addr for all others: the escape hatch, \
       large */
#define WN_NOISE_LINEAR 5 /* sum_i weights[i] x_i, not renormalised */
#define WN_NOISE_SPLICE                                                                   \
  6 /* per element: parents[1] where uniform_u32(addr, position, element) 2^-32 < s, else \
       parents[0] */
#define WN_NOISE_TWIST                                                                         \
  7 /* `parent` plus s d scores[0] / d latent, through the preview at which `candidate` was    \
       judged, at the position where a CONTINUE of it arrives first. `candidate` stopped above \
       time 0, is scored, told, not forgotten. Only its CONTINUE along the schedule takes this \
       noise, and no other is made of it. Paid for as GRADIENT is; the result tells the change \
       of density */
typedef struct wn_noise_recipe { /* GROWABLE; copied by the host during the call */
  uint32_t struct_size;
  uint32_t op;        /* WN_NOISE_* */
  uint64_t id;        /* chosen by the plugin, > 0, growing, never reused */
  uint64_t parent;    /* ROTATE, TWIST */
  uint64_t candidate; /* GRADIENT, TWIST */
  wn_noise_addr addr; /* FRESH, ROTATE, TENSOR, SPLICE */
  double s; /* ROTATE: cosine in [-1, 1]; GRADIENT: step; SPLICE: probability; TWIST: factor */
  const uint64_t* parents; /* [n_parents] MIX, LINEAR, SPLICE (two) */
  const double* weights;   /* [n_parents] MIX, LINEAR */
  uint64_t n_parents;
  const wn_tensor* tensor; /* TENSOR: float32, latent_shape, on the CPU */
  uint32_t position;       /* TENSOR */
  uint32_t reserved0;
} wn_noise_recipe;

#define WN_HOST_NOISE_1 "wn.host.noise/1"
typedef struct wn_host_noise_1 {
  /* Fills out[n, ...] float32: item i with noise[i] at position[i]. The result for an item does not
   * depend on n or on its neighbours. Handles come with a batch and are valid during that call
   * only. [any-thread] */
  wn_status(WN_CALL* normal)(const wn_host*, const wn_call*, const uint64_t* noise,
                             const uint32_t* position, uint64_t n, wn_tensor* out);
  /* out[n] = elements first .. first+n-1; element e is word e % 4 of block e / 4. [any-thread] */
  wn_status(WN_CALL* uniform_u32)(const wn_host*, const wn_noise_addr* addr, uint32_t position,
                                  uint64_t first, uint64_t n, uint32_t* out);
} wn_host_noise_1;

#define WN_HOST_PARALLEL_1 \
  "wn.host.parallel/1" /* so that a plugin needs no thread pool of its own */
typedef struct wn_host_parallel_1 {
  /* Calls body(user, begin, end) for disjoint ranges that cover [0, n), each of at least `grain`
   * but the last; returns when all are done. body must not fail, throw or call back into the host.
   * [call] */
  wn_status(WN_CALL* for_range)(const wn_host*, const wn_call*, uint64_t n, uint64_t grain,
                                void(WN_CALL* body)(void* user, uint64_t begin, uint64_t end),
                                void* user);
} wn_host_parallel_1;

/* ---- options ------------------------------------------------------------------------------------
 */
#define WN_OPT_BOOL 1
#define WN_OPT_I64 2
#define WN_OPT_F64 3
#define WN_OPT_STR 4
#define WN_OPT_PATH 5 /* made absolute by the host, relative to the file that names it */
#define WN_OPT_I64_LIST 6
#define WN_OPT_F64_LIST 7
#define WN_OPT_STR_LIST 8
/* GROWABLE. Already validated against the manifest's table, defaults filled in, sorted by key;
 * valid during create(). */
typedef struct wn_option {
  uint32_t struct_size;
  uint32_t type;    /* WN_OPT_* */
  wn_str key;       /* dotted: "restart.patience" */
  int64_t i;        /* BOOL (0 or 1), I64 */
  double f;         /* F64 */
  wn_str s;         /* STR, PATH */
  const void* list; /* [list_len] of int64_t, double or wn_str */
  uint64_t list_len;
} wn_option;

/* ---- plugin -------------------------------------------------------------------------------------
 */
typedef struct wn_instance wn_instance; /* defined by the plugin, opaque to the host */
typedef struct wn_plugin_1 {            /* FROZEN; lives as long as the library */
  const char* id;                       /* "org.example.tree_search"; equal to the manifest's */
  const char* kind;                     /* "sampler" | "verifier" | "search" */
  const char* version;                  /* semver; equal to the manifest's */
  const char* options_toml; /* the [[plugin.option]] tables, embedded by the SDK; equal, once
                               parsed, to the manifest's; NULL: none */
  /* Makes *out from options[n]. May take seconds (weights) and then polls should_stop. [any-thread]
   */
  wn_status(WN_CALL* create)(const wn_host*, const wn_option* const* options, uint64_t n,
                             const wn_call*, wn_instance** out);
  void(WN_CALL* destroy)(
      wn_instance*); /* all threads of the instance are joined on return. [instance] */
  /* The table for an id such as WN_VERIFIER_1, or NULL. Constant for the life of the library.
   * [any-thread] */
  const void*(WN_CALL* get_interface)(const char* id);
} wn_plugin_1;

#define WN_STATE_1 "wn.state/1" /* optional, any kind */
typedef struct wn_sink {        /* FROZEN; bytes taken, or -1. [call] */
  void* ctx;
  int64_t(WN_CALL* write)(void* ctx, const void*, uint64_t);
} wn_sink;
typedef struct wn_source { /* FROZEN; bytes given, 0 at the end, or -1. [call] */
  void* ctx;
  int64_t(WN_CALL* read)(void* ctx, void*, uint64_t);
} wn_source;
typedef struct wn_state_1 {
  wn_status(WN_CALL* save)(wn_instance*, const wn_call*,
                           const wn_sink*); /* bytes a function of the state only. [instance] */
  wn_status(WN_CALL* load)(wn_instance*, const wn_call*,
                           const wn_source*); /* rejects what it does not know. [instance] */
} wn_state_1;

/* ---- what one task asks for: a prompt, a class, reference images --------------------------------
 */
typedef struct wn_named_tensor { /* FROZEN */
  wn_str name;
  const wn_tensor* tensor;
} wn_named_tensor;
typedef struct wn_condition { /* GROWABLE; owned by the host, valid as long as the task's instances
                               */
  uint32_t struct_size;
  uint32_t n_tensors;
  uint64_t task;    /* index of the task within the run, from 0 */
  wn_str prompt;    /* empty: none */
  int64_t class_id; /* -1: none */
  const wn_named_tensor*
      tensors; /* [n_tensors]: "image" [C,H,W] float32 in [0,1], "prompt_embeds", ... */
} wn_condition;

/* ---- flags of the three kinds (one number space) ------------------------------------------------
 */
#define WN_F_REENTRANT 1u /* the host may call concurrently on one instance */
#define WN_F_BATCH_INVARIANT \
  4u /* an item's result is bitwise independent of the batch's composition */
#define WN_F_DETERMINISTIC 8u /* same inputs, same bits, in any process */
#define WN_F_STOCHASTIC 16u   /* sampler: consumes noise after position 0 */
#define WN_F_MIXED_TIMES 32u  /* sampler: items of one batch may stand at different times */
#define WN_F_RENOISE 64u      /* sampler: has wn.sampler.renoise/1 */
#define WN_F_VJP 128u         /* sampler: has wn.sampler.vjp/1 */
#define WN_F_GRAD 256u        /* verifier: has wn.verifier.grad/1 */
#define WN_F_MAGNITUDES \
  512u /* search: needs scores on a fixed scale; refused with pool-based selection */
#define WN_F_RANKED 1024u /* selection: scores[0] is relative to a pool */
#define WN_F_PREVIEW_VJP \
  2048u /* sampler: its vjp also goes through a preview alone, where to_time is from_time */

/* ---- verifier: maps (sample, condition) to numbers, higher is better ----------------------------
 */
#define WN_VERIFIER_1 "wn.verifier/1"
typedef struct wn_verifier_info { /* GROWABLE; the host sets struct_size and zeroes the rest, the
                                     plugin fills in */
  uint32_t struct_size;
  uint32_t flags;           /* WN_F_REENTRANT, BATCH_INVARIANT, DETERMINISTIC, GRAD */
  uint32_t n_heads;         /* numbers per sample, at least 1; head 0 is what selection uses */
  uint32_t preferred_batch; /* 0: no wish */
  uint32_t max_batch;       /* 0: no limit */
  uint32_t reserved0;
  double preview_time; /* in [0, 1]: also wants the decoded preview at that time of the candidate's
                          own leg (its end excepted) that is nearest; a candidate without steps
                          shows itself. -1: not */
} wn_verifier_info;
typedef struct wn_verifier_batch { /* GROWABLE; everything in it is read-only and valid during the
                                      call */
  uint32_t struct_size;
  uint32_t reserved0;
  uint64_t n; /* items, at least 1, at most max_batch */
  const wn_tensor*
      samples; /* [n,C,H,W] float32 in [0,1] unless the sampler's manifest says otherwise */
  const wn_condition* const* conditions; /* [n] */
  const uint64_t* candidate_ids;         /* [n] */
  const wn_tensor* previews;             /* as samples, when info asked for them; else NULL */
} wn_verifier_batch;
typedef struct wn_verifier_1 {
  wn_status(WN_CALL* info)(wn_instance*,
                           wn_verifier_info* out); /* constant for the instance. [instance] */
  /* Writes scores[n * n_heads] (float32, on the CPU, item-major, finite) and status[n] (all WN_OK
   * on entry) in place. Return other than WN_OK: no item counts; WN_E_INVALID_ARGUMENT: no samples
   * of this shape can be judged, which refuses the run when one gray sample, shown before it
   * begins, is answered so. [instance] */
  wn_status(WN_CALL* score)(wn_instance*, const wn_call*, const wn_verifier_batch*, float* scores,
                            wn_status* status);
} wn_verifier_1;
#define WN_VERIFIER_GRAD_1 "wn.verifier.grad/1" /* optional */
typedef struct wn_verifier_grad_1 { /* d head 0 / d sample into d_samples (shape of samples).
                                       [instance] */
  wn_status(WN_CALL* grad)(wn_instance*, const wn_call*, const wn_verifier_batch*,
                           wn_tensor* d_samples, wn_status* status);
} wn_verifier_grad_1;
#define WN_VERIFIER_SET_1 "wn.verifier.set/1" /* optional: set-level verifiers such as FID */
typedef struct wn_verifier_set_1 { /* score() rates an addition to the accepted set; called in task
                                      order. Both see samples as they are written: rounded to 8 bits
                                      per channel, so that a resumed run accepts the same ones */
  wn_status(WN_CALL* reset)(wn_instance*); /* the accepted set becomes empty. [instance] */
  wn_status(WN_CALL* accept)(
      wn_instance*, const wn_call*,
      const wn_verifier_batch*); /* n = 1: the task's chosen sample. [instance] */
} wn_verifier_set_1;

#define WN_VERIFIER_FEATURES_1 "wn.verifier.features/1" /* optional: a feature network */
typedef struct wn_features_info {                       /* GROWABLE; filled in by the plugin */
  uint32_t struct_size;
  uint32_t n_features; /* numbers per sample, at least 1 */
  uint32_t n_classes;  /* 0: the network is no classifier */
  uint32_t reserved0;
  wn_str network; /* names the weights, as by their SHA-256: features of two networks are never
                     compared. Owned by the instance, constant until destroy */
} wn_features_info;
typedef struct wn_verifier_features_1 { /* what sets of samples are compared on: Frechet distance,
                                           precision, recall; with classes the Inception Score */
  wn_status(WN_CALL* info)(wn_instance*, wn_features_info* out); /* constant. [instance] */
  /* Writes features[n * n_features] and log_probabilities[n * n_classes] (natural; NULL when there
   * are no classes), float32, on the CPU, item-major, finite. Does not look at the conditions.
   * [instance] */
  wn_status(WN_CALL* features)(wn_instance*, const wn_call*, const wn_verifier_batch*,
                               float* features, float* log_probabilities, wn_status* status);
} wn_verifier_features_1;

/* ---- search: ask / tell -------------------------------------------------------------------------
 * A candidate is a recipe for a latent: where it comes from, with which noise, up to which time.
 * The host turns recipes into latents, batches them over all live tasks, counts the cost, journals
 * the result and tells it. There is one instance per task. Proposals come in rounds. ask answers
 * OK: more of this round follows, ask again; WAIT: the round is complete; DONE: it is complete and
 * the last. A round is told whole, in push order, however many asks it took. Parents may stand in
 * the same round. A candidate that fails is paid in full; one that fails through its parent costs
 * nothing, save a gradient that it was the first to draw on. After a resume the host replays the
 * tells, so ask must be a pure function of begin and the tells before it. */
#define WN_SEARCH_1 "wn.search/1"
#define WN_CAND_START 0 /* initial latent from noise(0), run to stop_time */
#define WN_CAND_CONTINUE                                                                     \
  1 /* the parent's latent, run on; noise 0: the parent's noise. Shares the parent's preview \
       evaluation */
#define WN_CAND_RENOISE \
  2 /* the parent's latent forward-noised back to from_time with noise(0), then run on */
#define WN_CAND_JITTER \
  3 /* the parent's latent plus s * noise_scale * noise(0) at its time, then run on */
#define WN_CAND_RESCORE                                                                         \
  4 /* a scored, not forgotten candidate (`parent`) judged again in another pool: the new id    \
       stands for the old one. Costs nothing, even after WN_BUDGET; counts in max_n. Ranks told \
       earlier go stale as pools grow */
#define WN_PROFILE_FINAL 0  /* the sampler's full schedule */
#define WN_PROFILE_SEARCH 1 /* the cheaper schedule used while searching ("NFEs per iteration") */
#define WN_SCORE_NONE 0
#define WN_SCORE_SAMPLE 1     /* the decoded sample at time 0; before it, the decoded preview */
typedef struct wn_candidate { /* GROWABLE; small, replayable, shippable; copied by the host during
                                 the call */
  uint32_t struct_size;
  uint32_t op; /* WN_CAND_* */
  uint64_t
      id; /* chosen by the plugin, > 0, growing, never reused; own number space beside the noises */
  uint64_t parent;  /* a candidate that was pushed before; 0 for START */
  uint64_t noise;   /* a noise that was pushed before; 0 only for CONTINUE and RESCORE */
  double s;         /* JITTER */
  double from_time; /* RENOISE only: the noisier time to go back to */
  double stop_time; /* 1 = pure noise, 0 = data; compared exactly; equal to the start: no step is
                       made */
  double stochasticity; /* 0: as the sampler is configured; -1: deterministic solver; > 0: times the
                           sampler's own. Not inherited */
  uint32_t leg_steps; /* 0: along the schedule (from between its times to the next lower one first);
                         n: n steps of the sampler's own spacing */
  uint32_t profile;   /* WN_PROFILE_* */
  uint32_t score;     /* WN_SCORE_* */
  uint32_t reserved0;
  uint64_t pool; /* pool-based selection judges within a pool; 0: the pool of this round */
} wn_candidate;
typedef struct wn_proposals { /* GROWABLE; a host object, valid during ask; copies what it is given.
                                 [call] */
  uint32_t struct_size;
  uint32_t reserved0;
  void* ctx;
  /* Adds a noise to the task's graph. It stays pushed when the candidate that uses it is refused.
   * OK | WN_E_UNIMPLEMENTED: this host does not know the operation, or (GRADIENT, TWIST) the
   * sampler has no vjp, or none through previews, a selecting verifier no grad, or selection ranks;
   * nothing was added. */
  wn_status(WN_CALL* noise)(void* ctx, const wn_noise_recipe*);
  /* OK | WN_BUDGET | WN_E_RESOURCE_EXHAUSTED: max_n reached, return OK and go on at the next ask |
   * an error of the caller */
  wn_status(WN_CALL* candidate)(void* ctx, const wn_candidate*);
  /* Exact price of all n together in NFE; nothing is taken: ids provisional, parents may stand in
   * the array, noise may be 0 */
  wn_status(WN_CALL* cost)(void* ctx, const wn_candidate* const*, uint64_t n, double* nfe);
  double(WN_CALL* left)(
      void* ctx); /* search NFE that the budget still allows; infinity: no such cap */
  /* Gives up ids[n] of candidates: never again a parent. Latents can go at once, recipes as soon as
   * no descendant needs them. A noise goes with the last candidate that used it, unless another
   * noise was made of it: after that no new noise or candidate may name it. Noises that no
   * candidate has used yet stay. The candidate that best() is going to name must not be forgotten.
   */
  wn_status(WN_CALL* forget)(void* ctx, const uint64_t* ids, uint64_t n);
} wn_proposals;
typedef struct wn_result { /* GROWABLE; valid during tell */
  uint32_t struct_size;
  wn_status status; /* not WN_OK: the candidate failed, scores is NULL, the search goes on */
  uint64_t candidate;
  uint32_t n_scores; /* 0 for WN_SCORE_NONE */
  uint32_t reserved0;
  const double* scores; /* [n_scores]; scores[0] is what the run selects on (after the selection
                           rule), the others are head 0 of each selecting verifier. One more for a
                           candidate with a TWIST of its own: log p(noise) - log p(its parent), p
                           standard normal, at the twisted position */
  double nfe;           /* what it was charged */
  double seconds;       /* 0: a time would make replays differ; kept for asynchronous rounds */
} wn_result;
typedef struct wn_problem { /* GROWABLE; given to begin, valid as long as the instance */
  uint32_t struct_size;
  uint32_t n_scores; /* 1 + number of selecting verifiers */
  uint64_t seed;     /* of the task: use it in every noise address */
  double budget_nfe; /* search NFE of this task; infinity: no such cap */
  double final_nfe;  /* NFE of the final generation, reserved outside budget_nfe */
  int64_t latent_shape[6];
  uint32_t latent_ndim;
  uint32_t sampler_flags;
  uint32_t verifier_flags;      /* those that all selecting verifiers have */
  uint32_t selection_flags;     /* WN_F_RANKED */
  uint32_t n_steps[2];          /* by profile */
  uint64_t max_n;               /* candidates per ask; constant for the run */
  const double* times[2];       /* [n_steps + 1] by profile, 1 ... 0 */
  const double* nfe[2];         /* [n_steps] exact cost of each step for one candidate */
  const double* noise_scale[2]; /* [n_steps] what JITTER multiplies by at times[k] */
  double preview_nfe[2];        /* a fresh preview at the latent where a candidate stopped */
  double preview_credit[2]; /* NFE that the first step of every CONTINUE child of a previewed parent
                               saves */
  double backward_nfe; /* GRADIENT: per NFE of the path, on top of the forward pass; charged once
                          per candidate. TWIST: per NFE of the preview */
  const wn_condition* condition;
} wn_problem;
typedef struct wn_search_1 {
  wn_status(WN_CALL* begin)(wn_instance*, const wn_call*,
                            const wn_problem*); /* once, first. [instance] */
  /* Pushes up to max_n candidates. OK | WAIT | DONE | an error. [instance] */
  wn_status(WN_CALL* ask)(wn_instance*, const wn_call*, uint64_t max_n, const wn_proposals*);
  /* All n results of the round, in push order. [instance] */
  wn_status(WN_CALL* tell)(wn_instance*, const wn_call*, const wn_result* const*, uint64_t n);
  /* Up to max_n candidates, best first; may name unfinished ones: the host completes them.
   * [instance] */
  wn_status(WN_CALL* best)(wn_instance*, uint64_t max_n, uint64_t* ids, uint64_t* n_out);
} wn_search_1;

/* ---- sampler: the generative model and its solver, cut at every step ----------------------------
 * The host walks every candidate step by step and may put candidates at different times into one
 * batch. */
#define WN_SAMPLER_1 "wn.sampler/1"
typedef struct wn_sampler_info { /* GROWABLE; filled in by the plugin; constant for the instance and
                                    profile */
  uint32_t struct_size;
  uint32_t flags;   /* WN_F_STOCHASTIC, MIXED_TIMES, RENOISE, VJP, BATCH_INVARIANT, DETERMINISTIC */
  uint32_t n_steps; /* of the schedule, at least 1 */
  uint32_t preferred_batch;
  uint32_t max_batch;      /* 0: no limit */
  wn_dtype latent_dtype;   /* float32 in 1.0 */
  int64_t latent_shape[6]; /* of one item */
  int64_t sample_shape[6]; /* of one item, what decode writes */
  uint32_t latent_ndim;
  uint32_t sample_ndim;
  uint64_t carry_elems; /* float32 values per item that travel with the latent: last evaluation,
                           multistep history; 0: none */
  const double*
      times; /* [n_steps + 1], 1 ... 0, falling; owned by the instance, constant until destroy */
  const double* noise_scale; /* [n_steps]; NULL: JITTER is refused. It is refused between schedule
                                times too */
  double preview_nfe;
  double preview_credit;
  double backward_nfe;
  double network_passes;  /* passes per NFE: 2 with classifier-free guidance */
  double vjp_forward_nfe; /* evaluations that vjp makes again per NFE of the path: its own forward
                             pass, and another one when it keeps checkpoints only. Shown, not
                             capped */
  double flops; /* floating-point operations of one network pass for one candidate (a multiplication
                   with an addition are two); 0: not stated */
} wn_sampler_info;
typedef struct wn_sampler_batch { /* GROWABLE; valid during the call */
  uint32_t struct_size;
  uint32_t profile;
  uint64_t n;                            /* items, at least 1, at most max_batch */
  const wn_condition* const* conditions; /* [n] */
  wn_tensor* latents;                    /* [n, latent_shape], read and written in place */
  wn_tensor* carry;  /* [n, carry_elems] float32 or NULL; all zero: no evaluation, no history (init
                        and JITTER start so) */
  uint8_t* has_eval; /* [n] in and out: carry holds the evaluation at this latent. preview sets and
                        honours it, init and renoise clear it, step clears it or sets it anew. Same
                        bits whether it was 0 or 1 */
  const double* from_time;     /* [n] */
  const double* to_time;       /* [n] */
  const double* stochasticity; /* [n] as in wn_candidate */
  const uint64_t* noise;       /* [n] handles for wn.host.noise/1 */
  const uint32_t* position;    /* [n] the position this step arrives at */
} wn_sampler_batch;
typedef struct wn_sampler_1 {
  /* Of one profile. [instance] */
  wn_status(WN_CALL* info)(wn_instance*, uint32_t profile, wn_sampler_info* out);
  /* times[steps + 1] and nfe[steps] of a leg; steps = 0: from the schedule, *steps_out tells how
   * many. At most max_steps are written (WN_E_RESOURCE_EXHAUSTED beyond). With stochasticity > 0:
   * WN_E_FAILED_PRECONDITION where there is no noise of its own to multiply, so that nobody pays
   * for copies, WN_E_INVALID_ARGUMENT where it is more than it takes. Cheap and pure.
   * [instance] */
  wn_status(WN_CALL* leg)(wn_instance*, uint32_t profile, double from_time, double to_time,
                          double stochasticity, uint32_t steps, uint32_t max_steps, double* times,
                          double* nfe, uint32_t* steps_out);
  /* latents at time 1 from noise(0). [instance] */
  wn_status(WN_CALL* init)(wn_instance*, const wn_call*, const wn_sampler_batch*,
                           wn_status* status);
  /* One solver step per item, from_time -> to_time. status[n] is all WN_OK on entry, here and
   * below. [instance] */
  wn_status(WN_CALL* step)(wn_instance*, const wn_call*, const wn_sampler_batch*,
                           wn_status* status);
  /* clean[n, latent_shape]: the clean latents predicted at from_time, by a fresh evaluation; may
   * fill carry. [instance] */
  wn_status(WN_CALL* preview)(wn_instance*, const wn_call*, const wn_sampler_batch*,
                              wn_tensor* clean, wn_status* status);
  /* samples[n, sample_shape] float32 from latents at time 0 (or clean ones); latents are read only
   * here. [instance] */
  wn_status(WN_CALL* decode)(wn_instance*, const wn_call*, const wn_sampler_batch*,
                             wn_tensor* samples, wn_status* status);
} wn_sampler_1;
#define WN_SAMPLER_RENOISE_1 "wn.sampler.renoise/1" /* optional */
typedef struct wn_sampler_renoise_1 { /* to_time > from_time: back towards noise, keeping the
                                         marginal; consumes noise(0). [instance] */
  wn_status(WN_CALL* renoise)(wn_instance*, const wn_call*, const wn_sampler_batch*,
                              wn_status* status);
} wn_sampler_renoise_1;
#define WN_SAMPLER_VJP_1 "wn.sampler.vjp/1" /* optional */
typedef struct wn_sampler_vjp_1 { /* d score / d sample -> d score / d initial latent, through the
                                     whole deterministic path; latents are the initial ones, read
                                     only; makes its own forward pass. Items with to_time equal to
                                     from_time (WN_F_PREVIEW_VJP; never mixed with others): through
                                     the preview at their latents and decode. [instance] */
  wn_status(WN_CALL* vjp)(wn_instance*, const wn_call*, const wn_sampler_batch*,
                          const wn_tensor* d_samples, wn_tensor* d_latents, wn_status* status);
} wn_sampler_vjp_1;

/* ---- the one exported symbol --------------------------------------------------------------------
 */
typedef struct wn_loader { /* GROWABLE; the host's side of the handshake; valid during the call */
  uint32_t struct_size;
  uint32_t magic;     /* WN_MAGIC */
  uint32_t min_minor; /* what this host speaks */
  uint32_t max_minor;
  const wn_errors* errors;
  wn_str host_name;
  wn_str host_version;
  wn_str library_dir; /* where the library lies, absolute */
} wn_loader;
typedef struct wn_library { /* GROWABLE; the plugin's side; host memory, filled in by the plugin */
  uint32_t struct_size;
  uint32_t magic;
  uint32_t min_minor; /* least the plugin can work with */
  uint32_t max_minor; /* what it was built for */
  uint32_t minor;     /* chosen */
  uint32_t pointer_bits;
  const char* sdk_version;
  uint32_t n_plugins;
  uint32_t reserved0;
  const wn_plugin_1* const* plugins; /* [n_plugins]; live as long as the library */
  void(WN_CALL* shutdown)(void); /* last call; joins threads, drops CUDA handles; NULL: none. The
                                    library is never unmapped. [load] */
} wn_library;
/* [load]; under 100 ms: no threads, no CUDA, no file reads. */
typedef wn_status(WN_CALL* wn_negotiate_fn)(const wn_loader*, wn_library*);
#define WN_ENTRY_SYMBOL "wn_plugin_negotiate_v1"

/* Ships in the header so that no author writes it by hand. need_minor: the least host minor the
 * plugin can work with. */
static inline wn_status wn_negotiate(const wn_loader* in, wn_library* out, uint32_t need_minor) {
  uint32_t top = (uint32_t)WN_TARGET_MINOR;
  if (!in || !out || in->magic != WN_MAGIC) return WN_E_INCOMPATIBLE;
  if (out->struct_size < WN_SIZE(wn_library, shutdown)) return WN_E_INCOMPATIBLE;
  out->magic = WN_MAGIC;
  out->min_minor = need_minor;
  out->max_minor = top;
  out->pointer_bits = (uint32_t)(8 * sizeof(void*));
  out->sdk_version = WN_SDK_VERSION;
  out->minor = in->max_minor < top ? in->max_minor : top;
  return (out->minor < need_minor || out->minor < in->min_minor) ? WN_E_INCOMPATIBLE : WN_OK;
}
#ifdef __cplusplus
}
#endif
#endif
