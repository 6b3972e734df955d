// Mechanisms of the client. A server that names too many iterations would stop the loop: it is refused before libgsasl counts.
#include <algorithm>

#include "base/text.h"
#include "sasl/gsasl_session.h"
#include "sasl/names.h"
#include "sasl/oauth_message.h"
#include "sasl/sasl.h"

namespace veredus {

namespace {

constexpr uint64_t kLeastIterations = 4096, kMostIterations = 100'000;
constexpr size_t kMostChallenge = 4096;

Error bad(std::string text) { return fail(Errc::invalid, std::move(text)); }

class GsaslClient : public SaslClient {
 public:
  GsaslClient(const char* mechanism, SaslCredentials credentials, const SaslBinding& binding)
      : session_(GsaslSession::Side::client, mechanism), name_(mechanism) {
    session_.give(GSASL_AUTHID, std::move(credentials.account));
    if (!credentials.acting_as.empty()) session_.give(GSASL_AUTHZID, std::move(credentials.acting_as));
    session_.give(GSASL_PASSWORD, std::move(credentials.password));
    if (binding.type == "tls-exporter") session_.give(GSASL_CB_TLS_EXPORTER, base64_of(binding.data));
  }
  bool speaks_first() const override { return true; }
  Result<std::string> initial() override { return step({}); }
  Status finish() override { return {}; }

 protected:
  Result<std::string> step(std::string_view challenge) {
    if (session_.failed()) return fail(Errc::unsupported, "libgsasl does not have " + name_);
    GsaslSession::Step out = session_.step(challenge);
    status_ = out.status;
    if (status_ == GSASL_OK || status_ == GSASL_NEEDS_MORE) return std::move(out.octets);
    if (status_ == GSASL_SASLPREP_ERROR) return bad("account or password have characters that SASLprep (RFC 4013) does not allow");
    return bad(name_ + ": the server's message does not fit (" + gsasl_strerror_name(status_) + ")");
  }
  const std::string& name() const { return name_; }
  int status() const { return status_; }

 private:
  GsaslSession session_;
  std::string name_;
  int status_ = GSASL_NEEDS_MORE;
};

class PlainClient final : public GsaslClient {
 public:
  using GsaslClient::GsaslClient;
  // A server that did not take the initial response asks with an empty challenge.
  Result<std::string> answer(std::string_view challenge) override {
    if (!challenge.empty() || std::exchange(sent_, true)) return bad("PLAIN: the server asks for more than there is");
    return step({});
  }
  Result<std::string> initial() override {
    sent_ = true;
    return step({});
  }

 private:
  bool sent_ = false;
};

// The texts of the prompts mean nothing: the first asks for the account, the second for the password.
class LoginClient final : public GsaslClient {
 public:
  using GsaslClient::GsaslClient;
  bool speaks_first() const override { return false; }
  Result<std::string> initial() override { return std::string(); }
  Result<std::string> answer(std::string_view challenge) override {
    if (answers_++ == 2) return bad("LOGIN: the server asks for more than there is");
    return step(challenge.empty() ? std::string_view("?") : challenge);
  }

 private:
  int answers_ = 0;
};

class ScramClient final : public GsaslClient {
 public:
  using GsaslClient::GsaslClient;
  Result<std::string> initial() override {
    sent_ = true;
    return step({});
  }
  Result<std::string> answer(std::string_view challenge) override {
    if (!sent_) return challenge.empty() ? initial() : Result<std::string>(bad(name() + ": a challenge before the first message"));
    if (proven()) return bad(name() + ": a challenge behind the last message");
    if (challenge.size() > kMostChallenge) return bad(name() + ": a challenge of more than " + std::to_string(kMostChallenge) + " octets");
    if (challenge.starts_with("e=")) return fail(Errc::refused, name() + ": the server says " + printable(challenge.substr(2), 100));
    if (std::string problem = iterations_problem(challenge); !problem.empty()) return bad(name() + ": " + problem);
    return step(challenge);
  }
  Status finish() override {
    if (proven()) return {};
    return fail(Errc::refused, name() + ": the server has not proven that it knows the password");
  }

 private:
  bool proven() const { return sent_ && status() == GSASL_OK; }
  static std::string iterations_problem(std::string_view challenge) {
    if (challenge.starts_with("v=")) return {};
    for (std::string_view part : split(challenge, ',')) {
      if (!part.starts_with("i=")) continue;
      auto count = parse_uint(part.substr(2), kMostIterations);
      if (!count || *count < kLeastIterations)
        return "the server wants fewer iterations than " + std::to_string(kLeastIterations) + " or more than " + std::to_string(kMostIterations);
    }
    return {};
  }
  bool sent_ = false;
};

class OauthClient final : public SaslClient {
 public:
  OauthClient(bool bearer, SaslCredentials credentials, std::string host, uint16_t port)
      : bearer_(bearer),
        message_(bearer ? write_oauthbearer(credentials.account, credentials.token, host, port) : write_xoauth2(credentials.account, credentials.token)) {
    wipe(credentials.token);
    wipe(credentials.password);
  }
  ~OauthClient() override { wipe(message_); }
  bool speaks_first() const override { return true; }
  Result<std::string> initial() override {
    sent_ = true;
    return message_;
  }
  // A challenge says what is wrong; the refusal itself comes when it was acknowledged.
  Result<std::string> answer(std::string_view challenge) override {
    if (!sent_ && challenge.empty()) return initial();
    if (!sent_ || std::exchange(told_, true)) return bad("the server asks for more than there is");
    problem_ = printable(challenge, 200);
    return bearer_ ? std::string("\x01") : std::string();
  }
  Status finish() override {
    if (!told_) return {};
    return fail(Errc::refused, "the server said what is wrong with the token, and then yes: " + problem_);
  }

 private:
  bool bearer_, sent_ = false, told_ = false;
  std::string message_, problem_;
};

}  // namespace

std::unique_ptr<SaslClient> SaslClient::make(std::string_view mechanism, SaslCredentials credentials, std::string host, uint16_t port,
                                             SaslBinding binding) {
  bool token = sasl_needs(mechanism) == AuthKind::token;
  if (credentials.account.empty() || (token ? credentials.token : credentials.password).empty()) return nullptr;
  if (token) return std::make_unique<OauthClient>(iequals(mechanism, "OAUTHBEARER"), std::move(credentials), std::move(host), port);
  if (iequals(mechanism, "PLAIN")) return std::make_unique<PlainClient>("PLAIN", std::move(credentials), SaslBinding{});
  if (iequals(mechanism, "LOGIN")) return std::make_unique<LoginClient>("LOGIN", std::move(credentials), SaslBinding{});
  if (iequals(mechanism, "SCRAM-SHA-256")) return std::make_unique<ScramClient>("SCRAM-SHA-256", std::move(credentials), SaslBinding{});
  bool bound = binding.type == "tls-exporter" && !binding.data.empty();
  if (!iequals(mechanism, "SCRAM-SHA-256-PLUS") || !bound) return nullptr;
  return std::make_unique<ScramClient>("SCRAM-SHA-256-PLUS", std::move(credentials), binding);
}

}  // namespace veredus
