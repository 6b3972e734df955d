// Address grammar of RFC 5321 4.1.2 with the UTF-8 of RFC 6531. Everything that is not clearly legal is
// refused: addresses reach logs, spool records, next hops and programs.
#include "mail/address.h"

#include "base/address_ip.h"
#include "base/text.h"
#include "mail/address_grammar.h"

namespace veredus {

namespace {

constexpr size_t kMaxLocal = 64;
constexpr size_t kMaxDomain = 255;
constexpr size_t kMaxAddress = 254;  // a path of 256 octets less its angle brackets

Error bad(const char* why) {
  return fail(Errc::invalid, why);
}

Status check_local(std::string_view local) {
  if (local.empty()) return bad("the local part is empty");
  if (local.size() > kMaxLocal) return bad("the local part is longer than 64 octets");
  bool legal = local.front() == '"' ? grammar::is_quoted_string(local) : grammar::is_dot_atom(local);
  if (!legal) return bad("the local part is malformed");
  return {};
}

Status check_domain(std::string_view domain) {
  if (domain.size() > kMaxDomain) return bad("the domain is longer than 255 octets");
  bool legal =
      domain.starts_with('[') ? IpAddress::parse_literal(domain).has_value() : grammar::is_domain(domain);
  if (!legal) return bad("the domain is malformed");
  return {};
}

// Where the domain's "@" is; npos when there is no domain. A quoted local part may hold an "@" itself.
size_t at_sign(std::string_view text) {
  return text.ends_with('"') ? std::string_view::npos : text.rfind('@');
}

// Text of a quoted string without quotes and backslashes.
std::string unquoted(std::string_view quoted) {
  std::string out;
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '\\') ++i;
    out.push_back(quoted[i]);
  }
  return out;
}

}  // namespace

Result<Address> Address::parse(std::string_view text, bool allow_utf8) {
  if (text.size() > kMaxAddress) return bad("the address is too long");
  if (!is_ascii(text) && !(allow_utf8 && grammar::is_clean_utf8(text)))
    return bad("the address has illegal octets");
  if (iequals(text, "postmaster")) return make(text, {});
  size_t at = at_sign(text);
  if (at == std::string_view::npos) return bad("the address has no domain");
  if (auto local = check_local(text.substr(0, at)); !local) return local.error();
  if (auto domain = check_domain(text.substr(at + 1)); !domain) return domain.error();
  return make(text.substr(0, at), text.substr(at + 1));
}

Address Address::make(std::string_view local, std::string_view domain) {
  Address out;
  out.text_.reserve(local.size() + domain.size() + 1);
  out.text_ = local;
  if (!domain.empty()) out.text_.append("@").append(domain);
  return out;
}

std::string_view Address::local() const {
  return std::string_view(text_).substr(0, at_sign(text_));
}

std::string_view Address::domain() const {
  size_t at = at_sign(text_);
  return at == std::string_view::npos ? std::string_view() : std::string_view(text_).substr(at + 1);
}

std::string Address::key() const {
  std::string out(local());
  if (out.size() > 1 && out.front() == '"') {
    std::string plain = unquoted(out);
    out = grammar::is_dot_atom(plain) ? plain : grammar::quoted(plain);
  }
  if (size_t at = at_sign(text_); at != std::string::npos)
    out += lowered(std::string_view(text_).substr(at));
  else if (iequals(out, "postmaster"))
    out = lowered(out);
  return out;
}

std::string quoted_local(std::string_view local) {
  return grammar::is_dot_atom(local) ? std::string(local) : grammar::quoted(local);
}

std::string with_domain(std::string_view address, std::string_view domain) {
  std::string out(address);
  if (at_sign(address) == std::string_view::npos) out.append("@").append(domain);
  return out;
}

bool is_domain_name(std::string_view text) {
  return text.size() <= kMaxDomain && (is_ascii(text) || grammar::is_clean_utf8(text)) &&
         grammar::is_domain(text);
}

namespace {

// Length of the path at the start of `text`, ">" included; 0 when it does not end. Quoted strings may hold
// ">".
size_t path_length(std::string_view text) {
  bool in_quotes = false;
  for (size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (in_quotes && c == '\\')
      ++i;
    else if (c == '"')
      in_quotes = !in_quotes;
    else if (c == '>' && !in_quotes)
      return i + 1;
  }
  return 0;
}

// Removes "@a,@b:" from the start of `path`; false when it is malformed.
bool skip_source_route(std::string_view& path) {
  if (!path.starts_with('@')) return true;
  size_t colon = path.find(':');
  if (path.starts_with("@[")) {  // an IPv6 literal holds colons
    size_t close = path.rfind(']', path.rfind('@'));
    colon = close == std::string_view::npos ? close : path.find(':', close);
  }
  if (colon == std::string_view::npos) return false;
  for (std::string_view hop : split(path.substr(0, colon), ','))
    if (!hop.starts_with('@') || hop.size() < 2 || !check_domain(hop.substr(1))) return false;
  path.remove_prefix(colon + 1);
  return true;
}

}  // namespace

Result<Address> parse_path(std::string_view text, bool allow_null, std::string_view* rest, bool allow_utf8) {
  size_t length = text.starts_with('<') ? path_length(text) : 0;
  if (length == 0) return bad("a path stands in angle brackets");
  std::string_view after = text.substr(length);
  if (!after.empty() && after.front() != ' ') return bad("there is something behind the path");
  if (!after.empty() && !rest) return bad("there is something behind the path");
  if (rest) *rest = after;
  std::string_view path = text.substr(1, length - 2);
  if (path.empty()) {
    if (!allow_null) return bad("the null address is not a recipient");
    return Address{};
  }
  if (!is_ascii(path) && !allow_utf8) return bad("the address has illegal octets");
  if (!skip_source_route(path)) return bad("the source route is malformed");
  return Address::parse(path, allow_utf8);
}

}  // namespace veredus
