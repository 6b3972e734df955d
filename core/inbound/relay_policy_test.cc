// The relay rules as a table: closed unless a line says otherwise.
#include "inbound/relay_policy.h"

#include <doctest/doctest.h>

using namespace veredus;

namespace {

using D = RelayDecision;

D decide(Role role, bool network, bool authenticated, const char* recipient,
         std::vector<std::string> domains = {"here.test", ".deep.test"}) {
  Settings settings = default_settings();
  settings.hostname = "mx.test";
  settings.relay_domains = std::move(domains);
  ClientRights rights;
  rights.relay_network = network;
  rights.authenticated = authenticated;
  return decide_relay(settings, role, rights, *IpAddress::parse("192.0.2.1"), *Address::parse(recipient));
}

}  // namespace

TEST_CASE("strangers reach relay domains and the postmaster only") {
  for (Role role : {Role::mx, Role::lmtp}) {
    CHECK(decide(role, false, false, "a@here.test") == D::accept);
    CHECK(decide(role, false, false, "a@HERE.Test") == D::accept);
    CHECK(decide(role, false, false, "a@x.deep.test") == D::accept);
    CHECK(decide(role, false, false, "a@deep.test") == D::deny);
    CHECK(decide(role, false, false, "a@x.here.test") == D::deny);
    CHECK(decide(role, false, false, "a%elsewhere.test@mx.test") == D::deny);
    CHECK(decide(role, false, false, "a@here.test.elsewhere.test") == D::deny);
    CHECK(decide(role, false, false, "a@[192.0.2.1]") == D::deny);
    CHECK(decide(role, false, false, "a@mx.test") == D::deny);
    CHECK(decide(role, false, false, "postmaster") == D::to_postmaster);
    CHECK(decide(role, false, false, "POSTMASTER@mx.test") == D::to_postmaster);
    CHECK(decide(role, false, false, "postmaster@[192.0.2.1]") == D::to_postmaster);
    CHECK(decide(role, false, false, "postmaster@[192.0.2.2]") == D::deny);
    CHECK(decide(role, false, false, "a@here.test", {}) == D::deny);
    CHECK(decide(role, true, false, "a@elsewhere.test") == D::accept);
    CHECK(decide(role, false, true, "a@elsewhere.test") == D::accept);
  }
}

TEST_CASE("local domains are accepted from anyone while a plugin delivers to them") {
  Settings settings = default_settings();
  settings.hostname = "mx.test";
  settings.local_domains = {"mx.test", ".hosts.test"};
  auto decide_for = [&](Role role, const char* recipient) {
    return decide_relay(settings, role, {}, *IpAddress::parse("192.0.2.1"), *Address::parse(recipient));
  };
  CHECK(decide_for(Role::mx, "ann@mx.test") == D::deny);
  settings.local_delivery = true;
  for (Role role : {Role::mx, Role::lmtp}) {
    CHECK(decide_for(role, "ann@MX.test") == D::accept);
    CHECK(decide_for(role, "ann@a.hosts.test") == D::accept);
    CHECK(decide_for(role, "ann@hosts.test") == D::deny);
    CHECK(decide_for(role, "ann@elsewhere.test") == D::deny);
  }
  CHECK(decide_for(Role::relay, "ann@mx.test") == D::deny);
  CHECK(decide_for(Role::submission, "ann@mx.test") == D::deny);
}

TEST_CASE("relay takes from relay networks only, submission from the authenticated only") {
  CHECK(decide(Role::relay, false, false, "a@here.test") == D::deny);
  CHECK(decide(Role::relay, true, false, "a@elsewhere.test") == D::accept);
  CHECK(decide(Role::relay, false, false, "postmaster") == D::to_postmaster);
  CHECK(decide(Role::submission, true, false, "a@elsewhere.test") == D::deny);
  CHECK(decide(Role::submission, true, false, "postmaster") == D::deny);
  CHECK(decide(Role::submission, false, true, "a@elsewhere.test") == D::accept);
}
