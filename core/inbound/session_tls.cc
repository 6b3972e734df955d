// Encryption of a session: STARTTLS and implicit TLS. Nothing said before the handshake counts after it.
#include "base/text.h"
#include "inbound/session.h"
#include "log/events.h"
#include "net/tls_verify.h"

namespace veredus {

// After the 220: the handshake takes the stream; a failure is the end of the connection.
Task<void> Session::start_tls() {
  bool secured = co_await secure();
  if (!secured) co_return;
  if (lasting_edits_.size() > connect_edits_) forget_helo();
  origin_.helo.clear();
  origin_.account.clear();
  origin_.mechanism.clear();
  find_rights();
  tell(Stage::tls_done, nullptr);
  machine_->tls_started();
  offer_auth();
}

Task<bool> Session::secure() {
  OnTlsHello on_hello = [this](TlsHello hello) { return ask_about_hello(std::move(hello)); };
  auto stream = co_await tls_accept(context_.loop, std::move(stream_), context_.tls, std::move(on_hello),
                                    Deadline::in(context_.loop, settings_->tls.handshake));
  if (!stream) co_return tls_failed(stream.error().text), false;
  if (is_fingerprint_of(settings_->tls.revoked, (*stream)->tls()->facts().peer_fingerprint))
    co_return tls_failed("the client's certificate is revoked here (tls.revoked)"), false;
  stream_ = std::move(*stream);
  take_facts(stream_->tls()->facts());
  co_return true;
}

void Session::tls_failed(std::string_view reason) {
  ++context_.counters.tls_failed;
  context_.log.write(events::kSessionTlsFailed, {{"client", origin_.client.text()}, {"sni", printable(origin_.tls_sni, 255)}, {"reason", reason}});
  end_reason_ = "tls";
  over_ = true;
}

void Session::take_facts(const TlsFacts& facts) {
  ++context_.counters.tls_handshakes;
  if (facts.resumed) ++context_.counters.tls_resumed;
  if (facts.version == "TLS1.3") ++context_.counters.tls_1_3;
  origin_.tls = facts.text();
  origin_.tls_sni = facts.sni;
  origin_.tls_fingerprint = facts.peer_fingerprint;
  origin_.tls_peer = facts.peer_trusted ? facts.peer_subject : std::string();
  context_.log.write(events::kSessionTls, {{"client", origin_.client.text()},
                                           {"version", facts.version},
                                           {"cipher", facts.cipher},
                                           {"sni", printable(facts.sni, 255)},
                                           {"resumed", facts.resumed},
                                           {"peer", printable(origin_.tls_peer, 255)},
                                           {"fingerprint", facts.peer_fingerprint}});
}

// Hooks may refuse the handshake once it is known which server the client wants.
Task<Status> Session::ask_about_hello(TlsHello hello) {
  origin_.tls_sni = std::move(hello.sni);
  if (Asked asked = ask_hooks(Stage::starttls)) {
    Ruling ruling = co_await consult(std::move(asked));
    if (!settle(ruling)) co_return fail(Errc::refused, "refused by " + ruling.rule + ": " + ruling.refusal.joined());
  }
  co_return Status();
}

Task<void> Session::on_starttls() {
  bool refused = standing_refusal_.code != 0 && standing_scope_ == VerdictScope::connection;
  if (refused) co_return machine_->refuse(standing_refusal_);
  starting_tls_ = true;
  machine_->accept();
}

}  // namespace veredus
