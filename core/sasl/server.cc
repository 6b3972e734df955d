// The order of calls, and the mechanisms that need one answer: PLAIN, LOGIN, EXTERNAL.
#include "base/text.h"
#include "sasl/gsasl_session.h"
#include "sasl/server_base.h"

namespace veredus {

namespace {

using Why = SaslServerStep::Why;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

// libgsasl reads the messages and wants names and password validated, which the caller does.
class SimpleServer final : public ServerMechanism {
 public:
  SimpleServer(std::string mechanism, SaslServerOptions options)
      : ServerMechanism(std::move(mechanism), std::move(options)), session_(GsaslSession::Side::server, this->mechanism().c_str()) {}

 private:
  bool is(std::string_view name) const { return mechanism() == name; }
  SaslServerStep first() override { return is("LOGIN") ? message({}) : challenge({}); }
  SaslServerStep message(std::string_view octets) override {
    if (session_.failed()) return refused(Why::temporary, "libgsasl has no memory");
    if (is("PLAIN") && octets.empty()) return malformed("the message is empty");
    if (is("LOGIN") && prompts_ == 0 && !octets.empty()) (void)login_prompt(session_.step({}));
    GsaslSession::Step step = session_.step(octets);
    if (step.status == GSASL_NEEDS_MORE && is("LOGIN") && prompts_ < 2) return login_prompt(step);
    if (step.status != GSASL_OK || !session_.validated()) return malformed("the message cannot be read");
    if (is("EXTERNAL")) return ask_external();
    return ask_password(is("LOGIN") ? octets : octets.substr(octets.rfind('\0') + 1));
  }
  // Clients compare these with what other servers say; libgsasl says "User Name" and "Password".
  SaslServerStep login_prompt(const GsaslSession::Step&) { return challenge(prompts_++ == 0 ? "Username:" : "Password:"); }

  // The password as it came: libgsasl's is prepared.
  SaslServerStep ask_password(std::string_view password) {
    auto account = sasl_name(session_.property(GSASL_AUTHID), "the account");
    if (!account) return malformed(account.error().text);
    std::string identity = session_.property(GSASL_AUTHZID);
    if (identity.empty()) identity = *account;
    auto acting_as = sasl_name(identity, "the authorisation identity");
    if (!acting_as) return malformed(acting_as.error().text);
    if (password.empty()) return malformed("the password is empty");
    if (password.size() > kMostSaslPassword) return malformed("the password has more than " + std::to_string(kMostSaslPassword) + " octets");
    return ask(AuthKind::password, std::move(*account), std::move(*acting_as), std::string(password));
  }
  // Without a name the certificate's stands; without that, or when it is nobody's, the provider has to know whose the certificate is.
  SaslServerStep ask_external() {
    if (options().certificate.empty()) return denied("the client has shown no certificate");
    std::string identity = session_.property(GSASL_AUTHZID);
    named_ = !identity.empty();
    if (!named_) identity = options().certificate_name;
    if (identity.empty()) return ask(AuthKind::external, {}, {}, options().certificate);
    auto account = sasl_name(identity, "the authorisation identity");
    if (!account && named_) return malformed(account.error().text);
    return ask(AuthKind::external, account ? std::move(*account) : std::string(), {}, options().certificate);
  }
  SaslServerStep decided(const AuthAnswer& answer) override {
    if (answer.kind == AuthAnswer::Kind::ok) return accepted(answer);
    // The name in the certificate need not be that of the account.
    if (is("EXTERNAL") && !named_ && !account().empty()) return ask(AuthKind::external, {}, {}, options().certificate);
    return denied(is("EXTERNAL") ? "the certificate is not one of the account" : "unknown account or wrong password");
  }

  GsaslSession session_;
  int prompts_ = 0;
  bool named_ = false;  // EXTERNAL: the client has said who it is
};

}  // namespace

SaslServerStep ServerMechanism::begin(std::string_view initial, bool has_initial) {
  if (waits_ != Waits::begin) return malformed("the exchange has begun already");
  waits_ = Waits::client;
  return has_initial ? read(initial) : first();
}

SaslServerStep ServerMechanism::answer(std::string_view octets) {
  return waits_ == Waits::client ? read(octets) : malformed("no message is expected now");
}

SaslServerStep ServerMechanism::read(std::string_view octets) {
  if (octets.size() > most_octets()) return malformed("the message has more than " + std::to_string(most_octets()) + " octets");
  return message(octets);
}

SaslServerStep ServerMechanism::told(const AuthAnswer& answer) {
  if (waits_ != Waits::answer) return malformed("nothing was asked");
  if (answer.kind == AuthAnswer::Kind::temporary) return refused(Why::temporary, "whether the account may pass cannot be found out now");
  return decided(answer);
}

SaslServerStep ServerMechanism::challenge(std::string octets) {
  waits_ = Waits::client;
  SaslServerStep out;
  out.kind = SaslServerStep::Kind::challenge;
  out.octets = std::move(octets);
  return out;
}

SaslServerStep ServerMechanism::ask(AuthKind kind, std::string account, std::string acting_as, std::string secret) {
  waits_ = Waits::answer;
  account_ = account;
  acting_as_ = acting_as == account ? std::string() : std::move(acting_as);
  SaslServerStep out;
  out.kind = SaslServerStep::Kind::ask;
  out.question.kind = kind;
  out.question.mechanism = mechanism_;
  out.question.account = std::move(account);
  out.question.acting_as = acting_as_;
  out.question.secret = std::move(secret);
  return out;
}

SaslServerStep ServerMechanism::accepted(const AuthAnswer& answer) {
  waits_ = Waits::nothing;
  std::string name = answer.account.empty() ? account_ : answer.account;
  if (name.empty()) return refused(Why::temporary, "the provider does not say whose account it is");
  SaslServerStep out;
  out.kind = SaslServerStep::Kind::accepted;
  out.account = std::move(name);
  out.acting_as = acting_as_;
  out.tenant = answer.tenant;
  return out;
}

SaslServerStep ServerMechanism::refused(Why why, std::string problem) {
  waits_ = Waits::nothing;
  SaslServerStep out;
  out.kind = SaslServerStep::Kind::refused;
  out.account = account_;
  out.why = why;
  out.problem = mechanism_ + ": " + std::move(problem);
  return out;
}

std::unique_ptr<SaslServer> make_simple_server(std::string mechanism, SaslServerOptions options) {
  return std::make_unique<SimpleServer>(std::move(mechanism), std::move(options));
}

std::unique_ptr<SaslServer> SaslServer::make(std::string_view name, SaslServerOptions options) {
  std::string mechanism = upper(name);
  if (mechanism == "PLAIN" || mechanism == "LOGIN" || mechanism == "EXTERNAL") return make_simple_server(std::move(mechanism), std::move(options));
  if (mechanism == "OAUTHBEARER" || mechanism == "XOAUTH2") return make_oauth_server(std::move(mechanism), std::move(options));
  bool bound = mechanism == "SCRAM-SHA-256-PLUS" && options.binding.type == "tls-exporter" && !options.binding.data.empty();
  if (mechanism == "SCRAM-SHA-256" || bound) return make_scram_server(std::move(mechanism), std::move(options));
  return nullptr;
}

}  // namespace veredus
