#include "net/dane_lookup.h"

#include <doctest/doctest.h>

#include "loop/scope.h"
#include "net/certificate_facts.h"
#include "net/certificate_maker.h"
#include "net/fake_resolver.h"

using namespace veredus;
using State = DaneLookup::State;

namespace {

const std::string kRecord = std::string("\3\1\1") + std::string(32, 'x');

struct Rig {
  RealClock clock;
  Loop loop{clock};
  FakeResolver resolver{loop};
  DaneLookup found;

  Rig() {
    resolver.add_a("mx.test", "192.0.2.1");
    secure("mx.test", DnsType::a);
    secure("mx.test", DnsType::aaaa, DnsStatus::no_data);
  }
  void secure(const std::string& name, DnsType type, DnsStatus status = DnsStatus::ok) {
    DnsAnswer& answer = resolver.answer(name, type);
    answer.status = status;
    answer.authentic = true;
    if (answer.canonical.empty()) answer.canonical = name;
  }
  void tlsa(const std::string& name) {
    resolver.add_tlsa(name, kRecord);
    secure(name, DnsType::tlsa);
  }
  static Task<void> run(Rig* rig, std::string host) {
    rig->found = co_await find_dane(rig->resolver, std::move(host), 25, Deadline::in(rig->loop, Seconds(5)));
    rig->loop.stop();
  }
  const DaneLookup& find(const std::string& host) {
    Scope scope(loop);
    scope.spawn(run(this, host));
    loop.run_turn(Millis(0));
    return found;
  }
  // alias.test -> mx.test
  void alias(bool authentic) {
    for (DnsType type : {DnsType::a, DnsType::aaaa}) {
      resolver.answer("alias.test", type) = resolver.answer("mx.test", type);
      resolver.answer("alias.test", type).canonical = "mx.test";
      resolver.answer("alias.test", type).authentic = authentic;
    }
  }
};

}  // namespace

TEST_CASE("secure addresses and secure records") {
  Rig rig;
  rig.tlsa("_25._tcp.mx.test");
  const DaneLookup& found = rig.find("MX.test");
  CHECK(found.state == State::records);
  CHECK(found.tlsa.usable.size() == 1);
  CHECK(found.base == "mx.test");
  CHECK(found.addresses.size() == 1);
  CHECK(found.problem.empty());
}

TEST_CASE("no records, no addresses, no signatures") {
  Rig rig;
  rig.secure("_25._tcp.mx.test", DnsType::tlsa, DnsStatus::no_name);
  CHECK(rig.find("mx.test").state == State::none);
  CHECK(rig.find("gone.test").state == State::no_addresses);
  rig.resolver.add_a("plain.test", "192.0.2.1");
  rig.tlsa("_25._tcp.plain.test");
  CHECK(rig.find("plain.test").state == State::insecure);
  CHECK(rig.resolver.times_asked("_25._tcp.plain.test", DnsType::tlsa) == 0);
}

TEST_CASE("addresses are not asked about") {
  Rig rig;
  for (const char* address : {"192.0.2.1", "2001:db8::1"}) {
    CHECK(rig.find(address).state == State::insecure);
    CHECK(rig.found.addresses.size() == 1);
  }
  CHECK(rig.resolver.asked.empty());
}

TEST_CASE("records that are not signed do not count") {
  Rig rig;
  rig.tlsa("_25._tcp.mx.test");
  rig.resolver.answer("_25._tcp.mx.test", DnsType::tlsa).authentic = false;
  CHECK(rig.find("mx.test").state == State::insecure);
}

TEST_CASE("bogus and failing answers are failures, never nothing") {
  Rig rig;
  rig.resolver.fail_with("_25._tcp.mx.test", DnsType::tlsa, DnsStatus::server_failure);
  rig.resolver.answer("_25._tcp.mx.test", DnsType::tlsa).bogus = true;
  const DaneLookup& found = rig.find("mx.test");
  CHECK(found.state == State::failed);
  CHECK(found.bogus);
  rig.resolver.fail_with("slow.test", DnsType::a, DnsStatus::timeout);
  CHECK(rig.find("slow.test").state == State::failed);
}

TEST_CASE("records that cannot be used exist") {
  Rig rig;
  rig.resolver.add_tlsa("_25._tcp.mx.test", "\1");
  rig.secure("_25._tcp.mx.test", DnsType::tlsa);
  CHECK(rig.find("mx.test").state == State::records);
  CHECK(rig.find("mx.test").tlsa.usable.empty());
}

TEST_CASE("of an alias the canonical name goes first, then its own") {
  Rig rig;
  rig.alias(true);
  rig.secure("_25._tcp.mx.test", DnsType::tlsa, DnsStatus::no_name);
  rig.tlsa("_25._tcp.alias.test");
  CHECK(rig.find("alias.test").base == "alias.test");
  CHECK(rig.find("alias.test").state == State::records);
  rig.tlsa("_25._tcp.mx.test");
  CHECK(rig.find("alias.test").base == "mx.test");
}

TEST_CASE("an alias that leaves the signed zones has its own records only") {
  Rig rig;
  rig.alias(false);
  rig.tlsa("_25._tcp.mx.test");
  rig.tlsa("_25._tcp.alias.test");
  rig.resolver.answer("alias.test", DnsType::cname).status = DnsStatus::ok;
  CHECK(rig.find("alias.test").state == State::insecure);
  rig.secure("alias.test", DnsType::cname);
  CHECK(rig.find("alias.test").state == State::records);
  CHECK(rig.find("alias.test").base == "alias.test");
  rig.resolver.fail_with("alias.test", DnsType::cname, DnsStatus::server_failure);
  CHECK(rig.find("alias.test").state == State::failed);
}

TEST_CASE("what a certificate says of itself, and its records") {
  test::MadeCertificate::Wish wish;
  wish.names = {"mx.test", "www.test"};
  wish.until = time(nullptr) + 3 * 86400 + 60;
  test::MadeCertificate made(wish);
  CertificateFacts facts = certificate_facts(made.der);
  CHECK(facts.readable);
  CHECK(facts.subject == "CN=leaf.test");
  CHECK(facts.self_issued);
  CHECK(!facts.ca);
  CHECK(facts.names == wish.names);
  CHECK(facts.days_left(RealClock().wall()) == 3);
  CHECK(facts.key.find("256 bits") != std::string::npos);
  for (int selector : {0, 1})
    for (int matching : {0, 1, 2}) {
      auto record = make_tlsa(made.der, 3, static_cast<uint8_t>(selector), static_cast<uint8_t>(matching));
      REQUIRE(record);
      CHECK(test::tlsa_octets(3, selector, matching, made).substr(3) == record->data);
    }
  CHECK(!make_tlsa("garbage", 3, 1, 1));
  CHECK(!certificate_facts("garbage").readable);
}
