// elf_file.cpp: a reader of ELF sections; every offset in the file is checked before it is
// followed.
#include "host/elf_file.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>

#include "host/error.hpp"
#include "host/variant.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86_64";
    case EM_AARCH64:
      return "aarch64";
    case EM_386:
      return "i386";
    case EM_ARM:
      return "arm";
    case EM_RISCV:
      return "riscv";
    case EM_PPC64:
      return "ppc64";
    default:
      return fmt::format("machine type {}", machine);
  }
}

// Of what a library of hundreds of MB needs a fraction.
constexpr std::uint64_t kLargestSection = std::uint64_t{1} << 29;
constexpr std::uint64_t kMostNameBytes = std::uint64_t{1} << 26;  // of all names that are read
constexpr std::size_t kLargestComment = 1 << 14;

class Sections {
 public:
  explicit Sections(const fs::path& file) : file_(file), in_(file, std::ios::binary) {
    const auto header = read_elf_header(file);
    if (!header) fail("it is no ELF file");
    if (header->bits != 64 || header->little_endian != (std::endian::native == std::endian::little))
      fail("it has other addresses or another byte order than this program");
    size_ = fs::file_size(file);
    const auto elf = values<Elf64_Ehdr>(0, sizeof(Elf64_Ehdr)).front();
    if (elf.e_shnum == 0 || elf.e_shentsize != sizeof(Elf64_Shdr)) fail("it has no sections");
    all_ = values<Elf64_Shdr>(elf.e_shoff, std::uint64_t{elf.e_shnum} * sizeof(Elf64_Shdr));
    if (elf.e_shstrndx >= all_.size()) fail("its sections have no names");
    names_ = bytes(all_[elf.e_shstrndx].sh_offset, all_[elf.e_shstrndx].sh_size);
  }

  [[noreturn]] void fail(const char* why) const {
    throw Error(Exit::kPlugin,
                fmt::format("{}: its symbols cannot be read: {}", file_.string(), why));
  }

  const Elf64_Shdr* of_type(std::uint32_t type) const {
    const auto found = std::ranges::find(all_, type, &Elf64_Shdr::sh_type);
    return found == all_.end() ? nullptr : &*found;
  }
  const Elf64_Shdr* named(std::string_view name) const {
    const auto same = [&](const Elf64_Shdr& s) { return is_text_at(names_, s.sh_name, name); };
    const auto found = std::ranges::find_if(all_, same);
    return found == all_.end() ? nullptr : &*found;
  }
  static bool is_text_at(const std::string& strings, std::uint64_t at, std::string_view text) {
    return at < strings.size() && strings.size() - at > text.size() &&
           strings.compare(at, text.size(), text) == 0 && strings[at + text.size()] == '\0';
  }

  std::string bytes(const Elf64_Shdr& section) {
    return section.sh_type == SHT_NOBITS ? "" : bytes(section.sh_offset, section.sh_size);
  }
  // The string table that a section's names are in.
  std::string strings_of(const Elf64_Shdr& section) {
    if (section.sh_link >= all_.size()) fail("a section has no string table");
    return bytes(all_[section.sh_link]);
  }
  template <typename T>
  std::vector<T> values(const Elf64_Shdr& section) {
    return values<T>(section.sh_offset, section.sh_size);
  }

  // A crafted file can have many names that all run through its whole string table.
  std::string_view text_at(const std::string& strings, std::uint64_t at) {
    if (at >= strings.size()) fail("a name lies outside of its string table");
    const auto text = std::string_view(strings).substr(at, kMostNameBytes);
    const auto name = text.substr(0, text.find('\0'));
    if ((name_bytes_ += name.size()) > kMostNameBytes) fail("its names are too long");
    return name;
  }

 private:
  std::string bytes(std::uint64_t offset, std::uint64_t size) {
    if (offset > size_ || size > size_ - offset) fail("a section lies outside of the file");
    if (size > kLargestSection) fail("a section is too large");
    std::string read(size, '\0');
    in_.seekg(static_cast<std::streamoff>(offset));
    if (!in_.read(read.data(), static_cast<std::streamsize>(size))) fail("it ends too early");
    return read;
  }
  template <typename T>
  std::vector<T> values(std::uint64_t offset, std::uint64_t size) {
    const std::string read = bytes(offset, size);
    std::vector<T> values(read.size() / sizeof(T));
    std::memcpy(values.data(), read.data(), values.size() * sizeof(T));
    return values;
  }

  fs::path file_;
  std::ifstream in_;
  std::uint64_t size_ = 0, name_bytes_ = 0;
  std::vector<Elf64_Shdr> all_;
  std::string names_;
};

