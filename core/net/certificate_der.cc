// Walks over DER elements; every length is compared with what is left.
#include "net/certificate_der.h"

#include <cstddef>

namespace veredus {

namespace {

constexpr unsigned char kSequence = 0x30, kInteger = 0x02, kVersion = 0xA0;

unsigned octet(std::string_view der, size_t at) { return static_cast<unsigned char>(der[at]); }

struct Element {
  std::string_view whole, content;
};

// Takes the first element off `der` when it has this tag; lengths up to four octets.
std::optional<Element> take(std::string_view& der, unsigned char tag) {
  if (der.size() < 2 || octet(der, 0) != tag) return std::nullopt;
  size_t head = 2, length = octet(der, 1);
  if (length > 0x84 || length == 0x80) return std::nullopt;
  if (length > 0x80) {
    size_t octets = length - 0x80;
    if (der.size() < head + octets) return std::nullopt;
    for (length = 0; octets > 0; --octets) length = length << 8 | octet(der, head++);
  }
  if (der.size() - head < length) return std::nullopt;
  Element out{der.substr(0, head + length), der.substr(head, length)};
  der.remove_prefix(head + length);
  return out;
}

bool skip(std::string_view& der, unsigned char tag) { return take(der, tag).has_value(); }

// RFC 5280 4.1: version, serialNumber, signature, issuer, validity, subject come first.
std::optional<std::string_view> public_key_of(std::string_view fields) {
  skip(fields, kVersion);
  if (!skip(fields, kInteger)) return std::nullopt;
  for (int before = 0; before < 4; ++before)
    if (!skip(fields, kSequence)) return std::nullopt;
  auto key = take(fields, kSequence);
  if (!key) return std::nullopt;
  return key->whole;
}

}  // namespace

std::optional<CertificateParts> certificate_parts(std::string_view der) {
  auto certificate = take(der, kSequence);
  if (!certificate || !der.empty()) return std::nullopt;
  auto signed_part = take(certificate->content, kSequence);
  if (!signed_part) return std::nullopt;
  auto key = public_key_of(signed_part->content);
  if (!key) return std::nullopt;
  return CertificateParts{signed_part->whole, *key};
}

}  // namespace veredus
