// How strictly connections for a recipient are secured: a plugin's choice, the route's, the table's, the first policy that matches. What is
// left open follows tls.outbound at the time of the connection.
#include <algorithm>

#include "base/text.h"
#include "outbound/classify.h"
#include "outbound/router.h"

namespace veredus {

namespace {

constexpr Millis kTablePatience{10'000};

// "HEX:HEX", or one with colons between its octets, as openssl prints it.
void add_fingerprints(std::string_view value, std::vector<std::string>& out) {
  auto parts = split(value, ':');
  bool octets = std::all_of(parts.begin(), parts.end(), [](std::string_view part) { return part.size() == 2; });
  if (octets) out.emplace_back(value);
  else for (std::string_view one : parts) out.emplace_back(one);
}

// "verify names=mx.a.test:.b.test", "dane-only", "verify fingerprint=HEX ca=/PATH"
std::optional<TlsPolicySettings> read_policy(std::string_view text) {
  TlsPolicySettings out;
  bool first = true;
  for (std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (std::exchange(first, false)) {
      auto level = parse_tls_level(word);
      if (!level) return std::nullopt;
      out.level = *level;
      continue;
    }
    size_t equals = word.find('=');
    if (equals == std::string_view::npos || equals + 1 == word.size()) return std::nullopt;
    std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
    if (key == "ca") out.ca = value;
    else if (key == "fingerprint" || key == "fingerprints") add_fingerprints(value, out.fingerprints);
    else if (key == "names" || key == "name") for (std::string_view one : split(value, ':')) out.names.emplace_back(one);
    else return std::nullopt;
  }
  return first ? std::nullopt : std::optional(std::move(out));
}

}  // namespace

// With the domain, then with each domain above it behind a dot.
Task<TableAnswer> OutboundRouter::ask_policy_table(std::string domain) {
  TableAnswer out;
  out.problem = "there are no tables";
  if (!tables_) co_return out;
  Loop& loop = runner_.pending().loop();
  std::string table = table_.settings().tls.policy_table;
  for (std::string key = domain; !key.empty();) {
    out = co_await tables_->look_up(loop, table, key, Deadline::in(loop, kTablePatience));
    if (out.kind != TableAnswer::Kind::absent) co_return out;
    size_t dot = key.find('.', 1);
    key = dot == std::string::npos ? std::string() : key.substr(dot);
  }
  co_return out;
}

Task<Reply> OutboundRouter::secure(std::shared_ptr<const Envelope> envelope, uint32_t recipient, std::string wanted, Destination* found) {
  Reply failure = co_await choose_level(lowered(envelope->recipients[recipient].address.domain()), std::move(wanted), found);
  const std::string* required = find_note(envelope->notes, kTlsRequiredNote);
  if (failure.code == 0 && required && *required == "no" && !envelope->require_tls) relax(*found);
  co_return failure;
}

// RFC 8689 4.3: what the recipient's domain publishes is ignored for a message with TLS-Required: No; what this host's administrator demands
// is not, so that nobody's header weakens a route that shows a password.
void OutboundRouter::relax(Destination& found) const {
  TlsLevel level = found.tls ? found.tls->level : table_.settings().tls.outbound;
  if (level == TlsLevel::opportunistic || level == TlsLevel::dane) RouteTable::secure(found, RouteTable::policy_of(TlsLevel::opportunistic), false);
}

Task<Reply> OutboundRouter::choose_level(std::string domain, std::string wanted, Destination* found) {
  if (auto level = parse_tls_level(wanted)) {
    RouteTable::secure(*found, RouteTable::policy_of(*level));
    co_return Reply();
  }
  if (found->tls) co_return Reply();  // of the route
  if (!table_.settings().tls.policy_table.empty()) {
    TableAnswer answer = co_await ask_policy_table(domain);
    if (answer.kind == TableAnswer::Kind::temporary)
      co_return local_reply(451, {4, 7, 5}, "It cannot be told now how mail for " + domain + " must be secured: " + printable(answer.problem, 200));
    if (answer.kind == TableAnswer::Kind::found) {
      auto policy = read_policy(answer.value);
      if (!policy) co_return local_reply(451, {4, 3, 5}, "tls.policy_table: the value for " + domain + " makes no sense: " + printable(answer.value, 100));
      RouteTable::secure(*found, std::move(*policy));
      co_return Reply();
    }
  }
  if (const TlsPolicySettings* policy = table_.policy_for(domain)) RouteTable::secure(*found, *policy);
  co_return Reply();
}

}  // namespace veredus
