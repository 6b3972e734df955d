// The directory at the end of a zip archive, and what it points to. Only what reports use: stored and deflated files, no encryption, no
// zip64.
#include <algorithm>

#include "mailauth/dmarc/unpack.h"

namespace mailauth {

namespace {

constexpr size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30, kLongestComment = 65'535;

uint32_t number(std::string_view octets, size_t at, size_t size) {
  uint32_t out = 0;
  for (size_t i = size; i > 0; --i) out = out << 8 | static_cast<unsigned char>(octets[at + i - 1]);
  return out;
}

std::string_view piece(std::string_view octets, size_t at, size_t size) {
  return at > octets.size() || octets.size() - at < size ? std::string_view() : octets.substr(at, size);
}

// Nothing that fits: npos.
size_t end_record(std::string_view octets) {
  if (octets.size() < kEndSize) return octets.npos;
  size_t last = octets.size() - kEndSize, first = last > kLongestComment ? last - kLongestComment : 0;
  for (size_t at = last + 1; at-- > first;)
    if (octets.substr(at).starts_with(std::string_view("PK\5\6", 4)) && at + kEndSize + number(octets, at + 20, 2) <= octets.size())
      return at;
  return octets.npos;
}

const char* read_entry(std::string_view octets, std::string_view entry, ZipEntry& out) {
  uint32_t flags = number(entry, 8, 2), method = number(entry, 10, 2), packed = number(entry, 20, 4);
  out.crc = number(entry, 16, 4);
  out.size = number(entry, 24, 4);
  out.deflated = method == 8;
  if (flags & 1) return "it is encrypted";
  if (method != 0 && method != 8) return "it is compressed in a way that is not known";
  if (out.size == UINT32_MAX || packed == UINT32_MAX) return "it is too large";
  size_t at = number(entry, 42, 4);
  std::string_view local = piece(octets, at, kLocalSize);
  if (!local.starts_with(std::string_view("PK\3\4", 4))) return "it is damaged: a file is not where its directory says";
  size_t begin = at + kLocalSize + number(local, 26, 2) + number(local, 28, 2);
  if (begin > octets.size() || octets.size() - begin < packed) return "it is damaged: a file goes beyond its end";
  out.packed = octets.substr(begin, packed);
  return nullptr;
}

}  // namespace

bool zip_entries(std::string_view octets, size_t most, std::vector<ZipEntry>& out, std::string& problem) {
  size_t end = end_record(octets);
  if (end == octets.npos) return problem = "it is damaged: the directory of the archive is missing", false;
  size_t count = number(octets, end + 10, 2), at = number(octets, end + 16, 4);
  if (count > most) return problem = "it has more than " + std::to_string(most) + " files", false;
  for (size_t i = 0; i < count; ++i) {
    std::string_view entry = piece(octets, at, kEntrySize);
    if (!entry.starts_with(std::string_view("PK\1\2", 4))) return problem = "it is damaged: its directory cannot be read", false;
    size_t name = number(entry, 28, 2), rest = number(entry, 30, 2) + number(entry, 32, 2);
    ZipEntry one;
    one.name = piece(octets, at + kEntrySize, name);
    at += kEntrySize + name + rest;
    if (one.name.ends_with('/')) continue;
    if (const char* why = read_entry(octets, entry, one)) return problem = why, false;
    out.push_back(std::move(one));
  }
  return true;
}

}  // namespace mailauth
