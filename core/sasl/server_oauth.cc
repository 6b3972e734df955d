// OAUTHBEARER (RFC 7628) and XOAUTH2: one message with a token. A refusal is told in JSON, which the client acknowledges before it ends.
#include "sasl/oauth_message.h"
#include "sasl/server_base.h"

namespace veredus {

namespace {

class OauthServer final : public ServerMechanism {
 public:
  OauthServer(std::string mechanism, SaslServerOptions options) : ServerMechanism(std::move(mechanism), std::move(options)) {}

 private:
  bool bearer() const { return mechanism() == "OAUTHBEARER"; }
  size_t most_octets() const override { return kMostSaslToken + 2048; }

  SaslServerStep message(std::string_view octets) override {
    if (!problem_.empty()) return acknowledged(octets);
    auto read = bearer() ? read_oauthbearer(octets) : read_xoauth2(octets);
    if (!read) return malformed(read.error().text);
    return ask(AuthKind::token, std::move(read->account), {}, std::move(read->token));
  }
  SaslServerStep decided(const AuthAnswer& answer) override {
    if (answer.kind == AuthAnswer::Kind::ok) return accepted(answer);
    problem_ = "the token is not valid for the account";
    return challenge(bearer() ? R"({"status":"invalid_token"})" : R"({"status":"401","schemes":"Bearer"})");
  }
  // Octet 1; XOAUTH2 clients send an empty message.
  SaslServerStep acknowledged(std::string_view octets) {
    bool well = octets == "\x01" || (!bearer() && octets.empty());
    return well ? denied(problem_) : malformed("the refusal was answered with something else than octet 1; " + problem_);
  }

  std::string problem_;
};

}  // namespace

std::unique_ptr<SaslServer> make_oauth_server(std::string mechanism, SaslServerOptions options) {
  return std::make_unique<OauthServer>(std::move(mechanism), std::move(options));
}

}  // namespace veredus
