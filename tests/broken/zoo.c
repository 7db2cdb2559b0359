/* zoo.c: a verifier with exactly one flaw in how it loads, shakes hands or hands out tables, chosen
 * by -DFLAW_<NAME>; without one it is sound. Nothing is ever called through its tables. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "winnow/winnow.h"

#ifndef ID
#define ID "test.plugin"
#endif
#ifndef KIND
#define KIND "verifier"
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef OPTIONS
#define OPTIONS NULL
#endif

#ifndef FLAW_NULL_CREATE
static wn_status create(const wn_host* host, const wn_option* const* options, uint64_t n,
                        const wn_call* call, wn_instance** out) {
  static int instance;
  (void)host, (void)options, (void)n, (void)call;
  *out = (wn_instance*)&instance;
  return WN_OK;
}

#endif
static void destroy(wn_instance* self) { (void)self; }

static const void* get_interface(const char* id) {
  static const wn_verifier_1 tables[64];
  static unsigned calls;
  unsigned which = 0;
  int known = strcmp(id, WN_VERIFIER_1) == 0;
#if defined(FLAW_NO_INTERFACE)
  known = 0;
#elif defined(FLAW_ANY_INTERFACE)
  known = strncmp(id, WN_VERIFIER_1, sizeof WN_VERIFIER_1 - 2) == 0;
#elif defined(FLAW_HIDDEN_INTERFACE)
  known |= strcmp(id, WN_VERIFIER_SET_1) == 0;
#elif defined(FLAW_CHANGING_INTERFACE)
  which = calls++ % 64;
#endif
  (void)calls;
  return known ? &tables[which] : NULL;
}

static const wn_plugin_1 plugin = {
    .id = ID,
    .kind = KIND,
    .version = VERSION,
    .options_toml = OPTIONS,
#ifndef FLAW_NULL_CREATE
    .create = create,
#endif
    .destroy = destroy,
    .get_interface = get_interface,
};

#if defined(FLAW_NULL_SLOT)
static const wn_plugin_1* const plugins[] = {&plugin, NULL};
#elif defined(FLAW_TWICE)
static const wn_plugin_1* const plugins[] = {&plugin, &plugin};
#else
static const wn_plugin_1* const plugins[] = {&plugin};
#endif

#ifdef FLAW_UNDEFINED_SYMBOL
extern int function_that_is_nowhere(void);
#endif
#ifdef FLAW_TWO_OPENMPS
extern int first_openmp(void), second_openmp(void);
#endif
#ifdef FLAW_STATIC_TLS
_Thread_local int of_each_thread __attribute__((tls_model("initial-exec")));
#endif
#ifdef FLAW_EXTRA_SYMBOL
WN_EXPORT int leaked_symbol(void) { return 1; }
#endif
#ifdef FLAW_NO_SYMBOL
#define wn_plugin_negotiate_v1 wn_plugin_negotiate_v2
#endif

#ifdef FLAW_STARTS_THREAD
static void* sleeper(void* nothing) {
  for (;;) pause();
  return nothing;
}
#endif

static void load_badly(void) {
#if defined(FLAW_STATIC_TLS)
  ++of_each_thread;
#elif defined(FLAW_TWO_OPENMPS)
  (void)(first_openmp() + second_openmp());
#elif defined(FLAW_SLOW)
  struct timespec now;
  do {
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  } while (now.tv_sec == 0 && now.tv_nsec < 400000000);
#elif defined(FLAW_STARTS_THREAD)
  pthread_t thread;
  pthread_create(&thread, NULL, sleeper, NULL);
#elif defined(FLAW_CHANGES_FOLDER)
  (void)!chdir("/");
#endif
}

WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  wn_status status = wn_negotiate(in, out, 0);
  load_badly();
#ifdef FLAW_TAKES_ALL
  status = WN_OK;
#endif
  if (status != WN_OK) return status;
  out->plugins = plugins;
  out->n_plugins = sizeof plugins / sizeof plugins[0];
#if defined(FLAW_UNDEFINED_SYMBOL)
  status = function_that_is_nowhere();
#elif defined(FLAW_MAGIC)
  out->magic = 42;
#elif defined(FLAW_WRITES_BEYOND)
  memset((char*)out + sizeof *out, 0x11, 8);
#elif defined(FLAW_POINTER_BITS)
  out->pointer_bits = 16;
#elif defined(FLAW_MINOR)
  out->minor = 77;
#elif defined(FLAW_NEWER_MINOR)
  out->min_minor = 9;
  status = WN_E_INCOMPATIBLE;
#elif defined(FLAW_ZERO)
  out->n_plugins = 0;
#elif defined(FLAW_NULL_LIST)
  out->plugins = NULL;
#elif defined(FLAW_REFUSES)
  in->errors->set(in->errors->ctx, WN_E_INTERNAL, "no licence", 10);
  status = WN_E_INTERNAL;
#elif defined(FLAW_SILENT)
  status = WN_E_INTERNAL;
#endif
  return status;
}
