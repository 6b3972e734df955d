// Which hosts are tried, in which order, and what it means when none is left: MX, addresses, literals, loops, greetings, time-outs.
#include "outbound/test_rig.h"

using namespace veredus;
using namespace veredus::outbound_test;

namespace {

// Next hops at 127.0.0.2 and 127.0.0.3 with one port, which is the port for MX deliveries.
struct TwoHosts {
  Rig rig;
  NextHopServer two{rig.loop, "127.0.0.2"};
  NextHopServer three{rig.loop, "127.0.0.3", two.port};
  explicit TwoHosts(uint16_t first = 10, uint16_t second = 20) {
    rig.settings.outbound.port = two.port;
    rig.settings.outbound.banner_timeout = Millis(150);
    if (first > 0) rig.dns.add_mx("to.test", first, "two.to.test");
    if (second > 0) rig.dns.add_mx("to.test", second, "three.to.test");
    rig.dns.add_a("two.to.test", "127.0.0.2");
    rig.dns.add_a("three.to.test", "127.0.0.3");
  }
  void deliver() {
    rig.give("x@to.test");
    rig.deliver_to("to.test");
  }
  void own(const std::string& ip, uint16_t port) {
    ListenerSettings listener;
    listener.address = Endpoint{*IpAddress::parse(ip), port};
    rig.settings.listeners = {listener};
  }
};

}  // namespace

TEST_CASE("the most preferred MX is used") {
  TwoHosts hosts(20, 10);
  hosts.deliver();
  CHECK(hosts.rig.outcome() == Outcome::delivered);
  CHECK(hosts.two.connections == 0);
  CHECK(hosts.three.connections == 1);
  CHECK(hosts.rig.outcomes[0].remote == "three.to.test [127.0.0.3]:" + std::to_string(hosts.two.port));
}

TEST_CASE("hosts of equal preference share the work") {
  TwoHosts hosts(10, 10);
  for (int i = 0; i < 40; ++i) hosts.deliver();
  CHECK(hosts.two.connections > 0);
  CHECK(hosts.three.connections > 0);
  CHECK(hosts.two.connections + hosts.three.connections == 40);
}

TEST_CASE("a host that refuses, greets badly, closes, or says nothing passes on to the next") {
  for (const char* greeting : {"421 4.3.2 later\r\n", "554 5.7.1 not you\r\n", "CLOSE", "", "what?\r\n"}) {
    CAPTURE(greeting);
    TwoHosts hosts;
    hosts.two.greeting = greeting;
    hosts.deliver();
    CHECK(hosts.rig.outcome() == Outcome::delivered);
    CHECK(hosts.two.connections == 1);
    CHECK(hosts.three.connections == 1);
  }
  TwoHosts refused;
  refused.rig.dns.forget("two.to.test");
  refused.rig.dns.add_a("two.to.test", "127.0.0.4");  // nobody listens there
  refused.deliver();
  CHECK(refused.rig.outcome() == Outcome::delivered);
}

TEST_CASE("all hosts refuse: for good only if each does so for good") {
  TwoHosts mixed;
  mixed.two.greeting = "554 5.7.1 not you\r\n";
  mixed.three.greeting = "421 4.3.2 later\r\n";
  mixed.deliver();
  CHECK(mixed.rig.ended == LeaseEnd::error);
  CHECK(mixed.rig.failure.temporary());
  TwoHosts never;
  never.two.greeting = never.three.greeting = "554 5.7.1 not you\r\n";
  never.deliver();
  CHECK(never.rig.failure.permanent());
  CHECK(never.rig.outcomes.empty());  // nothing was taken from the queue
}

TEST_CASE("a null MX takes no mail") {
  Rig rig;
  rig.dns.add_mx("to.test", 0, "");
  rig.give("x@to.test");
  rig.deliver_to("to.test");
  CHECK(rig.failure.code == 556);
  CHECK(rig.failure.enhanced.text() == "5.1.10");
  CHECK(rig.admitted.empty());
}

TEST_CASE("without MX the domain's own address is used") {
  TwoHosts hosts(0, 0);
  hosts.rig.dns.add_a("to.test", "127.0.0.2");
  hosts.deliver();
  CHECK(hosts.rig.outcome() == Outcome::delivered);
  CHECK(hosts.two.connections == 1);
}

