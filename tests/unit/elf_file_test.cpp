// elf_file_test.cpp: libraries read without loading them, good and damaged ones.
#include "host/elf_file.hpp"

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>

#include "host/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"
#include "winnow/winnow.h"

using namespace winnow;
using namespace winnow::test;

namespace {

std::string shipped() {
  return read_bytes(std::filesystem::path(PLUGINS) / "winnow.brightness/libwinnow_brightness.so");
}

}  // namespace

TEST_CASE("a shipped library says what it exports and needs", "[elf_file]") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.so", shipped());
  const ElfLibrary library = read_elf_library(folder / "a.so");
  CHECK(library.exports == std::vector<std::string>{WN_ENTRY_SYMBOL});
  CHECK(std::ranges::count(library.needed, "libc.so.6") == 1);
  CHECK(library.versions.contains("GLIBC"));
  CHECK(read_elf_header(folder / "a.so")->same_kind(*read_elf_header("/proc/self/exe")));
}

TEST_CASE("a big-endian library is told by its header", "[elf_file]") {
  const TemporaryFolder folder;
  std::string bytes = shipped();
  bytes[EI_DATA] = ELFDATA2MSB;
  bytes[offsetof(Elf64_Ehdr, e_machine)] = 0;
  bytes[offsetof(Elf64_Ehdr, e_machine) + 1] = EM_PPC64;
  bytes[offsetof(Elf64_Ehdr, e_type)] = 0;
  bytes[offsetof(Elf64_Ehdr, e_type) + 1] = ET_DYN;
  write_bytes(folder / "a.so", bytes);
  const auto header = read_elf_header(folder / "a.so");
  CHECK(header->machine == "ppc64");
  CHECK(header->shared_library);
  CHECK_FALSE(header->little_endian);
  CHECK_THROWS_WITH(read_elf_library(folder / "a.so"), Catch::Contains("another byte order"));
}

TEST_CASE("damaged libraries are read or refused, and nothing else", "[elf_file]") {
  const TemporaryFolder folder;
  const std::string good = shipped();
  const auto try_one = [&](const std::string& bytes) {
    write_bytes(folder / "a.so", bytes);
    try {
      read_elf_library(folder / "a.so");
      return true;
    } catch (const Error& error) {
      CHECK(error.exit() == Exit::kPlugin);
      return false;
    }
  };
  int refused = 0;
  for (std::size_t size = 0; size < good.size(); size += 401)
    refused += !try_one(good.substr(0, size));
  CHECK(refused == static_cast<int>((good.size() + 400) / 401));  // the sections stand at the end
  std::mt19937 random(7);
  refused = 0;
  Elf64_Ehdr elf;
  std::memcpy(&elf, good.data(), sizeof elf);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = good;
    const std::size_t from = i % 3 == 0 ? 0 : i % 3 == 1 ? elf.e_shoff : sizeof elf;
    const std::size_t room = i % 3 == 0 ? sizeof elf : bytes.size() - from;
    for (int k = 0; k < 3; ++k) bytes[from + random() % room] = static_cast<char>(random());
    refused += !try_one(bytes);
  }
  CHECK(refused > 100);
  CHECK(refused < 2000);
}
