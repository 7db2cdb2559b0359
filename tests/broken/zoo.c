/* zoo.c: a verifier with exactly one flaw, chosen by -DFLAW_<NAME>; without one it is sound. */
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
#ifdef FLAW_NO_INTERFACE
  (void)id;
  return NULL;
#else
  return id; /* never called through in these tests */
#endif
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
#ifdef FLAW_EXTRA_SYMBOL
WN_EXPORT int leaked_symbol(void) { return 1; }
#endif
#ifdef FLAW_NO_SYMBOL
#define wn_plugin_negotiate_v1 wn_plugin_negotiate_v2
#endif

WN_EXPORT wn_status wn_plugin_negotiate_v1(const wn_loader* in, wn_library* out) {
  wn_status status = wn_negotiate(in, out, 0);
  if (status != WN_OK) return status;
  out->plugins = plugins;
  out->n_plugins = sizeof plugins / sizeof plugins[0];
#if defined(FLAW_UNDEFINED_SYMBOL)
  status = function_that_is_nowhere();
#elif defined(FLAW_MAGIC)
  out->magic = 42;
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
