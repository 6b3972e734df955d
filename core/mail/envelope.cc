// The envelope as octets: a format number, then fields of tag, length and value, both numbers in base 128.
// Fields at their default are left out. Recipients and the origin are fields that hold fields. Control
// characters in texts are replaced when read: a spool file is input like any other, yet never a reason to
// lose a message.
#include <algorithm>

#include "mail/envelope.h"

namespace veredus {

namespace {

constexpr char kFormat = 1;

enum EnvelopeTag : uint64_t {
  kId = 1,
  kArrived = 2,
  kSender = 3,
  kRecipient = 4,
  kBody = 5,
  kFlags = 6,
  kReturn = 7,
  kEnvid = 8,
  kTenant = 9,
  kStream = 10,
  kPool = 11,
  kPriority = 12,
  kHoldReason = 13,
  kOrigin = 14,
  kNote = 15,
};
enum NoteTag : uint64_t { kNoteKey = 1, kNoteValue = 2 };
enum RecipientTag : uint64_t { kAddress = 1, kOriginal = 2, kOrcpt = 3, kNotify = 4, kNextHop = 5 };
enum OriginTag : uint64_t {
  kClient = 1,
  kClientName = 2,
  kHelo = 3,
  kListener = 4,
  kProtocol = 5,
  kAccount = 6,
  kTls = 7,
  kMechanism = 8,
  kTlsPeer = 9,
  kTlsFingerprint = 10,
  kTlsSni = 11,
};
enum Flag : uint64_t { kSmtpUtf8 = 1, kContent8 = 2, kHeader8 = 4, kRequireTls = 8, kHeld = 16 };

class FieldWriter {
 public:
  void number(uint64_t tag, uint64_t value, uint64_t usual = 0) {
    if (value == usual) return;
    std::string octets;
    base128(octets, value);
    put(tag, octets);
  }
  void text(uint64_t tag, std::string_view value) {
    if (!value.empty()) put(tag, value);
  }
  void put(uint64_t tag, std::string_view value) {
    base128(out_, tag);
    base128(out_, value.size());
    out_.append(value);
  }
  std::string take() { return std::move(out_); }
  void raw(char c) { out_.push_back(c); }

 private:
  static void base128(std::string& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  }
  std::string out_;
};

struct FieldView {
  uint64_t tag = 0;
  std::string_view value;
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view in) : in_(in) {}
  // False at the end, or at the first octet that makes no sense; ok() tells which.
  bool next(FieldView& field) {
    if (in_.empty()) return false;
    uint64_t length = 0;
    ok_ = base128(in_, field.tag) && base128(in_, length) && length <= in_.size();
    if (!ok_) return false;
    field.value = in_.substr(0, length);
    in_.remove_prefix(length);
    return true;
  }
  bool ok() const { return ok_; }

  static bool base128(std::string_view& in, uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
      auto octet = static_cast<unsigned char>(in.front());
      in.remove_prefix(1);
      if (shift == 63 && octet > 1) return false;
      value |= uint64_t{octet & 0x7Fu} << shift;
      if (octet < 0x80) return true;
    }
    return false;
  }

 private:
  std::string_view in_;
  bool ok_ = true;
};

bool number_of(std::string_view value, uint64_t max, uint64_t& out) {
  return FieldReader::base128(value, out) && value.empty() && out <= max;
}

template <typename T>
bool read_number(std::string_view value, uint64_t max, T& out) {
  uint64_t number = 0;
  if (!number_of(value, max, number)) return false;
  out = static_cast<T>(number);
  return true;
}

bool read_text(std::string_view value, std::string& out) {
  out = value;
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return true;
}

bool read_address(std::string_view value, Address& out) {
  std::string text;
  read_text(value, text);
  out = Address::make(text, {});
  return true;
}

std::string encode_recipient(const Recipient& recipient) {
  FieldWriter out;
  out.text(kAddress, recipient.address.text());
  out.text(kOriginal, recipient.original.text());
  out.text(kOrcpt, recipient.orcpt);
  out.number(kNotify, recipient.notify);
  out.text(kNextHop, recipient.next_hop);
  return out.take();
}

