// Key and value pairs between octets 1, and the gs2 header in front.
#include "sasl/oauth_message.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "sasl/names.h"

namespace veredus {

namespace {

constexpr char kBetween = '\x01';
constexpr std::string_view kEnd("\x01\x01", 2), kBearer = "Bearer ";

Error bad(std::string text) { return fail(Errc::invalid, std::move(text)); }

// saslname of RFC 5801: "," and "=" are written =2C and =3D.
std::optional<std::string> plain_name(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    std::string_view code = text.substr(i, 3);
    if (code != "=2C" && code != "=3D") return std::nullopt;
    out += code == "=2C" ? ',' : '=';
    i += 2;
  }
  return out;
}

std::string saslname(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == ',') out += "=2C";
    else if (c == '=') out += "=3D";
    else out += c;
  }
  return out;
}

// b64token of RFC 6750.
bool is_token(std::string_view token) {
  static constexpr std::string_view kOther = "-._~+/=";
  auto good = [](char c) {
    bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
    return letter || (c >= '0' && c <= '9') || kOther.find(c) != kOther.npos;
  };
  return !token.empty() && std::all_of(token.begin(), token.end(), good);
}

Result<std::string> read_bearer(std::string_view value) {
  if (!istarts_with(value, kBearer)) return bad("the token is not of the type Bearer");
  std::string_view token = value.substr(kBearer.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  if (token.size() > kMostSaslToken) return fail(Errc::limit, "the token has more than " + std::to_string(kMostSaslToken) + " octets");
  if (!is_token(token)) return bad("the token has characters that a bearer token (RFC 6750) cannot have");
  return std::string(token);
}

// The value of `key` among pairs that each end with octet 1, or an error; of equal keys there may be one.
Result<std::string_view> pair_value(std::string_view pairs, std::string_view key) {
  std::optional<std::string_view> found;
  while (!pairs.empty()) {
    size_t end = pairs.find(kBetween), sign = pairs.find('=');
    if (end == pairs.npos || sign == pairs.npos || sign >= end || sign == 0) return bad("a pair without key, '=' or end");
    if (pairs.substr(0, sign) == key) {
      if (found) return bad("the key '" + std::string(key) + "' stands twice");
      found = pairs.substr(sign + 1, end - sign - 1);
    }
    pairs.remove_prefix(end + 1);
  }
  if (!found) return bad("no '" + std::string(key) + "'");
  return *found;
}

Result<std::string> checked_account(std::string_view name) {
  if (name.empty()) return std::string();
  return sasl_name(name, "the authorisation identity");
}

Result<std::string> read_gs2_header(std::string_view header) {
  if (header.starts_with("p=")) return bad("channel binding is asked for, which this mechanism does not have");
  if (!header.starts_with("n,") && !header.starts_with("y,")) return bad("no gs2 header");
  std::string_view identity = header.substr(2);
  if (!identity.ends_with(',')) return bad("no gs2 header");
  identity.remove_suffix(1);
  if (identity.empty()) return std::string();
  auto name = identity.starts_with("a=") ? plain_name(identity.substr(2)) : std::nullopt;
  if (!name || name->empty() || identity.find(',') != identity.npos) return bad("an authorisation identity that cannot be read");
  return checked_account(*name);
}

Result<OauthMessage> with_token(Result<std::string> account, std::string_view pairs) {
  if (!account) return account.error();
  auto value = pair_value(pairs, "auth");
  if (!value) return value.error();
  auto token = read_bearer(*value);
  if (!token) return token.error();
  return OauthMessage{std::move(*account), std::move(*token)};
}

}  // namespace

Result<OauthMessage> read_oauthbearer(std::string_view message) {
  size_t header = message.find(kBetween);
  if (header == message.npos || !message.ends_with(kEnd) || message.size() < header + 2) return bad("the message does not end with two octets 1");
  return with_token(read_gs2_header(message.substr(0, header)), message.substr(header + 1, message.size() - header - 2));
}

Result<OauthMessage> read_xoauth2(std::string_view message) {
  constexpr std::string_view kUser = "user=";
  size_t end = message.find(kBetween);
  if (!message.starts_with(kUser) || end == message.npos) return bad("the message does not begin with user=");
  if (!message.ends_with(kEnd) || message.size() < end + 2) return bad("the message does not end with two octets 1");
  auto account = sasl_name(message.substr(kUser.size(), end - kUser.size()), "the account");
  return with_token(std::move(account), message.substr(end + 1, message.size() - end - 2));
}

std::string write_oauthbearer(std::string_view account, std::string_view token, std::string_view host, uint16_t port) {
  std::string out = "n,a=" + saslname(account) + ",";
  if (!host.empty()) out += "\x01host=" + std::string(host);
  if (port != 0) out += "\x01port=" + std::to_string(port);
  return out.append("\x01" "auth=").append(kBearer).append(token).append(kEnd);
}

std::string write_xoauth2(std::string_view account, std::string_view token) {
  return std::string("user=").append(account).append("\x01" "auth=").append(kBearer).append(token).append(kEnd);
}

}  // namespace veredus
