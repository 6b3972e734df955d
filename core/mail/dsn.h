// Delivery status notifications: RFC 3464 reports (RFC 3461, 6522, 6533 beside it), composed whole, and read
// back for tests and commands. What is said by remote hosts is made printable. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "mail/address.h"
#include "mail/envelope.h"

namespace veredus {

enum class DsnAction : uint8_t { failed, delayed, delivered, relayed, expanded };
std::string_view action_name(DsnAction action);

struct DsnRecipient {
  Address address;    // Final-Recipient
  std::string orcpt;  // decoded; Original-Recipient when given
  DsnAction action = DsnAction::failed;
  std::string status;           // "5.1.1"
  std::string remote;           // "mx1.example.test [192.0.2.1]:25"; empty: this host decided
  std::string diagnostic;       // the reply: "550 5.1.1 no such user"; empty if there was none
  WallTime last_attempt{};      // 0 = left out
  WallTime will_retry_until{};  // delayed only; 0 = left out
  bool expired = false;         // failed because time ran out
};

struct DsnReport {
  DsnReport() = default;
  MessageId id;          // of the report
  std::string hostname;  // Reporting-MTA
  WallTime now{};
  Address to;  // the sender of the message reported on
  std::vector<DsnRecipient> recipients;

  MessageId original_id;
  std::string envid;
  WallTime arrived{};
  DsnReturn ret = DsnReturn::unspecified;
  bool original_smtputf8 = false;
  std::string original_header;  // with or without its empty line
  std::string original_body;    // what is behind it; only needed when returns_body()
  uint64_t original_size = 0;
  size_t return_limit = 51'200;  // larger messages are returned as headers only
};

// Does the report carry the whole message? RET decides, and the size; delays and successes never do.
bool returns_body(const DsnReport& report);

struct DsnMessage {
  std::string octets;  // header block and body
  bool smtputf8 = false;
  bool header_8bit = false;
  bool content_8bit = false;
};
DsnMessage compose_dsn(const DsnReport& report);

// A report as read: groups of fields, names in lower case, values unfolded.
using DsnFields = std::vector<std::pair<std::string, std::string>>;
struct ParsedDsn {
  std::string text;                   // the part for people, decoded
  DsnFields message;                  // per-message fields
  std::vector<DsnFields> recipients;  // per-recipient fields
  std::string returned_type;          // "message/rfc822", "text/rfc822-headers", ...
  std::string returned;               // decoded
};
Result<ParsedDsn> parse_dsn(std::string_view message);
std::string_view dsn_field(const DsnFields& fields, std::string_view name);  // "" if there is none

}  // namespace veredus
