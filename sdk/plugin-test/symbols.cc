// The dynamic symbols of an ELF object, without loading it.
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "object.h"

namespace veredus::ptest {

namespace {

// Reads structures out of the file's octets; nothing outside of them is ever touched.
class Octets {
 public:
  explicit Octets(std::string octets) : octets_(std::move(octets)) {}
  template <typename T>
  bool read(uint64_t offset, T* out) const {
    if (offset > octets_.size() || octets_.size() - offset < sizeof(T)) return false;
    std::memcpy(out, octets_.data() + offset, sizeof(T));
    return true;
  }
  std::string text(uint64_t offset) const {
    if (offset >= octets_.size()) return {};
    size_t end = octets_.find('\0', offset);
    return octets_.substr(offset, end == std::string::npos ? std::string::npos : end - offset);
  }

 private:
  std::string octets_;
};

bool find_section(const Octets& file, const Elf64_Ehdr& header, uint32_t type, Elf64_Shdr* out) {
  for (unsigned i = 0; i < header.e_shnum; ++i)
    if (file.read(header.e_shoff + uint64_t{i} * header.e_shentsize, out) && out->sh_type == type) return true;
  return false;
}

bool is_entry(const std::string& name) {
  constexpr std::string_view kPrefix = "veredus_plugin_";
  if (!name.starts_with(kPrefix) || name.size() == kPrefix.size()) return false;
  return std::all_of(name.begin() + kPrefix.size(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<Symbols> read_symbols(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Errc::not_found, path + ": cannot be read");
  std::stringstream all;
  all << in.rdbuf();
  Octets file(all.str());
  Elf64_Ehdr header;
  bool elf = file.read(0, &header) && std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64;
  Elf64_Shdr table, strings;
  if (!elf || header.e_type != ET_DYN || !find_section(file, header, SHT_DYNSYM, &table)) return fail(Errc::invalid, path + ": not a shared object");
  if (!file.read(header.e_shoff + uint64_t{table.sh_link} * header.e_shentsize, &strings)) return fail(Errc::invalid, path + ": has no names");
  Symbols out;
  for (uint64_t at = sizeof(Elf64_Sym); at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    if (!file.read(table.sh_offset + at, &symbol)) break;
    std::string name = file.text(strings.sh_offset + symbol.st_name);
    if (symbol.st_shndx == SHN_UNDEF) out.undefined.push_back(name);
    else if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL) out.exported.push_back(name);
  }
  return out;
}

std::vector<std::string> symbol_problems(const Symbols& symbols) {
  std::vector<std::string> out;
  size_t entries = 0;
  for (const std::string& name : symbols.exported) {
    if (is_entry(name)) ++entries;
    else out.push_back("exports " + name + ": link with a version script that leaves only veredus_plugin_[0-9]+");
  }
  if (entries == 0) out.push_back("exports no veredus_plugin_1");
  for (const std::string& name : symbols.undefined)
    if (name.starts_with("vrd_") || name.find("veredus") != name.npos) out.push_back("needs " + name + ", which no host offers: interfaces are asked for by iface()");
  return out;
}

}  // namespace veredus::ptest
