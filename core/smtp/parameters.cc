// MAIL and RCPT: the address, then ESMTP parameters by a table of keywords.
#include <array>

#include "base/text.h"
#include "smtp/commands.h"

namespace veredus {

namespace {

constexpr size_t kMaxEnvid = 100;
constexpr size_t kMaxOrcpt = 500;

constexpr Answer kBadValue{501, {5, 5, 4}, "Bad parameter value"};
constexpr Answer kUnknown{555, {5, 5, 4}, "Parameter not recognised"};
constexpr Answer kRepeated{501, {5, 5, 4}, "Parameter given twice"};
constexpr Answer kNeedsUtf8{553, {5, 6, 7}, "Address needs SMTPUTF8"};

struct MailTarget {
  const ParameterRules& rules;
  Envelope& envelope;
  uint64_t& declared_size;
};
struct RcptTarget {
  const ParameterRules& rules;
  Recipient& recipient;
};

Answer mail_size(std::string_view value, MailTarget& target) {
  if (value.empty() || value.size() > 20 || value.find_first_not_of("0123456789") != value.npos)
    return kBadValue;
  target.declared_size = parse_uint(value).value_or(UINT64_MAX);
  if (target.declared_size > target.rules.message_size)
    return {552, {5, 3, 4}, "Message size exceeds the limit"};
  return {};
}

Answer mail_body(std::string_view value, MailTarget& target) {
  if (iequals(value, "BINARYMIME")) return {504, {5, 5, 4}, "BINARYMIME is not supported"};
  if (!iequals(value, "7BIT") && !iequals(value, "8BITMIME")) return kBadValue;
  target.envelope.body = iequals(value, "7BIT") ? BodyType::seven_bit : BodyType::eight_bit;
  return {};
}

Answer mail_smtputf8(std::string_view value, MailTarget& target) {
  target.envelope.smtputf8 = true;
  return value.empty() ? Answer{} : kBadValue;
}

Answer mail_ret(std::string_view value, MailTarget& target) {
  if (!iequals(value, "FULL") && !iequals(value, "HDRS")) return kBadValue;
  target.envelope.dsn_return = iequals(value, "FULL") ? DsnReturn::full : DsnReturn::headers;
  return {};
}

Answer mail_envid(std::string_view value, MailTarget& target) {
  auto decoded = decode_value(value);
  if (!decoded || decoded->empty() || value.size() > kMaxEnvid || !is_ascii(*decoded)) return kBadValue;
  target.envelope.envid = std::move(*decoded);
  return {};
}

// The identity is checked and not used: nobody here is trusted to vouch for another.
Answer mail_auth(std::string_view value, MailTarget& target) {
  if (!target.rules.auth) return kUnknown;
  return value.empty() || !decode_value(value) ? kBadValue : Answer{};
}

// RFC 8689 4: only inside TLS, and without a value.
Answer mail_require_tls(std::string_view value, MailTarget& target) {
  if (!target.rules.require_tls) return kUnknown;
  if (!value.empty()) return kBadValue;
  target.envelope.require_tls = true;
  return {};
}

Answer rcpt_notify(std::string_view value, RcptTarget& target) {
  uint8_t bits = 0;
  for (std::string_view word : split(value, ',')) {
    uint8_t bit = iequals(word, "NEVER")     ? kNotifyNever
                  : iequals(word, "SUCCESS") ? kNotifySuccess
                  : iequals(word, "FAILURE") ? kNotifyFailure
                  : iequals(word, "DELAY")   ? kNotifyDelay
                                             : kNotifyDefault;
    if (bit == 0 || (bits & bit) != 0) return kBadValue;
    bits |= bit;
  }
  if ((bits & kNotifyNever) != 0 && bits != kNotifyNever) return kBadValue;
  target.recipient.notify = bits;
  return {};
}

Answer rcpt_orcpt(std::string_view value, RcptTarget& target) {
  size_t semicolon = value.find(';');
  if (semicolon == 0 || semicolon == value.npos || value.size() > kMaxOrcpt) return kBadValue;
  for (char c : value.substr(0, semicolon))
    if (!(ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') && !(c >= '0' && c <= '9') && c != '-')
      return kBadValue;
  std::string_view address = value.substr(semicolon + 1);
  bool plain_utf8 = target.rules.smtputf8 && !is_ascii(address);
  auto decoded = plain_utf8 ? std::optional(std::string(address)) : decode_value(address);
  if (!decoded || decoded->empty()) return kBadValue;
  target.recipient.orcpt = std::string(value.substr(0, semicolon + 1)) + *decoded;
  return {};
}

template <typename Target>
struct Row {
  std::string_view keyword;
  Answer (*take)(std::string_view value, Target& target);
  bool utf8 = false;  // the value may hold UTF-8
};

constexpr std::array<Row<MailTarget>, 7> kMailRows{{{"SIZE", mail_size},
                                                    {"BODY", mail_body},
                                                    {"SMTPUTF8", mail_smtputf8},
                                                    {"RET", mail_ret},
                                                    {"ENVID", mail_envid},
                                                    {"AUTH", mail_auth},
                                                    {"REQUIRETLS", mail_require_tls}}};
constexpr std::array<Row<RcptTarget>, 2> kRcptRows{{{"NOTIFY", rcpt_notify}, {"ORCPT", rcpt_orcpt, true}}};

template <typename Target, size_t N>
Answer take_parameter(std::string_view word, const std::array<Row<Target>, N>& rows, uint32_t& seen,
                      Target& target) {
  size_t equals = word.find('=');
  std::string_view keyword = word.substr(0, equals);
  std::string_view value = equals == word.npos ? std::string_view() : word.substr(equals + 1);
  if (equals != word.npos && value.empty()) return kBadValue;
  for (size_t i = 0; i < N; ++i) {
    if (!iequals(rows[i].keyword, keyword)) continue;
    if ((seen & (1u << i)) != 0) return kRepeated;
    seen |= 1u << i;
    if (value.find('=') != value.npos || (!rows[i].utf8 && !is_ascii(value))) return kBadValue;
    return rows[i].take(value, target);
  }
  return kUnknown;
}

template <typename Target, size_t N>
Answer take_parameters(std::string_view text, const std::array<Row<Target>, N>& rows, Target& target) {
  uint32_t seen = 0;
  while (!text.empty()) {
    size_t space = std::min(text.find(' '), text.size());
    if (space > 0)
      if (Answer refusal = take_parameter(text.substr(0, space), rows, seen, target)) return refusal;
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return {};
}

}  // namespace

Answer parse_mail_parameters(std::string_view text, const ParameterRules& rules, Envelope& into,
                             uint64_t& declared_size) {
  MailTarget target{rules, into, declared_size};
  return take_parameters(text, kMailRows, target);
}

Answer parse_rcpt_parameters(std::string_view text, const ParameterRules& rules, Recipient& into) {
  RcptTarget target{rules, into};
  return take_parameters(text, kRcptRows, target);
}

Answer parse_mail(std::string_view arguments, const ParameterRules& rules, Envelope& into,
                  uint64_t& declared_size) {
  auto parts = split_path(arguments, "FROM:");
  if (!parts) return {501, {5, 5, 4}, "Syntax: MAIL FROM:<address>"};
  if (!parts->path.empty()) {
    auto address = Address::parse(parts->path);
    if (!address || address->domain().empty()) return {501, {5, 1, 7}, "Bad sender address syntax"};
    into.sender = std::move(*address);
  }
  if (Answer refusal = parse_mail_parameters(parts->parameters, rules, into, declared_size)) return refusal;
  return into.smtputf8 || is_ascii(into.sender.text()) ? Answer{} : kNeedsUtf8;
}

Answer parse_rcpt(std::string_view arguments, const ParameterRules& rules, Recipient& into) {
  auto parts = split_path(arguments, "TO:");
  if (!parts) return {501, {5, 5, 4}, "Syntax: RCPT TO:<address>"};
  auto address = Address::parse(parts->path);
  if (!address || address->empty()) return {501, {5, 1, 3}, "Bad recipient address syntax"};
  into.address = std::move(*address);
  if (!rules.smtputf8 && !is_ascii(into.address.text())) return kNeedsUtf8;
  return parse_rcpt_parameters(parts->parameters, rules, into);
}

}  // namespace veredus
