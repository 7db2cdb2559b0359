/* score.c: score.h is C99 and C++11; see dialects.py. */
#include "winnow/score.h"

#define WINNOW_PLUGIN_ID "org.example.first"
#define WINNOW_PLUGIN_N_OPTIONS 0
#define WINNOW_PACKAGE_VERSION "1.0.0"

static double first(const wn_picture* picture) { return picture->pixels[0]; }

WN_EXPORT_SCORE(first)
