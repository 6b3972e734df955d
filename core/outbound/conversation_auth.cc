// AUTH to a next hop, once it is known who it is.
#include "base/text.h"
#include "log/events.h"
#include "net/tls.h"
#include "outbound/classify.h"
#include "outbound/conversation.h"
#include "sasl/base64.h"

namespace veredus {

namespace {

using Kind = ClientStep::Kind;
constexpr int kMostSteps = 10;

}  // namespace

Reply Conversation::auth_failed(std::string text) {
  context_.log.write(events::kOutboundAuthFailed, {{"remote", remote_}, {"entry", credentials_}, {"reason", printable(text, 300)}});
  Reply why = local_reply(451, {4, 7, 8}, "No authentication to " + remote_ + ": " + text);
  machine_.lost(why);
  return why;
}

// Passwords and tokens are shown to a next hop inside TLS only; a socket of this host needs none. Loopback is no exception: any account of
// this host may listen there while the right server is away.
Task<Reply> Conversation::authenticate() {
  auto found = co_await context_.credentials.find(settings_, credentials_, target_.host);
  if (!found) co_return auth_failed(found.error().text);
  const TlsLink* link = stream_->tls();
  bool confidential = link || !target_.unix_path.empty();
  SaslBinding binding;
  if (link) binding = {"tls-exporter", link->channel_binding("tls-exporter")};
  const auto& offered = machine_.features().auth;
  const CredentialSettings& entry = settings_->credentials.at(credentials_);
  std::string mechanism = choose_mechanism(offered, entry.mechanisms, *found, confidential, !binding.data.empty());
  if (mechanism.empty())
    co_return auth_failed(offered.empty() ? std::string("it offers no AUTH") : "it offers no mechanism that these credentials may use" + std::string(confidential ? "" : " without TLS"));
  if (!mechanism.ends_with("-PLUS")) binding = SaslBinding();
  auto client = SaslClient::make(mechanism, std::move(*found), target_.host, target_.to.port, std::move(binding));
  if (!client) co_return auth_failed("the mechanism " + mechanism + " cannot be used with these credentials");
  co_return co_await run_mechanism(std::move(client), std::move(mechanism));
}

Task<Reply> Conversation::run_mechanism(std::unique_ptr<SaslClient> client, std::string mechanism) {
  std::string line = "AUTH " + mechanism;
  if (client->speaks_first()) {
    auto first = client->initial();
    if (!first) co_return auth_failed(first.error().text);
    line += first->empty() ? " =" : " " + base64_of(*first);
  }
  for (int step = 0; step < kMostSteps; ++step) {
    machine_.say_auth(line);
    co_await advance();
    if (machine_.step().kind != Kind::ready) co_return trouble();
    const Reply& said = machine_.answer();
    if (said.code == 235) {
      if (Status proven = client->finish(); !proven) co_return auth_failed(proven.error().text);
      co_return Reply();
    }
    if (said.code != 334) {
      context_.credentials.refused(credentials_);
      co_return auth_failed("it answered " + mechanism + " with " + said.joined());
    }
    auto challenge = octets_of_base64(said.lines.empty() ? std::string_view() : trimmed(said.lines[0]));
    if (!challenge) co_return auth_failed("its challenge is not base64");
    auto answer = client->answer(*challenge);
    line = answer ? base64_of(*answer) : "*";
  }
  co_return auth_failed("the dialogue of " + mechanism + " does not end");
}

}  // namespace veredus
