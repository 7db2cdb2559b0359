// elf_file_test.cpp: libraries read without loading them, good and damaged ones.
#include "host/elf_file.hpp"

#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
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

struct Section {
  std::string name;
  std::uint32_t type, link, info;
  std::string bytes;
};

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// A library of these sections alone; number 1 holds their names.
std::string crafted(std::vector<Section> sections) {
  std::string names(1, '\0');
  sections.insert(sections.begin(), {{"", SHT_NULL, 0, 0, ""}, {"names", SHT_STRTAB, 0, 0, ""}});
  std::vector<Elf64_Shdr> headers;
  for (const Section& section : sections) {
    Elf64_Shdr& header = headers.emplace_back();
    header = {};
    header.sh_name = static_cast<std::uint32_t>(names.size());
    header.sh_type = section.type;
    header.sh_link = section.link;
    header.sh_info = section.info;
    names += section.name + '\0';
  }
  sections[1].bytes = names;
  std::string contents;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    headers[i].sh_offset = sizeof(Elf64_Ehdr) + contents.size();
    headers[i].sh_size = sections[i].bytes.size();
    contents += sections[i].bytes;
  }
  Elf64_Ehdr elf;
  std::memcpy(&elf, shipped().data(), sizeof elf);
  elf.e_shoff = sizeof elf + contents.size();
  elf.e_shnum = static_cast<std::uint16_t>(headers.size());
  elf.e_shstrndx = 1;
  std::string file = bytes_of(elf) + contents;
  for (const Elf64_Shdr& header : headers) file += bytes_of(header);
  return file;
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

ElfLibrary read(const std::string& bytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.so", bytes);
  return read_elf_library(folder / "a.so");
}

}  // namespace

TEST_CASE("a shipped library says what it exports", "[elf_file]") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.so", shipped());
  const ElfLibrary library = read_elf_library(folder / "a.so");
  CHECK(library.exports == std::vector<std::string>{WN_ENTRY_SYMBOL});
  CHECK(read_elf_header(folder / "a.so")->same_kind(*read_elf_header("/proc/self/exe")));
}

// One that is the same in every build: sanitizers change what a plugin needs.
TEST_CASE("the standard library says what it needs", "[elf_file]") {
  Dl_info info;
  REQUIRE(dladdr(reinterpret_cast<const void*>(&std::terminate), &info) != 0);
  const ElfLibrary library = read_elf_library(info.dli_fname);
  CHECK(std::ranges::count(library.needed, "libc.so.6") == 1);
  CHECK(library.versions.contains("GLIBC"));
  CHECK(library.exports.size() > 1000);
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

TEST_CASE("a crafted library costs neither memory nor hours", "[elf_file]") {
  std::string long_name(1 << 20, 'a');
  const Section text{"text", SHT_STRTAB, 0, 0, long_name.append(1, '\0')};
  SECTION("thousands of symbols with one long name") {
    Elf64_Sym symbol{};
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
    symbol.st_shndx = 1;
    symbol.st_size = 1;
    const auto file = [&](std::size_t times) {
      return crafted({text, {"symbols", SHT_DYNSYM, 2, 0, repeated(bytes_of(symbol), times)}});
    };
    CHECK(read(file(2)).exports == std::vector<std::string>(2, std::string(1 << 20, 'a')));
    CHECK_THROWS_WITH(read(file(4000)), Catch::Contains("its names are too long"));
  }
  SECTION("every list of symbol versions runs through all others") {
    Elf64_Verneed need{};
    need.vn_version = 1;
    need.vn_cnt = 0xFFFF;
    need.vn_next = sizeof need;  // where a Vernaux has its own
    const std::uint32_t many = 10000;
    std::string needs = repeated(bytes_of(need), many - 1);
    need.vn_next = 0;
    needs += bytes_of(need);
    CHECK_THROWS_WITH(
        read(crafted({text, {"needs", SHT_GNU_verneed, 2, many, needs}})),
        Catch::Contains("its symbol versions overlap") || Catch::Contains("names are too long"));
    const Section short_text{"text", SHT_STRTAB, 0, 0, std::string("a\0", 2)};
    CHECK_THROWS_WITH(read(crafted({short_text, {"needs", SHT_GNU_verneed, 2, many, needs}})),
                      Catch::Contains("its symbol versions overlap"));
  }
  SECTION("a million compilers") {
    std::string comment;
    for (int i = 0; i < 1'000'000; ++i) comment += std::to_string(i) + '\0';
    CHECK(read(crafted({{".comment", SHT_PROGBITS, 0, 0, comment}})).compilers.size() < 10'000);
  }
  SECTION("a section of a GiB") {
    const TemporaryFolder folder;
    std::string bytes = crafted({text, {"symbols", SHT_DYNSYM, 2, 0, ""}});
    const std::uint64_t huge = std::uint64_t{1} << 30;
    const std::size_t last = bytes.size() - sizeof(Elf64_Shdr);
    std::memcpy(&bytes[last + offsetof(Elf64_Shdr, sh_size)], &huge, sizeof huge);
    write_bytes(folder / "a.so", bytes);
    std::filesystem::resize_file(folder / "a.so", 2 * huge);
    CHECK_THROWS_WITH(read_elf_library(folder / "a.so"), Catch::Contains("is too large"));
  }
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
