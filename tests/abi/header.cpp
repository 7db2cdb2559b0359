// header.cpp: winnow.h is C++11 too, without hidden padding; see CMakeLists.txt.
#include "winnow/winnow.h"

extern const char* const winnow_header_version;
const char* const winnow_header_version = WN_SDK_VERSION;
