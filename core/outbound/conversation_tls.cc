// STARTTLS of one connection: asked for, shaken hands on, and the certificate judged before anything is said over it.
#include "base/text.h"
#include "net/tls.h"
#include "outbound/classify.h"
#include "outbound/conversation.h"

namespace veredus {

namespace {

using Kind = ClientStep::Kind;

}  // namespace

// What was found wrong. In mode testing it is told, and mail goes on.
Reply Conversation::insecure(const char* word, uint8_t detail, std::string text) {
  security_.told.result = word;
  security_.told.problem = text;
  if (!security_.required) return Reply();
  return local_reply(451, {4, 7, detail}, std::move(text));
}

Task<Reply> Conversation::secure() {
  if (!machine_.features().starttls) co_return insecure("starttls-not-supported", 4, "TLS is required, and " + remote_ + " does not offer STARTTLS");
  machine_.ask_tls();
  co_await advance();
  better_in_clear_ = !security_.required && machine_.step().kind != Kind::ready;
  if (machine_.step().kind != Kind::ready) co_return trouble();
  if (machine_.answer().code != 220)
    co_return insecure("starttls-not-supported", 4, "TLS is required, and " + remote_ + " answered STARTTLS with " + machine_.answer().joined());
  if (!stream_->buffered().empty()) {
    better_in_clear_ = !security_.required;
    security_.told.result = "validation-failure";
    security_.told.problem = remote_ + " sent octets before the handshake";
    machine_.lost(local_reply(451, {4, 7, 5}, security_.told.problem + ", which somebody else may have put there"));
    co_return machine_.problem();
  }
  co_return co_await upgrade();
}

Task<Reply> Conversation::upgrade() {
  TlsClientOptions options;
  options.sni = security_.sni;
  options.priority = settings_->tls.outbound_priority;
  options.cert = settings_->tls.outbound_cert;
  options.key = settings_->tls.outbound_key;
  options.resumption = context_.tls_memory.take(session_key());
  auto encrypted = co_await tls_connect(context_.loop, std::move(stream_), std::move(options), Deadline::in(context_.loop, settings_->tls.handshake));
  if (!encrypted) {
    ++context_.counters.tls_failed;
    better_in_clear_ = !security_.required;
    security_.told.result = "validation-failure";
    security_.told.problem = encrypted.error().text;
    machine_.lost(local_reply(451, {4, 7, 5}, "No TLS with " + remote_ + ": " + encrypted.error().text));
    co_return machine_.problem();
  }
  stream_ = std::move(*encrypted);
  const TlsFacts& facts = stream_->tls()->facts();
  ++context_.counters.tls;
  if (facts.resumed) ++context_.counters.tls_resumed;
  security_.told.tls = facts.text();
  security_.told.resumed = facts.resumed;
  Reply wrong = judge();
  if (wrong.code != 0) {
    machine_.lost(wrong);
    co_return wrong;
  }
  bool proven = security_.check != Security::Check::none && security_.told.problem.empty();
  machine_.tls_started(proven);
  co_await advance();
  if (machine_.step().kind != Kind::ready) co_return trouble();
  co_return Reply();
}

Reply Conversation::judge() {
  std::shared_ptr<const TrustAnchors> anchors;
  if (security_.check == Security::Check::chain && context_.anchors)
    if (auto loaded = context_.anchors->get(security_.ca, context_.loop.now())) anchors = *loaded;
  PeerVerdict verdict = judge_peer(security_, anchors.get(), stream_->tls()->facts().peer_chain, context_.loop.clock().wall());
  if (verdict.good()) {
    if (security_.told.problem.empty()) security_.told.result = "success";
    return {};
  }
  return insecure(verdict.word.c_str(), 5, "The certificate of " + remote_ + " is not accepted: " + verdict.text);
}

// Only connections that are judged alike share a session.
std::string Conversation::session_key() const {
  return remote_ + "/" + security_.told.level + "/" + security_.told.type + "/" + security_.told.domain + "/" + security_.sni;
}

void Conversation::keep_session() {
  if (stream_ && stream_->tls() && security_.told.problem.empty()) context_.tls_memory.keep(session_key(), stream_->tls()->resumption());
}

}  // namespace veredus
