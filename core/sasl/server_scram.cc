// SCRAM-SHA-256 and -PLUS. libgsasl wants the stored secret in the middle of its first step, and we have to ask for it: a first session
// only reads who the client says it is; the one that answers is fed the same message when the secret is there.
#include "sasl/gsasl_session.h"
#include "sasl/scram_secret.h"
#include "sasl/server_base.h"

namespace veredus {

namespace {

using Why = SaslServerStep::Why;

class ScramServer final : public ServerMechanism {
 public:
  ScramServer(std::string mechanism, SaslServerOptions options) : ServerMechanism(std::move(mechanism), std::move(options)) {}

 private:
  bool plus() const { return mechanism().ends_with("-PLUS"); }
  bool binds() const { return options().binding.type == "tls-exporter" && !options().binding.data.empty(); }

  SaslServerStep message(std::string_view octets) override {
    if (!session_) return client_first(octets);
    return proven_ ? last(octets) : client_final(octets);
  }

  // What is wrong with the channel binding that the client speaks of; empty: nothing.
  std::string binding_problem(std::string_view first) const {
    if (!plus() && first.starts_with("p=")) return "the client binds to a channel, but did not choose -PLUS";
    if (!plus() && first.starts_with("y,") && binds()) return "the client saw no offer of -PLUS: somebody between has removed it";
    if (plus() && !first.starts_with("p=")) return "the client does not bind to the channel";
    if (plus() && !first.starts_with("p=tls-exporter,")) return "the client binds to the channel in another way than tls-exporter";
    return {};
  }
  SaslServerStep client_first(std::string_view octets) {
    if (std::string problem = binding_problem(octets); !problem.empty()) return denied(std::move(problem));
    auto reader = new_session(fake_scram_secret({}));
    if (reader->failed()) return refused(Why::temporary, "libgsasl has no memory");
    if (reader->step(octets).status != GSASL_NEEDS_MORE) return malformed("the first message cannot be read");
    auto account = sasl_name(reader->property(GSASL_AUTHID), "the account");
    if (!account) return malformed(account.error().text);
    std::string identity = reader->property(GSASL_AUTHZID);
    if (identity.empty()) identity = *account;
    auto acting_as = sasl_name(identity, "the authorisation identity");
    if (!acting_as) return malformed(acting_as.error().text);
    first_ = octets;
    return ask(AuthKind::secret, std::move(*account), std::move(*acting_as), {});
  }
  std::unique_ptr<GsaslSession> new_session(ScramSecret secret) const {
    auto out = std::make_unique<GsaslSession>(GsaslSession::Side::server, mechanism().c_str());
    out->give(GSASL_SCRAM_ITER, std::to_string(secret.iterations));
    out->give(GSASL_SCRAM_SALT, std::move(secret.salt));
    out->give(GSASL_SCRAM_STOREDKEY, std::move(secret.stored_key));
    out->give(GSASL_SCRAM_SERVERKEY, std::move(secret.server_key));
    if (binds()) out->give(GSASL_CB_TLS_EXPORTER, base64_of(options().binding.data));
    return out;
  }

  SaslServerStep decided(const AuthAnswer& answer) override {
    known_ = answer.kind == AuthAnswer::Kind::ok;
    std::optional<ScramSecret> secret = known_ ? read_scram_secret(answer.secret) : fake_scram_secret(account());
    if (!secret) return refused(Why::temporary, "the provider's secret for this account is no SCRAM-SHA-256 secret");
    if (known_) note_scram_secret(*secret);
    answer_ = {answer.kind, answer.account, answer.tenant, {}};
    session_ = new_session(std::move(*secret));
    if (session_->failed()) return refused(Why::temporary, "libgsasl has no memory");
    GsaslSession::Step step = session_->step(first_);
    return step.status == GSASL_NEEDS_MORE ? challenge(std::move(step.octets)) : malformed("the first message cannot be read");
  }
  SaslServerStep client_final(std::string_view octets) {
    GsaslSession::Step step = session_->step(octets);
    if (step.status == GSASL_MECHANISM_PARSE_ERROR || octets.empty()) return malformed("the final message cannot be read");
    if (step.status != GSASL_OK || !known_) return denied("unknown account, wrong password, or another channel");
    proven_ = true;
    return challenge(std::move(step.octets));
  }
  // SMTP has no place for data with success, so that the client answers the proof of the server with nothing (RFC 4954, section 4).
  SaslServerStep last(std::string_view octets) { return octets.empty() ? accepted(answer_) : malformed("a message behind the last one"); }

  std::unique_ptr<GsaslSession> session_;
  std::string first_;
  AuthAnswer answer_;
  bool known_ = false, proven_ = false;
};

}  // namespace

std::unique_ptr<SaslServer> make_scram_server(std::string mechanism, SaslServerOptions options) {
  return std::make_unique<ScramServer>(std::move(mechanism), std::move(options));
}

}  // namespace veredus
