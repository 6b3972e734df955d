// One small function an attribute.
#include "plugin/attributes.h"

#include <veredus/attr.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "plugin/loop_services.h"

namespace veredus {

namespace {

struct Shown {
  const Subject& subject;
  const Recipient* recipient;
  const Origin* origin() const { return subject.origin ? subject.origin : subject.envelope ? &subject.envelope->origin : nullptr; }
  const Envelope* envelope() const { return subject.envelope; }
};

Attribute number(uint64_t value, uint32_t kind = VRD_NUMBER) {
  Attribute out;
  out.kind = kind;
  out.number = static_cast<int64_t>(value);
  return out;
}

Attribute flag(bool value) { return number(value ? 1 : 0, VRD_BOOL); }

Attribute made(std::string text) {
  Attribute out;
  out.kind = VRD_TEXT;
  out.made = std::move(text);
  return out;
}

Attribute made_unless_empty(std::string_view text) { return text.empty() ? Attribute() : made(std::string(text)); }

Attribute kept(const std::string& text) {
  Attribute out;
  out.kind = VRD_TEXT;
  out.kept = &text;
  return out;
}

Attribute kept_unless_empty(const std::string& text) { return text.empty() ? Attribute() : kept(text); }

std::string_view protocol_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::smtp: return "SMTP";
    case Protocol::esmtp: return "ESMTP";
    case Protocol::lmtp: return "LMTP";
    case Protocol::local: return "local";
    case Protocol::internal: return "internal";
  }
  return "internal";
}

// "TLS1.3 CIPHER"
std::string_view tls_part(const Origin& origin, bool cipher) {
  std::string_view all = origin.tls;
  size_t space = std::min(all.find(' '), all.size());
  return cipher ? all.substr(std::min(space + 1, all.size())) : all.substr(0, space);
}

std::string notify_words(uint8_t notify) {
  if (notify == kNotifyNever) return "NEVER";
  std::string out;
  auto add = [&](Notify bit, const char* word) {
    if ((notify & bit) != 0) out += (out.empty() ? "" : ",") + std::string(word);
  };
  add(kNotifySuccess, "SUCCESS");
  add(kNotifyFailure, "FAILURE");
  add(kNotifyDelay, "DELAY");
  return out;
}

std::string joined_lines(const Reply& reply) {
  std::string out;
  for (const std::string& line : reply.lines) out += (out.empty() ? "" : " ") + line;
  return out;
}

template <typename F>
Attribute of_origin(const Shown& s, F read) {
  return s.origin() ? read(*s.origin()) : Attribute();
}
template <typename F>
Attribute of_envelope(const Shown& s, F read) {
  return s.envelope() ? read(*s.envelope()) : Attribute();
}
template <typename F>
Attribute of_recipient(const Shown& s, F read) {
  return s.recipient ? read(*s.recipient) : Attribute();
}
template <typename F>
Attribute of_reply(const Shown& s, F read) {
  return s.subject.reply ? read(*s.subject.reply) : Attribute();
}

template <typename F>
Attribute of_tls(const Shown& s, F read) {
  return s.subject.outbound_tls ? read(*s.subject.outbound_tls) : Attribute();
}

using Read = Attribute (*)(const Shown&);
struct Row {
  uint32_t id;
  Read read;
};

constexpr std::string_view kRoles[] = {"mx", "submission", "relay", "lmtp", "local"};  // in the order of Role

// By the settings in force: a listener keeps its role as long as it is open. Known on loops.
Attribute role_of(const Origin& origin) {
  LoopServices* here = LoopServices::here();
  if (origin.protocol == Protocol::local) return made(std::string(kRoles[static_cast<size_t>(Role::local)]));
  if (!here || !here->settings || origin.listener.empty()) return {};
  SettingsPtr settings = here->settings();
  for (const ListenerSettings& listener : settings->listeners)
    if (listener.address.text() == origin.listener) return made(std::string(kRoles[static_cast<size_t>(listener.role)]));
  return {};
}

bool from_client(const Origin& origin) { return static_cast<bool>(origin.client.ip); }

