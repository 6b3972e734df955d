// Envelope: who a message is from and for, how it came in, and what the queue must know of it. Kept in the
// spool record. Content: the octets of a message. Values; frozen (shared as const) once queued.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address_ip.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "mail/address.h"

namespace veredus {

// RFC 3461. 0 = NOTIFY not given.
enum Notify : uint8_t {
  kNotifyDefault = 0,
  kNotifyNever = 1,
  kNotifySuccess = 2,
  kNotifyFailure = 4,
  kNotifyDelay = 8
};
enum class DsnReturn : uint8_t { unspecified, full, headers };
enum class BodyType : uint8_t { seven_bit, eight_bit };
enum class Protocol : uint8_t {
  smtp,
  esmtp,
  lmtp,
  local,
  internal
};  // internal: bounces and injected messages

struct Recipient {
  Address address;    // where it goes now
  Address original;   // as first given, when a hook rewrote it; else empty
  std::string orcpt;  // decoded "addr-type;address", empty if not given
  uint8_t notify = kNotifyDefault;
  std::string next_hop;  // chosen by a hook, in the form of a route's `to` entry; empty = by routes
  bool operator==(const Recipient&) const = default;
};

// How a message came in: for the Received field, hooks, logs.
struct Origin {
  Endpoint client;
  std::string client_name;  // PTR name if asked for, else empty
  std::string helo;
  std::string listener;  // address text of the listener
  Protocol protocol = Protocol::esmtp;
  std::string account;    // authenticated identity
  std::string mechanism;  // SASL mechanism, empty when nobody is authenticated
  std::string tls;        // "TLS1.3 CIPHER", empty when clear
  std::string tls_peer;         // subject of the client's certificate, if it is trusted
  std::string tls_fingerprint;  // SHA-256 of the client's certificate, trusted or not; lower-case hex
  std::string tls_sni;          // server name that the client asked for
  uint64_t session = 0;   // number of the session, unique while the daemon runs; not kept in the spool
  bool operator==(const Origin&) const = default;
};

// What plugins want later stages and other plugins to know of a message: key and value.
using Notes = std::vector<std::pair<std::string, std::string>>;
constexpr std::string_view kTlsRequiredNote = "tls.required";  // "no": of a message with the field TLS-Required: No (RFC 8689)
constexpr size_t kMostNotes = 64, kLongestNoteKey = 64, kLongestNote = 1024;

bool is_note_key(std::string_view key);  // [a-z0-9._-]{1,64}
const std::string* find_note(const Notes& notes, std::string_view key);
void set_note(Notes& notes, std::string_view key, std::string_view value);  // a later note replaces an earlier one

struct Envelope {
  MessageId id;
  WallTime arrived{};
  Address sender;
  std::vector<Recipient> recipients;
  BodyType body = BodyType::seven_bit;  // as declared
  bool smtputf8 = false;                // as declared
  bool content_8bit = false;            // judged by the content: an octet above 127 in the body
  bool header_8bit = false;             // judged by the content: an octet above 127 in the header block
  DsnReturn dsn_return = DsnReturn::unspecified;
  std::string envid;  // decoded
  bool require_tls = false;
  std::string tenant;
  std::string stream;
  std::string pool;       // source pool, empty = default
  uint8_t priority = 50;  // 0 last, 100 first
  bool held = false;      // stored with every recipient on hold
  std::string hold_reason;
  Origin origin;
  Notes notes;
  bool operator==(const Envelope&) const = default;
};

// Tagged fields: a reader skips tags it does not know, so the spool can be read by an older version.
std::string encode_envelope(const Envelope& envelope);
Result<Envelope> decode_envelope(std::string_view octets);

// A body too large for memory, in a file of the spool. The object is the right to the file: when the last
// reference goes and the message was never stored, the spool removes the file.
class LargeBody {
 public:
  virtual ~LargeBody() = default;
  virtual uint64_t size() const = 0;
  virtual Result<std::string> read(uint64_t offset, size_t count) = 0;  // blocks; any thread; short only at the end
};

// The octets of a message are `head` followed by the body octets from `skip` on. The body is in memory or in
// a file. Hooks that change headers change `head` and `skip`; nobody changes body octets in place.
struct Content {
  std::string head;                           // trace fields prepended, or a rewritten header block
  std::shared_ptr<const std::string> memory;  // one of these two
  std::shared_ptr<LargeBody> file;
  uint64_t skip = 0;

  uint64_t size() const { return head.size() + (memory ? memory->size() : file ? file->size() : 0) - skip; }
};

// The unit that enters the spool and the queue.
struct Message {
  Envelope envelope;
  Content content;
};

}  // namespace veredus
