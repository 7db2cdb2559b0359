// fuzzer.cpp: libFuzzer's side; the environment's TARGET names the reader. See CMakeLists.txt.
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/targets.hpp"

namespace {
void (*run)(std::string_view) = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_level(spdlog::level::off);
  const char* wanted = std::getenv("TARGET");
  for (const auto& target : winnow::fuzz::targets())
    if (wanted && target.name == wanted) run = target.run;
  if (run) return 0;
  std::fprintf(stderr, "TARGET names no folder of tests/fuzz/corpus\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  run({reinterpret_cast<const char*>(data), size});
  return 0;
}