constexpr Row kSession[] = {
    {VRD_ATTR_CLIENT_ADDRESS, [](const Shown& s) {
       return of_origin(s, [](const Origin& o) { return from_client(o) ? made(o.client.ip.text()) : Attribute(); });
     }},
    {VRD_ATTR_CLIENT_PORT, [](const Shown& s) {
       return of_origin(s, [](const Origin& o) { return from_client(o) ? number(o.client.port) : Attribute(); });
     }},
    {VRD_ATTR_CLIENT_NAME, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return kept_unless_empty(o.client_name); }); }},
    {VRD_ATTR_LISTENER_ADDRESS, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return kept_unless_empty(o.listener); }); }},
    {VRD_ATTR_LISTENER_ROLE, [](const Shown& s) { return of_origin(s, role_of); }},
    {VRD_ATTR_PROTOCOL, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return made(std::string(protocol_name(o.protocol))); }); }},
    {VRD_ATTR_HELO, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return kept_unless_empty(o.helo); }); }},
    {VRD_ATTR_TLS_VERSION, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return made_unless_empty(tls_part(o, false)); }); }},
    {VRD_ATTR_TLS_CIPHER, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return made_unless_empty(tls_part(o, true)); }); }},
    {VRD_ATTR_SESSION, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return o.session != 0 ? number(o.session) : Attribute(); }); }},
    {VRD_ATTR_TLS_PEER, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return kept_unless_empty(o.tls_peer); }); }},
    {VRD_ATTR_TLS_FINGERPRINT, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return kept_unless_empty(o.tls_fingerprint); }); }},
    {VRD_ATTR_TLS_SNI, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return kept_unless_empty(o.tls_sni); }); }},
    {VRD_ATTR_AUTH_MECHANISM, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return kept_unless_empty(o.mechanism); }); }},
    {VRD_ATTR_AUTH_ACCOUNT, [](const Shown& s) { return of_origin(s, [](const Origin& o) { return kept_unless_empty(o.account); }); }},
};

constexpr Row kMessage[] = {
    {VRD_ATTR_MESSAGE_ID, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return e.id ? made(e.id.text()) : Attribute(); }); }},
    {VRD_ATTR_MESSAGE_ARRIVED, [](const Shown& s) {
       return of_envelope(s, [](const Envelope& e) {
         auto since = std::chrono::duration_cast<Millis>(e.arrived.time_since_epoch()).count();
         return since != 0 ? number(static_cast<uint64_t>(since), VRD_TIME) : Attribute();
       });
     }},
    {VRD_ATTR_MESSAGE_SIZE, [](const Shown& s) { return s.subject.content ? number(s.subject.content->size()) : Attribute(); }},
    {VRD_ATTR_MESSAGE_8BIT, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return flag(e.content_8bit); }); }},
    {VRD_ATTR_HEADER_8BIT, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return flag(e.header_8bit); }); }},
    {VRD_ATTR_MESSAGE_HELD, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return flag(e.held); }); }},
    {VRD_ATTR_SENDER, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return kept(e.sender.text()); }); }},
    {VRD_ATTR_SENDER_LOCAL, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return made(std::string(e.sender.local())); }); }},
    {VRD_ATTR_SENDER_DOMAIN, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return made(lowered(e.sender.domain())); }); }},
    {VRD_ATTR_ENVELOPE_BODY, [](const Shown& s) {
       return of_envelope(s, [](const Envelope& e) { return made(e.body == BodyType::eight_bit ? "8BITMIME" : "7BIT"); });
     }},
    {VRD_ATTR_ENVELOPE_SMTPUTF8, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return flag(e.smtputf8); }); }},
    {VRD_ATTR_ENVELOPE_REQUIRETLS, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return flag(e.require_tls); }); }},
    {VRD_ATTR_ENVELOPE_RET, [](const Shown& s) {
       return of_envelope(s, [](const Envelope& e) {
         if (e.dsn_return == DsnReturn::unspecified) return Attribute();
         return made(e.dsn_return == DsnReturn::full ? "FULL" : "HDRS");
       });
     }},
    {VRD_ATTR_ENVELOPE_ENVID, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return kept_unless_empty(e.envid); }); }},
    {VRD_ATTR_ENVELOPE_SIZE, [](const Shown& s) { return s.subject.declared_size != 0 ? number(s.subject.declared_size) : Attribute(); }},
    {VRD_ATTR_TENANT, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return kept_unless_empty(e.tenant); }); }},
    {VRD_ATTR_STREAM, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return kept_unless_empty(e.stream); }); }},
    {VRD_ATTR_POOL, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return kept_unless_empty(e.pool); }); }},
    {VRD_ATTR_PRIORITY, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return number(e.priority); }); }},
    {VRD_ATTR_RECIPIENT_COUNT, [](const Shown& s) { return of_envelope(s, [](const Envelope& e) { return number(e.recipients.size()); }); }},
};

