// The careful reader: section headers lead to the dynamic symbols, strings and tags; everything is bounded by the file and by kMost.
#include "plugin/elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace veredus {

namespace {

using Header = ElfW(Ehdr);
using Section = ElfW(Shdr);
using Symbol = ElfW(Sym);
using Tag = ElfW(Dyn);

constexpr uint64_t kMost = 64 * 1024 * 1024;  // of one table
constexpr unsigned char kClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
constexpr unsigned char kOrder = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

#if defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr unsigned kMachine = EM_RISCV;
#elif defined(__powerpc64__)
constexpr unsigned kMachine = EM_PPC64;
#elif defined(__s390x__)
constexpr unsigned kMachine = EM_S390;
#else
constexpr unsigned kMachine = EM_NONE;  // not judged; the loader does
#endif

class ElfReader {
 public:
  explicit ElfReader(const std::string& path) : path_(path), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~ElfReader() {
    if (fd_ >= 0) close(fd_);
  }
  ElfReader(const ElfReader&) = delete;

  Status read_header();
  Result<ElfSummary> summary();

 private:
  Error wrong(const std::string& text) const { return fail(Errc::invalid, path_ + ": " + text); }
  template <typename T>
  std::optional<std::vector<T>> table(uint64_t offset, uint64_t octets) const;
  std::optional<std::string> strings(size_t section) const;
  bool read_symbols(const Section& section, ElfSummary& out) const;
  bool read_tags(const Section& section, ElfSummary& out) const;

  std::string path_;
  int fd_;
  uint64_t size_ = 0;
  Header header_{};
  std::vector<Section> sections_;
};

// Whole entries at a place in the file; nothing when they are not all there.
template <typename T>
std::optional<std::vector<T>> ElfReader::table(uint64_t offset, uint64_t octets) const {
  if (octets > kMost || offset > size_ || octets > size_ - offset || octets % sizeof(T) != 0) return std::nullopt;
  std::vector<T> out(octets / sizeof(T));
  auto* at = reinterpret_cast<char*>(out.data());
  for (uint64_t got = 0; got < octets;) {
    ssize_t more = pread(fd_, at + got, octets - got, static_cast<off_t>(offset + got));
    if (more <= 0) return std::nullopt;
    got += static_cast<uint64_t>(more);
  }
  return out;
}

Status ElfReader::read_header() {
  struct stat info = {};
  if (fd_ < 0 || fstat(fd_, &info) != 0) return fail(Errc::io, path_ + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return wrong("not a regular file");
  size_ = static_cast<uint64_t>(info.st_size);
  auto header = table<Header>(0, sizeof(Header));
  if (!header || std::memcmp(header->front().e_ident, ELFMAG, SELFMAG) != 0) return wrong("not a shared object (no ELF file)");
  header_ = header->front();
  if (header_.e_ident[EI_CLASS] != kClass || header_.e_ident[EI_DATA] != kOrder || (kMachine != EM_NONE && header_.e_machine != kMachine))
    return wrong("a shared object for another kind of machine");
  if (header_.e_type != ET_DYN) return wrong("not a shared object (a program or an object file)");
  return {};
}

std::optional<std::string> ElfReader::strings(size_t section) const {
  if (section >= sections_.size() || sections_[section].sh_type != SHT_STRTAB) return std::nullopt;
  auto octets = table<char>(sections_[section].sh_offset, sections_[section].sh_size);
  if (!octets) return std::nullopt;
  return std::string(octets->begin(), octets->end());
}

std::optional<std::string> string_at(const std::string& strings, uint64_t offset) {
  size_t end = offset < strings.size() ? strings.find('\0', offset) : std::string::npos;
  if (end == std::string::npos) return std::nullopt;
  return strings.substr(offset, end - offset);
}

bool ElfReader::read_symbols(const Section& section, ElfSummary& out) const {
  auto names = strings(section.sh_link);
  auto symbols = table<Symbol>(section.sh_offset, section.sh_size);
  if (!names || !symbols) return false;
  for (const Symbol& symbol : *symbols) {
    unsigned binding = symbol.st_info >> 4, visibility = symbol.st_other & 3;
    if (binding == STB_LOCAL) continue;
    auto name = string_at(*names, symbol.st_name);
    if (!name) return false;
    if (symbol.st_shndx == SHN_UNDEF) out.undefined.push_back(*name);
    else if (visibility == STV_DEFAULT || visibility == STV_PROTECTED) out.exported.push_back(*name);
  }
  return true;
}

bool ElfReader::read_tags(const Section& section, ElfSummary& out) const {
  auto names = strings(section.sh_link);
  auto tags = table<Tag>(section.sh_offset, section.sh_size);
  if (!names || !tags) return false;
  for (const Tag& tag : *tags) {
    if (tag.d_tag == DT_NULL) break;
    if (tag.d_tag != DT_NEEDED && tag.d_tag != DT_RPATH && tag.d_tag != DT_RUNPATH) continue;
    auto value = string_at(*names, tag.d_un.d_val);
    if (!value) return false;
    if (tag.d_tag == DT_NEEDED) out.needed.push_back(*value);
    else out.run_path = *value;
  }
  return true;
}

Result<ElfSummary> ElfReader::summary() {
  if (Status status = read_header(); !status) return status.error();
  auto sections = table<Section>(header_.e_shoff, uint64_t{header_.e_shnum} * sizeof(Section));
  if (!sections || header_.e_shentsize != sizeof(Section) || sections->empty()) return wrong("its table of sections is missing or damaged");
  sections_ = std::move(*sections);
  ElfSummary out;
  bool found = false, good = true;
  for (const Section& section : sections_) {
    if (section.sh_type == SHT_DYNSYM) good &= found = read_symbols(section, out);
    if (section.sh_type == SHT_DYNAMIC) good &= read_tags(section, out);
  }
  if (!good) return wrong("its dynamic symbols or tags are damaged");
  if (!found) return wrong("it has no dynamic symbols");
  return out;
}

}  // namespace

Status check_elf(const std::string& path) { return ElfReader(path).read_header(); }

Result<ElfSummary> read_elf(const std::string& path) { return ElfReader(path).summary(); }

}  // namespace veredus
