// Judging the certificate chain that a server sent: names, trust anchors, fingerprints. Values; any thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace veredus {

// Certificates of a PEM file that chains are verified against; loaded once and shared.
class TrustAnchors {
 public:
  virtual ~TrustAnchors() = default;
  static Result<std::shared_ptr<const TrustAnchors>> load(const std::string& file);  // the error names the file; blocks
};

// Why a chain is not accepted; the words of RFC 8460 4.3.
enum class CertificateFault : uint8_t { none, missing, not_trusted, expired, not_yet_valid, host_mismatch, revoked, malformed };
std::string_view certificate_fault_word(CertificateFault fault);  // "certificate-expired", "certificate-host-mismatch", ...

struct CertificateVerdict {
  CertificateFault fault = CertificateFault::none;
  std::string text;  // one sentence: what is wrong, with the names or dates concerned
};

// `names`: any of them is enough; "*.example.test" and ".example.test" as RFC 6125 and RFC 8461 4.1 say; no names: the name is not looked at.
CertificateVerdict verify_chain(std::span<const std::string> chain, const TrustAnchors& anchors, std::span<const std::string> names, WallTime now);
CertificateVerdict verify_names(std::string_view certificate, std::span<const std::string> names);
std::string certificate_fingerprint(std::string_view certificate);  // SHA-256, lower-case hex
// Is it among these, which people may have written with colons and in capitals?
bool is_fingerprint_of(std::span<const std::string> fingerprints, std::string_view fingerprint);
std::string certificate_subject(std::string_view certificate);
std::vector<std::string> certificate_names(std::string_view certificate);  // DNS names of subjectAltName, else the common name
WallTime certificate_expiry(std::string_view certificate);

}  // namespace veredus
