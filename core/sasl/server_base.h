// What the mechanisms of the server share: their order of calls, bounds, and steps. Belongs to one session.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "sasl/names.h"
#include "sasl/sasl.h"

namespace veredus {

class ServerMechanism : public SaslServer {
 public:
  ServerMechanism(std::string mechanism, SaslServerOptions options) : mechanism_(std::move(mechanism)), options_(std::move(options)) {}
  SaslServerStep begin(std::string_view initial, bool has_initial) final;
  SaslServerStep answer(std::string_view octets) final;
  SaslServerStep told(const AuthAnswer& answer) final;

 protected:
  virtual SaslServerStep first() { return challenge({}); }                     // the client waits for a challenge
  virtual SaslServerStep message(std::string_view octets) = 0;                 // the next of the client
  virtual SaslServerStep decided(const AuthAnswer& answer) = 0;                // ok or denied
  virtual size_t most_octets() const { return 4096; }

  SaslServerStep challenge(std::string octets);
  SaslServerStep ask(AuthKind kind, std::string account, std::string acting_as, std::string secret);
  SaslServerStep accepted(const AuthAnswer& answer);
  SaslServerStep refused(SaslServerStep::Why why, std::string problem);
  SaslServerStep malformed(std::string problem) { return refused(SaslServerStep::Why::malformed, std::move(problem)); }
  SaslServerStep denied(std::string problem) { return refused(SaslServerStep::Why::denied, std::move(problem)); }
  const std::string& mechanism() const { return mechanism_; }
  const SaslServerOptions& options() const { return options_; }
  const std::string& account() const { return account_; }

 private:
  enum class Waits : uint8_t { begin, client, answer, nothing };
  SaslServerStep read(std::string_view octets);

  std::string mechanism_;
  SaslServerOptions options_;
  std::string account_, acting_as_;  // as asked
  Waits waits_ = Waits::begin;
};

std::unique_ptr<SaslServer> make_simple_server(std::string mechanism, SaslServerOptions options);
std::unique_ptr<SaslServer> make_scram_server(std::string mechanism, SaslServerOptions options);
std::unique_ptr<SaslServer> make_oauth_server(std::string mechanism, SaslServerOptions options);

}  // namespace veredus
