// DANE (RFC 6698, 7671) as SMTP uses it (RFC 7672): which TLSA records are usable, and whether a chain matches one of them. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/resolver.h"

namespace veredus {

struct TlsaRecord {
  uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;
  std::string text() const;        // "3 1 1 9f86d0...", the whole data in hex
  std::string short_text() const;  // for logs: at most 16 octets of the data
};

struct TlsaSet {
  std::vector<TlsaRecord> usable;     // usages 2 and 3, selectors 0 and 1, matching types 0 to 2, data of the right length
  std::vector<std::string> unusable;  // the others, each with the reason: "1 1 1 …: usage 1 (PKIX-EE) means nothing to SMTP"
  bool exists() const { return !usable.empty() || !unusable.empty(); }
};

// Looks at every record of the answer, however many (the answer itself is bounded) and whatever they hold. Of digests of the same thing only
// the strongest count (RFC 7671 9); that is up to match_dane.
TlsaSet read_tlsa(const DnsAnswer& answer);
std::optional<TlsaRecord> parse_tlsa_text(std::string_view text);  // "3 1 1 HEX"

struct DaneVerdict {
  bool matched = false;
  std::optional<TlsaRecord> by;  // the record that matched
  std::string text;              // one sentence; why nothing matched, or what did
  bool expired = false, host_mismatch = false;  // why a chain that has a matching anchor (usage 2) is refused nevertheless
};

// `chain`: DER, the server's own certificate first, what follows in any order. `names`: reference names for usage 2 (RFC 7672 3.2.2); usage 3
// looks neither at names nor at dates. Bounded: 16 certificates, and a limited search for a path through them.
DaneVerdict match_dane(const TlsaSet& records, std::span<const std::string> chain, std::span<const std::string> names, WallTime now);

}  // namespace veredus
