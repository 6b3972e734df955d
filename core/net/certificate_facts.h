// What a certificate says of itself, for people and programs that look at it; and the TLSA records that it would match. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/dane.h"

namespace veredus {

struct CertificateFacts {
  bool readable = false;            // else the rest is empty
  std::string subject, issuer;      // RFC 4514
  std::vector<std::string> names;   // DNS names of subjectAltName, else the common name
  WallTime from{}, until{};
  std::string key;                  // "ECDSA 256 bits (SECP256R1)", "RSA 2048 bits"
  std::string signature;            // "ECDSA-SHA256"
  std::string fingerprint;          // SHA-256, lower-case hex
  bool self_issued = false, ca = false;

  int64_t days_left(WallTime now) const;  // negative: expired
};
CertificateFacts certificate_facts(std::string_view der);

// The record that matches this certificate; nothing when it is none.
std::optional<TlsaRecord> make_tlsa(std::string_view der, uint8_t usage, uint8_t selector, uint8_t matching);

}  // namespace veredus
