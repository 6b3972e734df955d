// The parts of a certificate that DANE compares octet by octet, cut out of its DER as they stand. Values; any thread.
#pragma once

#include <optional>
#include <string_view>

namespace veredus {

// Views into the certificate.
struct CertificateParts {
  std::string_view to_be_signed;  // tbsCertificate with its header: what the issuer's signature covers
  std::string_view public_key;    // subjectPublicKeyInfo with its header
};

// The parts of exactly one certificate; nothing when it is not one, or something follows it.
std::optional<CertificateParts> certificate_parts(std::string_view der);

}  // namespace veredus