constexpr Row kRecipient[] = {
    {VRD_ATTR_RECIPIENT_INDEX, [](const Shown& s) { return s.subject.recipient ? number(s.subject.recipient_index) : Attribute(); }},
    {VRD_ATTR_RECIPIENT, [](const Shown& s) { return of_recipient(s, [](const Recipient& r) { return kept(r.address.text()); }); }},
    {VRD_ATTR_RECIPIENT_LOCAL, [](const Shown& s) { return of_recipient(s, [](const Recipient& r) { return made(std::string(r.address.local())); }); }},
    {VRD_ATTR_RECIPIENT_DOMAIN, [](const Shown& s) { return of_recipient(s, [](const Recipient& r) { return made(lowered(r.address.domain())); }); }},
    {VRD_ATTR_RECIPIENT_ORIGINAL, [](const Shown& s) { return of_recipient(s, [](const Recipient& r) { return kept_unless_empty(r.original.text()); }); }},
    {VRD_ATTR_RECIPIENT_ORCPT, [](const Shown& s) { return of_recipient(s, [](const Recipient& r) { return kept_unless_empty(r.orcpt); }); }},
    {VRD_ATTR_RECIPIENT_NOTIFY, [](const Shown& s) { return of_recipient(s, [](const Recipient& r) { return made_unless_empty(notify_words(r.notify)); }); }},
    {VRD_ATTR_RECIPIENT_NEXT_HOP, [](const Shown& s) { return of_recipient(s, [](const Recipient& r) { return kept_unless_empty(r.next_hop); }); }},
    {VRD_ATTR_DESTINATION, [](const Shown& s) { return made_unless_empty(s.subject.destination); }},
    {VRD_ATTR_ATTEMPTS, [](const Shown& s) { return s.subject.destination.empty() ? Attribute() : number(s.subject.attempts); }},
    {VRD_ATTR_REMOTE, [](const Shown& s) { return made_unless_empty(s.subject.remote); }},
    {VRD_ATTR_REPLY_CODE, [](const Shown& s) { return of_reply(s, [](const Reply& r) { return r.code != 0 ? number(r.code) : Attribute(); }); }},
    {VRD_ATTR_REPLY_ENHANCED, [](const Shown& s) { return of_reply(s, [](const Reply& r) { return made_unless_empty(r.enhanced.text()); }); }},
    {VRD_ATTR_REPLY_TEXT, [](const Shown& s) { return of_reply(s, [](const Reply& r) { return made(joined_lines(r)); }); }},
    {VRD_ATTR_FINAL_STATE, [](const Shown& s) { return made_unless_empty(s.subject.state); }},
};

constexpr Row kConnected[] = {
    {VRD_ATTR_REMOTE_HOST, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.host); }); }},
    {VRD_ATTR_REMOTE_ADDRESS, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.remote ? t.remote.text() : std::string()); }); }},
    {VRD_ATTR_SOURCE_ADDRESS, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.source ? t.source.text() : std::string()); }); }},
    {VRD_ATTR_POLICY_LEVEL, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.level); }); }},
    {VRD_ATTR_POLICY_TYPE, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.type); }); }},
    {VRD_ATTR_POLICY_DOMAIN, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.domain); }); }},
    {VRD_ATTR_POLICY_TEXT, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.text); }); }},
    {VRD_ATTR_POLICY_MX, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.mx_patterns); }); }},
    {VRD_ATTR_TLS_RESULT, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.result); }); }},
    {VRD_ATTR_TLS_PROBLEM, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.problem); }); }},
    {VRD_ATTR_TLS_OUTBOUND, [](const Shown& s) { return of_tls(s, [](const OutboundTls& t) { return made_unless_empty(t.tls); }); }},
};

struct Declared {
  uint32_t id = 0;
  std::string_view name;
  bool of_recipient = false;
  Read read = nullptr;
};

constexpr Read reader_of(uint32_t id) {
  Read found = nullptr;
  auto look = [&](const auto& rows) {
    for (const Row& row : rows)
      if (row.id == id) found = row.read;
  };
  look(kSession);
  look(kMessage);
  look(kRecipient);
  look(kConnected);
  return found;
}

#define VRD_ATTR_ROW(id, number, name, kind, stage, per_recipient, doc) Declared{number, name, per_recipient != 0, reader_of(number)},
constexpr Declared kDeclared[] = {VRD_ATTRS(VRD_ATTR_ROW)};
#undef VRD_ATTR_ROW

static_assert(std::all_of(std::begin(kDeclared), std::end(kDeclared), [](const Declared& row) { return row.read != nullptr; }));

constexpr uint32_t kHighest = std::max_element(std::begin(kDeclared), std::end(kDeclared), [](const Declared& a, const Declared& b) {
                                return a.id < b.id;
                              })->id;
constexpr auto kById = [] {
  std::array<uint8_t, kHighest + 1> out{};  // row + 1
  for (size_t row = 0; row < std::size(kDeclared); ++row) out[kDeclared[row].id] = static_cast<uint8_t>(row + 1);
  return out;
}();

const Declared* find(uint32_t id) { return id <= kHighest && kById[id] != 0 ? &kDeclared[kById[id] - 1] : nullptr; }

}  // namespace

bool attribute_known(uint32_t id) { return find(id) != nullptr; }

bool attribute_of_recipient(uint32_t id) {
  const Declared* row = find(id);
  return row && row->of_recipient;
}

uint32_t attribute_id(std::string_view name) {
  for (const Declared& row : kDeclared)
    if (row.name == name) return row.id;
  return 0;
}

Attribute read_attribute(uint32_t id, const Subject& subject, const Recipient* recipient) {
  const Declared* row = find(id);
  return row ? row->read({subject, recipient}) : Attribute();
}

}  // namespace veredus
