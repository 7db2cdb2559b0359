// main.cpp: the main function of the unit tests.
#define CATCH_CONFIG_MAIN
#include "tests/support/catch.hpp"
