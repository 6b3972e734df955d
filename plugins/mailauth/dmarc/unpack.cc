// What a piece of octets is, is told from its first octets: names and types of parts are often wrong.
#include "mailauth/dmarc/unpack.h"

#include <zlib.h>

#include <algorithm>

#include "mailauth/base/header_block.h"

namespace mailauth {

namespace {

enum class Kind { xml, gzip, zip, other };

Kind kind_of(std::string_view octets) {
  if (octets.starts_with("\x1F\x8B")) return Kind::gzip;
  if (octets.starts_with(std::string_view("PK\3\4", 4)) || octets.starts_with(std::string_view("PK\5\6", 4))) return Kind::zip;
  if (octets.starts_with("\xEF\xBB\xBF")) octets.remove_prefix(3);
  if (octets.starts_with("\xFF\xFE") || octets.starts_with("\xFE\xFF")) return Kind::xml;  // UTF-16: told apart when it is read
  octets.remove_prefix(std::min(octets.find_first_not_of(" \t\r\n"), octets.size()));
  return octets.starts_with('<') ? Kind::xml : Kind::other;
}

class Unpacker {
 public:
  explicit Unpacker(const UnpackLimits& limits) : limits_(limits), left_(limits.all) {}

  void input(std::string_view octets) {
    if (octets.size() > limits_.all) return problem("the file is larger than " + std::to_string(limits_.all >> 20) + " MiB");
    if (kind_of(octets) != Kind::other) file(octets, "", 0);
    else if (read_header(octets).fields.empty()) problem("it is neither XML, gzip or zip, nor a mail message");
    else message(octets, 0);
    if (out.documents.empty() && out.problems.empty()) problem("the message carries no report");
  }
  Unpacked out;

 private:
  void problem(std::string text) {
    if (out.problems.size() < 20) out.problems.push_back(std::move(text));
  }
  bool too_deep(size_t depth) {
    if (depth <= limits_.depth) return false;
    problem("it has more than " + std::to_string(limits_.depth) + " containers in one another");
    return true;
  }
  bool take(size_t octets) {
    if (octets > left_) return problem("all together is larger than " + std::to_string(limits_.all >> 20) + " MiB"), false;
    left_ -= octets;
    return true;
  }
  common::InflateLimits inflate_limits() const { return {left_, limits_.ratio}; }

  void file(std::string_view octets, const std::string& name, size_t depth) {
    if (too_deep(depth)) return;
    Kind kind = kind_of(octets);
    if (kind == Kind::xml) document(octets, name);
    if (kind == Kind::gzip) gzip(octets, name, depth);
    if (kind == Kind::zip) zip(octets, name, depth);
    if (kind == Kind::other) problem(called(name) + "it is no XML");
  }
  static std::string called(const std::string& name) { return name.empty() ? "" : name.substr(0, 200) + ": "; }

  void document(std::string_view octets, const std::string& name) {
    if (out.documents.size() >= limits_.documents) return problem("it has more than " + std::to_string(limits_.documents) + " reports");
    out.documents.push_back({name, std::string(octets)});  // its octets were counted where they came from
  }
  void gzip(std::string_view octets, const std::string& name, size_t depth) {
    std::string why;
    auto plain = common::gunzipped(octets, inflate_limits(), why);
    if (!plain) return problem(called(name) + why);
    if (take(plain->size())) file(*plain, name, depth + 1);
  }
  void zip(std::string_view octets, const std::string& name, size_t depth) {
    std::string why;
    std::vector<ZipEntry> entries;
    if (!zip_entries(octets, limits_.parts, entries, why)) return problem(called(name) + why);
    for (const ZipEntry& one : entries) {
      if (!count_part()) return;
      auto plain = one.deflated ? common::inflated(one.packed, inflate_limits(), why) : std::optional<std::string>(one.packed);
      bool whole = plain && plain->size() == one.size &&
                   crc32(0, reinterpret_cast<const Bytef*>(plain->data()), static_cast<uInt>(plain->size())) == one.crc;
      if (!whole) problem(called(one.name) + (plain ? "it is damaged: its check sum is wrong" : why));
      else if (!take(plain->size())) return;
      else file(*plain, one.name, depth + 1);
    }
    if (entries.empty()) problem(called(name) + "the archive is empty");
  }
  bool count_part() {
    if (++parts_ <= limits_.parts) return true;
    if (parts_ == limits_.parts + 1) problem("it has more than " + std::to_string(limits_.parts) + " parts");
    return false;
  }
  void message(std::string_view octets, size_t depth) {
    if (too_deep(depth) || !count_part()) return;
    MimePart part = mime_part(octets);
    if (part.type.starts_with("multipart/")) {
      for (std::string_view child : mime_children(part, limits_.parts)) message(child, depth + 1);
    } else if (part.type == "message/rfc822") {
      if (part.encoding.empty() || part.encoding.find("bit") != part.encoding.npos) message(part.body, depth + 1);
    } else {
      std::string decoded = mime_decoded(part);
      bool text = part.type == "text/plain" || part.type == "text/html";
      Kind kind = kind_of(decoded);
      if (kind == Kind::other || (text && (kind != Kind::xml || !part.name.ends_with(".xml")))) return;
      if (take(decoded.size())) file(decoded, part.name, depth + 1);
    }
  }

  const UnpackLimits& limits_;
  size_t left_, parts_ = 0;
};

}  // namespace

Unpacked unpack_reports(std::string_view octets, const UnpackLimits& limits) {
  Unpacker unpacker(limits);
  unpacker.input(octets);
  return std::move(unpacker.out);
}

}  // namespace mailauth