bool read_recipient_field(const FieldView& field, Recipient& out) {
  switch (field.tag) {
    case kAddress:
      return read_address(field.value, out.address);
    case kOriginal:
      return read_address(field.value, out.original);
    case kOrcpt:
      return read_text(field.value, out.orcpt);
    case kNotify:
      return read_number(field.value, 15, out.notify);
    case kNextHop:
      return read_text(field.value, out.next_hop);
    default:
      return true;
  }
}

std::string encode_client(const Endpoint& client) {
  std::string out;
  if (!client.ip && client.port == 0) return out;
  out.push_back(static_cast<char>(client.ip.family));
  out.push_back(static_cast<char>(client.port & 0xFF));
  out.push_back(static_cast<char>(client.port >> 8));
  size_t width = client.ip.family == 4 ? 4 : client.ip.family == 6 ? 16 : 0;
  out.append(reinterpret_cast<const char*>(client.ip.octets.data()), width);
  return out;
}

bool read_client(std::string_view value, Endpoint& out) {
  if (value.size() < 3) return false;
  out = Endpoint();  // a field given twice: nothing of the longer, earlier address may stay
  auto octet = [&](size_t i) { return static_cast<unsigned char>(value[i]); };
  out.ip.family = octet(0);
  out.port = static_cast<uint16_t>(octet(1) | octet(2) << 8);
  size_t width = out.ip.family == 4 ? 4 : out.ip.family == 6 ? 16 : 0;
  if ((width == 0 && out.ip.family != 0) || value.size() != 3 + width) return false;
  std::copy(value.begin() + 3, value.end(), out.ip.octets.begin());
  return true;
}

std::string encode_origin(const Origin& origin) {
  FieldWriter out;
  out.text(kClient, encode_client(origin.client));
  out.text(kClientName, origin.client_name);
  out.text(kHelo, origin.helo);
  out.text(kListener, origin.listener);
  out.number(kProtocol, static_cast<uint64_t>(origin.protocol), static_cast<uint64_t>(Protocol::esmtp));
  out.text(kAccount, origin.account);
  out.text(kTls, origin.tls);
  out.text(kMechanism, origin.mechanism);
  out.text(kTlsPeer, origin.tls_peer);
  out.text(kTlsFingerprint, origin.tls_fingerprint);
  out.text(kTlsSni, origin.tls_sni);
  return out.take();
}

bool read_origin_field(const FieldView& field, Origin& out) {
  switch (field.tag) {
    case kClient:
      return read_client(field.value, out.client);
    case kClientName:
      return read_text(field.value, out.client_name);
    case kHelo:
      return read_text(field.value, out.helo);
    case kListener:
      return read_text(field.value, out.listener);
    case kProtocol:
      return read_number(field.value, static_cast<uint64_t>(Protocol::internal), out.protocol);
    case kAccount:
      return read_text(field.value, out.account);
    case kTls:
      return read_text(field.value, out.tls);
    case kMechanism:
      return read_text(field.value, out.mechanism);
    case kTlsPeer:
      return read_text(field.value, out.tls_peer);
    case kTlsFingerprint:
      return read_text(field.value, out.tls_fingerprint);
    case kTlsSni:
      return read_text(field.value, out.tls_sni);
    default:
      return true;
  }
}

std::string encode_note(std::string_view key, std::string_view value) {
  FieldWriter out;
  out.text(kNoteKey, key);
  out.text(kNoteValue, value);
  return out.take();
}

// Values are plugins' own octets, and stay as they are.
bool read_note_field(const FieldView& field, std::pair<std::string, std::string>& out) {
  if (field.tag == kNoteKey) out.first = field.value;
  if (field.tag == kNoteValue) out.second = field.value;
  return true;
}

template <typename T, typename ReadField>
bool read_fields(std::string_view octets, T& out, ReadField read_field) {
  FieldReader reader(octets);
  for (FieldView field; reader.next(field);)
    if (!read_field(field, out)) return false;
  return reader.ok();
}

// A note out of bounds is left out: no reason to lose a message.
bool read_note(std::string_view value, Envelope& out) {
  std::pair<std::string, std::string> note;
  if (!read_fields(value, note, read_note_field)) return false;
  if (is_note_key(note.first) && note.second.size() <= kLongestNote && out.notes.size() < kMostNotes)
    set_note(out.notes, note.first, note.second);
  return true;
}

