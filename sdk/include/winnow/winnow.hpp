// winnow.hpp: the C++20 SDK for plugin authors, header-only, on the standard library and winnow.h.
//
//   plugin.hpp    errors, options, the host's services, tensors: for every kind
//   verifier.hpp  verifiers          sampler.hpp  samplers          search.hpp  searches
//   export.hpp    WN_EXPORT_PLUGINS, which makes the library's one symbol
//
// Read the header comment of your kind first; it shows the whole class. Errors are thrown as
// wn::Error and never leave the library. Everything lives in namespace wn, inside an inline
// namespace of this SDK's version, so that plugins built with different SDKs share a process.
#pragma once

#include "winnow/export.hpp"
#include "winnow/plugin.hpp"
#include "winnow/sampler.hpp"
#include "winnow/search.hpp"
#include "winnow/verifier.hpp"
