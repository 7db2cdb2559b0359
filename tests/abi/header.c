/* header.c: winnow.h is C99, without hidden padding; see CMakeLists.txt. */
#include "winnow/winnow.h"

extern const char* winnow_header_version;
const char* winnow_header_version = WN_SDK_VERSION;