uint64_t flags_of(const Envelope& e) {
  return (e.smtputf8 ? kSmtpUtf8 : 0) | (e.content_8bit ? kContent8 : 0) | (e.header_8bit ? kHeader8 : 0) |
         (e.require_tls ? kRequireTls : 0) | (e.held ? kHeld : 0);
}

bool read_flags(std::string_view value, Envelope& out) {
  uint64_t flags = 0;
  if (!number_of(value, UINT64_MAX, flags)) return false;
  out.smtputf8 = flags & kSmtpUtf8;
  out.content_8bit = flags & kContent8;
  out.header_8bit = flags & kHeader8;
  out.require_tls = flags & kRequireTls;
  out.held = flags & kHeld;
  return true;
}

bool read_arrived(std::string_view value, WallTime& out) {
  uint64_t millis = 0;
  if (!number_of(value, INT64_MAX, millis)) return false;
  out = WallTime(Millis(static_cast<int64_t>(millis)));
  return true;
}

bool read_envelope_field(const FieldView& field, Envelope& out) {
  switch (field.tag) {
    case kId:
      return read_number(field.value, UINT64_MAX, out.id.value);
    case kArrived:
      return read_arrived(field.value, out.arrived);
    case kSender:
      return read_address(field.value, out.sender);
    case kRecipient:
      return read_fields(field.value, out.recipients.emplace_back(), read_recipient_field);
    case kBody:
      return read_number(field.value, 1, out.body);
    case kFlags:
      return read_flags(field.value, out);
    case kReturn:
      return read_number(field.value, 2, out.dsn_return);
    case kEnvid:
      return read_text(field.value, out.envid);
    case kTenant:
      return read_text(field.value, out.tenant);
    case kStream:
      return read_text(field.value, out.stream);
    case kPool:
      return read_text(field.value, out.pool);
    case kPriority:
      return read_number(field.value, 255, out.priority);
    case kHoldReason:
      return read_text(field.value, out.hold_reason);
    case kOrigin:
      return read_fields(field.value, out.origin, read_origin_field);
    case kNote:
      return read_note(field.value, out);
    default:
      return true;
  }
}

}  // namespace

bool is_note_key(std::string_view key) {
  auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'; };
  return !key.empty() && key.size() <= kLongestNoteKey && std::all_of(key.begin(), key.end(), fits);
}

const std::string* find_note(const Notes& notes, std::string_view key) {
  for (const auto& [known, value] : notes)
    if (known == key) return &value;
  return nullptr;
}

void set_note(Notes& notes, std::string_view key, std::string_view value) {
  for (auto& [known, old] : notes)
    if (known == key) return void(old = value);
  notes.emplace_back(key, value);
}

std::string encode_envelope(const Envelope& envelope) {
  FieldWriter out;
  out.raw(kFormat);
  out.number(kId, envelope.id.value);
  out.number(kArrived,
             static_cast<uint64_t>(std::max<int64_t>(0, envelope.arrived.time_since_epoch().count())));
  out.text(kSender, envelope.sender.text());
  for (const Recipient& recipient : envelope.recipients) out.put(kRecipient, encode_recipient(recipient));
  out.number(kBody, static_cast<uint64_t>(envelope.body));
  out.number(kFlags, flags_of(envelope));
  out.number(kReturn, static_cast<uint64_t>(envelope.dsn_return));
  out.text(kEnvid, envelope.envid);
  out.text(kTenant, envelope.tenant);
  out.text(kStream, envelope.stream);
  out.text(kPool, envelope.pool);
  out.number(kPriority, envelope.priority, 50);
  out.text(kHoldReason, envelope.hold_reason);
  out.text(kOrigin, encode_origin(envelope.origin));
  for (const auto& [key, value] : envelope.notes) out.put(kNote, encode_note(key, value));
  return out.take();
}

Result<Envelope> decode_envelope(std::string_view octets) {
  if (octets.empty() || octets.front() != kFormat)
    return fail(Errc::unsupported, "an envelope in an unknown format");
  Envelope out;
  if (!read_fields(octets.substr(1), out, read_envelope_field))
    return fail(Errc::corrupt, "a damaged envelope");
  return out;
}

}  // namespace veredus
