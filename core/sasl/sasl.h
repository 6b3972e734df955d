// SASL mechanisms without I/O, for both sides: PLAIN, LOGIN, SCRAM-SHA-256 and -PLUS, EXTERNAL through libgsasl; OAUTHBEARER (RFC 7628)
// and XOAUTH2 our own. A mechanism takes and gives raw octets; base64 and the lines of SMTP are the caller's. Belongs to one session.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus {

// The numbers are those of svc.auth/1.
enum class AuthKind : uint8_t { password = 1, secret = 2, token = 3, external = 4 };

// What has to be found out about an account.
struct AuthQuestion {
  AuthKind kind = AuthKind::password;
  std::string mechanism;
  std::string account;    // authentication identity
  std::string acting_as;  // authorisation identity; empty: the same
  std::string secret;     // password, token, or the certificate's fingerprint; never logged; wipe() it after use
};

struct AuthAnswer {
  enum class Kind : uint8_t { ok, denied, temporary } kind = Kind::temporary;
  std::string account;  // ok: its canonical name
  std::string tenant;
  std::string secret;  // AuthKind::secret: "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY", base64 (as PostgreSQL writes it)
};

struct SaslBinding {
  std::string type;  // "tls-exporter" (RFC 9266), the only one that libgsasl and we have in common; empty: none
  std::string data;
};

struct SaslServerOptions {
  SaslServerOptions() = default;
  std::string hostname;
  SaslBinding binding;
  std::string certificate;  // EXTERNAL: fingerprint of the client's certificate
  std::string certificate_name;  // EXTERNAL: identity it stands for when the client names none
};

struct SaslServerStep {
  enum class Kind : uint8_t {
    challenge,  // send `octets`, then answer()
    ask,        // find out `question`, then told()
    accepted,   // account, acting_as, tenant
    refused,    // `problem` says why, for the log
  } kind = Kind::refused;
  std::string octets;
  AuthQuestion question;
  std::string account, acting_as, tenant;
  enum class Why : uint8_t { denied, temporary, malformed, aborted } why = Why::malformed;
  std::string problem;
};

class SaslServer {
 public:
  virtual ~SaslServer() = default;
  // Null when the mechanism is unknown, or is SCRAM-SHA-256-PLUS and there is no binding. Names in any case. For SCRAM-SHA-256 too a binding
  // is given when -PLUS is offered: a client that has not seen the offer is then refused.
  static std::unique_ptr<SaslServer> make(std::string_view mechanism, SaslServerOptions options);
  // The initial response, if the client sent one ("" as well as "="), and whether it did.
  virtual SaslServerStep begin(std::string_view initial, bool has_initial) = 0;
  virtual SaslServerStep answer(std::string_view octets) = 0;
  virtual SaslServerStep told(const AuthAnswer& answer) = 0;
};

// In the order in which a server offers them, strongest first.
std::span<const std::string_view> sasl_mechanisms();
AuthKind sasl_needs(std::string_view mechanism);     // which question a mechanism asks
bool sasl_shows_password(std::string_view mechanism);  // to who listens on the wire: PLAIN, LOGIN, tokens

struct SaslCredentials {
  std::string account, acting_as;
  std::string password;
  std::string token;  // OAUTHBEARER, XOAUTH2
};

class SaslClient {
 public:
  virtual ~SaslClient() = default;
  // Null when the mechanism is unknown or the credentials have nothing for it. `binding` is for -PLUS.
  static std::unique_ptr<SaslClient> make(std::string_view mechanism, SaslCredentials credentials, std::string host, uint16_t port,
                                          SaslBinding binding);
  virtual bool speaks_first() const = 0;
  virtual Result<std::string> initial() = 0;
  // An error: the server does not prove itself, or talks nonsense. SCRAM computes: some milliseconds, at most 100,000 iterations.
  virtual Result<std::string> answer(std::string_view challenge) = 0;
  virtual Status finish() = 0;  // the server said yes: has it proven that it knows the password (SCRAM)?
};

// The best mechanism that the server offers, `allowed` permits (empty: all) and the credentials serve; empty when there is none. Mechanisms
// that show a password only with `confidential`.
std::string choose_mechanism(std::span<const std::string> offered, std::span<const std::string> allowed, const SaslCredentials& credentials,
                             bool confidential, bool has_binding);

// What svc.auth/1 gives for AuthKind::secret. `iterations` 4096 or more. Empty when SASLprep does not take the password.
std::string scram_secret(std::string_view password, std::string_view salt, uint32_t iterations);

void wipe(std::string& secret);  // overwritten, then empty

}  // namespace veredus
