// DmarcRecord: the TXT record at _dmarc.DOMAIN (RFC 9989 4.7), and what is older than it and may still be there (RFC 7489). Values; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailauth {

enum class DmarcPolicy : uint8_t { none, quarantine, reject };
std::string_view policy_word(DmarcPolicy policy);
std::optional<DmarcPolicy> policy_of(std::string_view word);

// An address of rua or ruf.
struct ReportUri {
  std::string uri;      // as published, without the size behind it
  std::string address;  // of mailto:, decoded; empty: another scheme, which nobody need support
  uint64_t most = 0;    // octets of "!10m", the old way to limit reports; 0: no limit
};

struct DmarcRecord {
  DmarcPolicy p = DmarcPolicy::none;
  std::optional<DmarcPolicy> sp, np;
  bool strict_dkim = false, strict_spf = false;
  char psd = 'u';  // y, n, u
  bool testing = false;
  std::string fo = "0";
  std::vector<ReportUri> rua, ruf;
  bool usable = true;                 // false: a policy that is none, and nobody to tell: DMARC does not apply (RFC 9989 4.10.1)
  std::vector<std::string> problems;  // sentences: what is ignored or mended, old tags included
};

// Whether a TXT record is meant for DMARC: it begins with "v=DMARC1".
bool is_dmarc_record(std::string_view text);
// Of a text for which is_dmarc_record() holds. Unknown tags are ignored, bad values are the defaults; pct, rf and ri have no effect any
// more.
DmarcRecord read_dmarc_record(std::string_view text);

// "mailto:a@b.test!10m, https://..."; at most 20 of them.
std::vector<ReportUri> read_report_uris(std::string_view list);

}  // namespace mailauth
