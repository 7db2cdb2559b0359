// sdk.cpp: the C++ SDK compiles without a warning; see dialects.py.
#include "winnow/winnow.hpp"

extern const char* const winnow_sdk_version;
const char* const winnow_sdk_version = WN_SDK_VERSION;
