// catch.hpp: the test framework; the one place that knows which Catch2 it is.
#pragma once

#include <catch2/catch.hpp>
