// Relay rules: which recipients a client may give, by the listener's role. Closed by default: without
// relay_domains and outside of relay_networks only the postmaster can be written to. Pure; any thread.
#pragma once

#include "base/address_ip.h"
#include "config/settings.h"
#include "mail/address.h"
#include "smtp/reply.h"

namespace veredus {

struct ClientRights {
  bool relay_network = false;
  bool authenticated = false;
};

enum class RelayDecision : uint8_t { accept, to_postmaster, deny };

// `local` is our own end of the connection: the postmaster can be written to at its address literal.
RelayDecision decide_relay(const Settings& settings, Role role, ClientRights rights, const IpAddress& local,
                           const Address& recipient);
Reply relay_denied();

}  // namespace veredus
