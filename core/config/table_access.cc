// Settings that say who may do what: relaying, trusted networks, local names.
#include "config/bind.h"
#include "config/tables.h"

namespace veredus {

namespace {

using bind::at;

constexpr std::string_view kBareNewlines[] = {"reject", "normalise"};

constexpr Setting kRows[] = {
    {.name = "relay_networks",
     .type = Type::network,
     .shape = Shape::list,
     .member = at<&Settings::relay_networks>(),
     .fallback = "[loopback]",
     .doc = "Clients that may send to anywhere. Networks that hold most of the Internet are refused."},
    {.name = "relay_domains",
     .type = Type::pattern,
     .shape = Shape::list,
     .member = at<&Settings::relay_domains>(),
     .fallback = "[]",
     .doc = "Domains that are accepted from anyone. \"*\" is refused on a host with mx or lmtp listeners."},
    {.name = "allow_open_relay",
     .type = Type::boolean,
     .member = at<&Settings::allow_open_relay>(),
     .fallback = "false",
     .doc =
         "Accept a configuration that lets anyone send anywhere through this host. For laboratories only."},
    {.name = "proxy_networks",
     .type = Type::network,
     .shape = Shape::list,
     .member = at<&Settings::proxy_networks>(),
     .fallback = "[]",
     .doc = "Proxies whose PROXY header is believed, on listeners with proxy: true."},
    {.name = "xclient_networks",
     .type = Type::network,
     .shape = Shape::list,
     .member = at<&Settings::xclient_networks>(),
     .fallback = "[]",
     .doc = "Clients that may replace their identity with XCLIENT."},
    {.name = "exempt_networks",
     .type = Type::network,
     .shape = Shape::list,
     .member = at<&Settings::exempt_networks>(),
     .derived = "loopback and relay_networks",
     .doc = "Clients that the limits per client and network do not bind."},
    {.name = "bare_newlines",
     .type = Type::choice,
     .member = at<&Settings::bare_newlines>(),
     .fallback = "reject",
     .choices = kBareNewlines,
     .doc = "What to do with a message that holds a line feed without carriage return: refuse it, or, from "
            "normalise_networks, make the line ends whole. A bare carriage return or NUL is always refused."},
    {.name = "normalise_networks",
     .type = Type::network,
     .shape = Shape::list,
     .member = at<&Settings::normalise_networks>(),
     .derived = "relay_networks",
     .doc = "Clients for which bare_newlines: normalise holds."},
    {.name = "postmaster",
     .type = Type::address,
     .member = at<&Settings::postmaster>(),
     .derived = "postmaster at the first name in relay_domains, else at hostname",
     .doc = "Where mail to postmaster without a domain goes; it is always accepted."},
    {.name = "local_domains",
     .type = Type::pattern,
     .shape = Shape::list,
     .member = at<&Settings::local_domains>(),
     .derived = "hostname, the name in /etc/mailname, and localhost",
     .doc = "Domains whose users are users of this host. They count while a plugin delivers under the name local "
            "(veredus-local(7)): listeners of role mx and lmtp then accept them from anyone, and they go to the next hop "
            "plugin:local unless a route before the first one for \"*\" matches them."},
};

}  // namespace

std::span<const Setting> access_rows() {
  return kRows;
}

}  // namespace veredus