TEST_CASE("domains that do not exist, or do not answer") {
  Rig gone;
  gone.give("x@to.test");
  gone.deliver_to("to.test");
  CHECK(gone.failure.permanent());
  CHECK(gone.failure.enhanced.text() == "5.1.2");
  Rig silent;
  silent.dns.fail_with("to.test", DnsType::mx, DnsStatus::timeout);
  silent.give("x@to.test");
  silent.deliver_to("to.test");
  CHECK(silent.failure.temporary());
  CHECK(silent.failure.enhanced.text() == "4.4.3");
}

TEST_CASE("an address literal is where it says") {
  TwoHosts hosts;
  hosts.rig.give("x@[127.0.0.3]");
  hosts.rig.deliver_to("[127.0.0.3]");
  CHECK(hosts.rig.outcome() == Outcome::delivered);
  CHECK(hosts.three.connections == 1);
  CHECK(hosts.rig.dns.asked.empty());
}

TEST_CASE("our own listener cuts the MX list at its preference") {
  TwoHosts first;  // ours is the most preferred: nothing is left
  first.own("127.0.0.2", first.two.port);
  first.deliver();
  CHECK(first.rig.failure.enhanced.text() == "5.4.6");
  CHECK(first.two.connections + first.three.connections == 0);
  CHECK(first.rig.lines.has("destination.loop"));
  TwoHosts second;  // ours is the backup
  second.own("127.0.0.3", second.two.port);
  second.deliver();
  CHECK(second.rig.outcome() == Outcome::delivered);
  CHECK(second.two.connections == 1);
  TwoHosts other_port;  // another program on our address is not us
  other_port.own("127.0.0.2", static_cast<uint16_t>(other_port.two.port ^ 1));
  other_port.deliver();
  CHECK(other_port.rig.outcome() == Outcome::delivered);
}

TEST_CASE("configured next hops: fail-over in order, balance in turn") {
  TwoHosts hosts;
  std::string a = "smtp://127.0.0.2:" + std::to_string(hosts.two.port), b = "smtp://127.0.0.3:" + std::to_string(hosts.two.port);
  hosts.rig.route(a + "," + b);
  for (int i = 0; i < 4; ++i) hosts.deliver();
  CHECK(hosts.two.connections == 4);
  hosts.rig.route(a + "|" + b);
  for (int i = 0; i < 4; ++i) hosts.deliver();
  CHECK(hosts.two.connections == 6);
  CHECK(hosts.three.connections == 2);
}

TEST_CASE("fallback next hops are asked when the MX hosts cannot be reached, not when there is no such domain") {
  TwoHosts hosts(10, 0);
  hosts.two.greeting = "421 later\r\n";
  hosts.rig.settings.outbound.fallback = {{*NextHop::parse("smtp://127.0.0.3:" + std::to_string(hosts.two.port))}};
  hosts.deliver();
  CHECK(hosts.rig.outcome() == Outcome::delivered);
  CHECK(hosts.three.connections == 1);
  hosts.rig.deliver_to("gone.test");
  CHECK(hosts.rig.failure.permanent());
  CHECK(hosts.three.connections == 1);
}

TEST_CASE("both address families are asked for as preferred") {
  TwoHosts hosts(0, 0);
  hosts.rig.dns.add_a("to.test", "127.0.0.2");
  hosts.rig.dns.add_aaaa("to.test", "::1");  // nobody listens there
  hosts.rig.settings.outbound.ip = IpPreference::ipv6;
  hosts.deliver();
  CHECK(hosts.rig.outcome() == Outcome::delivered);
  CHECK(hosts.rig.lines.has("[::1]"));
  hosts.rig.settings.outbound.ip = IpPreference::ipv6_only;
  hosts.deliver();
  CHECK(hosts.rig.failure.temporary());
}

TEST_CASE("the pool's source gives address and HELO name") {
  TwoHosts hosts;
  SourceSettings source;
  source.name = "s1";
  source.address4 = *IpAddress::parse("127.0.0.9");
  source.helo = "out1.example.test";
  hosts.rig.settings.sources["s1"] = source;
  hosts.rig.settings.pools["default"] = PoolSettings{"default", {"s1"}};
  hosts.deliver();
  CHECK(hosts.two.saw("EHLO out1.example.test"));
  CHECK(hosts.two.clients.at(0) == "127.0.0.9");
}
