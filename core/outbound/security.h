// Security: how one connection to a next hop must be secured, found before it is made: the destination's level, or what the recipient's
// domain publishes (DANE before MTA-STS). Belongs to one loop.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/dane.h"
#include "net/tls_verify.h"
#include "outbound/context.h"
#include "outbound/host_walk.h"
#include "outbound/tls_policy.h"

namespace veredus {

struct Security {
  enum class Check : uint8_t { none, chain, fingerprints, dane } check = Check::none;
  bool wanted = false;    // STARTTLS is used when it is offered
  bool required = false;  // nothing is said without it
  bool testing = false;   // MTA-STS in mode testing: what fails is told, and mail goes all the same
  std::string sni;
  std::vector<std::string> names;         // reference names
  std::vector<std::string> fingerprints;  // lower-case hex
  std::string ca;                         // file of trust anchors
  std::vector<std::string> revoked;       // fingerprints, as the settings write them
  TlsaSet tlsa;
  OutboundTls told;  // what is known so far
  Reply refusal;     // code != 0: this host must not be used

  // A handshake that nothing demands failed lately: this connection, too, counts as one that could not be secured.
  void go_clear() {
    wanted = false;
    told.result = "validation-failure";
    told.problem = "sent in clear, as a handshake with it failed a short while ago";
  }
};

Task<Security> find_security(OutboundContext& context, SettingsPtr settings, std::shared_ptr<const Destination> destination, Target target);

// Whether the certificate is right; a verdict with an empty text is a yes. `word` gets the result type of RFC 8460.
struct PeerVerdict {
  std::string word = "success";
  std::string text;
  bool good() const { return text.empty(); }
};
PeerVerdict judge_peer(const Security& security, const TrustAnchors* anchors, std::span<const std::string> chain, WallTime now);

}  // namespace veredus