void read_exports(Sections& sections, ElfLibrary& library) {
  const Elf64_Shdr* table = sections.of_type(SHT_DYNSYM);
  if (!table) return;
  const std::string names = sections.strings_of(*table);
  for (const Elf64_Sym& symbol : sections.values<Elf64_Sym>(*table)) {
    const auto visibility = ELF64_ST_VISIBILITY(symbol.st_other);
    const bool seen = symbol.st_shndx != SHN_UNDEF && symbol.st_size != 0 &&
                      ELF64_ST_BIND(symbol.st_info) != STB_LOCAL &&
                      (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
    if (seen) library.exports.emplace_back(sections.text_at(names, symbol.st_name));
  }
  std::ranges::sort(library.exports);
}

void read_dynamic(Sections& sections, ElfLibrary& library) {
  const Elf64_Shdr* table = sections.of_type(SHT_DYNAMIC);
  if (!table) return;
  const std::string names = sections.strings_of(*table);
  for (const Elf64_Dyn& entry : sections.values<Elf64_Dyn>(*table)) {
    const std::uint64_t value = entry.d_un.d_val;
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_NEEDED) library.needed.emplace_back(sections.text_at(names, value));
    if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH)
      library.run_path = sections.text_at(names, value);
    if (entry.d_tag == DT_FLAGS) library.static_tls |= (value & DF_STATIC_TLS) != 0;
  }
}

// "GLIBC_2.34"; names without a number (GLIBC_PRIVATE) say nothing of an age.
void note_version(std::string_view name, ElfLibrary& library) {
  const std::size_t end = name.rfind('_');
  if (end == name.npos) return;
  const std::string family(name.substr(0, end)), version(name.substr(end + 1));
  if (version.empty() || version.find_first_not_of("0123456789.") != version.npos) return;
  std::string& highest = library.versions[family];
  if (highest.empty() || version_fulfils(version, ">" + highest)) highest = version;
}

void read_versions(Sections& sections, ElfLibrary& library) {
  const Elf64_Shdr* table = sections.of_type(SHT_GNU_verneed);
  if (!table) return;
  const std::string names = sections.strings_of(*table), bytes = sections.bytes(*table);
  const auto at = [&](std::uint64_t offset, auto& value) {
    if (offset > bytes.size() || sizeof value > bytes.size() - offset)
      sections.fail("a symbol version lies outside of its section");
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  };
  std::uint64_t offset = 0;
  std::size_t left = bytes.size() / sizeof(Elf64_Vernaux);  // those of two libraries may overlap
  for (std::uint64_t n = 0; n < table->sh_info; ++n) {
    Elf64_Verneed need;
    at(offset, need);
    std::uint64_t place = offset + need.vn_aux;
    for (unsigned k = 0; k < need.vn_cnt; ++k) {
      Elf64_Vernaux version;
      at(place, version);
      if (left-- == 0) sections.fail("its symbol versions overlap");
      note_version(sections.text_at(names, version.vna_name), library);
      if (version.vna_next == 0) break;
      place += version.vna_next;
    }
    if (need.vn_next == 0) break;
    offset += need.vn_next;
  }
}

void read_compilers(Sections& sections, ElfLibrary& library) {
  const Elf64_Shdr* section = sections.named(".comment");
  if (!section) return;
  const std::string text = sections.bytes(*section).substr(0, kLargestComment);
  for (std::size_t at = 0; at < text.size();) {
    const std::string one = text.c_str() + at;
    if (!one.empty() && std::ranges::find(library.compilers, one) == library.compilers.end())
      library.compilers.push_back(one);
    at += one.size() + 1;
  }
}

// gcc links crtfastm.o, whose constructor has this name.
void look_for_fast_math(Sections& sections, ElfLibrary& library) {
  const Elf64_Shdr* table = sections.of_type(SHT_SYMTAB);
  if (!table) return;
  const std::string names = sections.strings_of(*table);
  for (const Elf64_Sym& symbol : sections.values<Elf64_Sym>(*table))
    library.fast_math |= Sections::is_text_at(names, symbol.st_name, "set_fast_math");
}

}  // namespace

std::optional<ElfHeader> read_elf_header(const fs::path& file) {
  // These fields stand at the same places in files of 32 and 64 bits.
  std::error_code unreadable;
  if (!fs::is_regular_file(file, unreadable)) return std::nullopt;  // a pipe would wait
  Elf32_Ehdr raw{};
  std::ifstream in(file, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(&raw), sizeof raw)) return std::nullopt;
  if (std::memcmp(raw.e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
  ElfHeader header;
  header.little_endian = raw.e_ident[EI_DATA] == ELFDATA2LSB;
  const bool swapped = header.little_endian != (std::endian::native == std::endian::little);
  const auto number = [&](unsigned x) { return swapped ? (x & 0xFF) << 8 | x >> 8 : x; };
  header.machine = machine_name(number(raw.e_machine));
  header.bits = raw.e_ident[EI_CLASS] == ELFCLASS64   ? 64
                : raw.e_ident[EI_CLASS] == ELFCLASS32 ? 32
                                                      : 0;
  header.shared_library = number(raw.e_type) == ET_DYN;
  return header;
}

ElfLibrary read_elf_library(const fs::path& file) {
  Sections sections(file);
  ElfLibrary library;
  read_exports(sections, library);
  read_dynamic(sections, library);
  read_versions(sections, library);
  read_compilers(sections, library);
  look_for_fast_math(sections, library);
  return library;
}

}  // namespace winnow
