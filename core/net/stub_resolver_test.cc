// The resolver against servers on loopback: right ones, lame ones, lying ones, silent ones.
#include "net/stub_resolver.h"

#include "net/test_dns_server.h"

using namespace veredus;
using namespace veredus::test;

namespace {

using Datagrams = DnsServer::Datagrams;

// Flags of the OPT record at the end of a query without options.
unsigned opt_flags(const std::string& query) { return static_cast<unsigned char>(query[query.size() - 4]); }

unsigned id_of(const std::string& query) { return static_cast<unsigned>(static_cast<unsigned char>(query[0]) << 8 | static_cast<unsigned char>(query[1])); }

}  // namespace

TEST_CASE("answers are remembered as long as they say, within bounds") {
  DnsRig rig;
  rig.server().answer(Response().add(a_record("mx.test", "192.0.2.1", 100)));
  DnsAnswer first = rig.ask("MX.test.");
  CHECK(first.status == DnsStatus::ok);
  CHECK(first.records.at(0).address.text() == "192.0.2.1");
  CHECK(first.server == rig.server().where.text());
  rig.ask("mx.test");
  CHECK(rig.server().queries.size() == 1);
  CHECK(rig.resolver->counts().from_cache == 1);
  rig.clock.advance(Seconds(99));
  rig.turn();
  rig.ask("mx.test");
  CHECK(rig.server().queries.size() == 1);
  rig.clock.advance(Seconds(2));
  rig.turn();
  rig.ask("mx.test");
  CHECK(rig.server().queries.size() == 2);
  rig.server().answer(Response().add(a_record("zero.test", "192.0.2.1", 0)));
  CHECK(rig.ask("zero.test").ttl == 5);
  rig.server().answer(Response().add(a_record("long.test", "192.0.2.1", 0x7FFFFFFF)));
  CHECK(rig.ask("long.test").ttl == 86400);
}

TEST_CASE("what is not there is remembered as long as the zone says; failures only for a moment") {
  DnsRig rig;
  rig.server().answer(Response().code(3).add_authority(soa_record("test", 30, 900)));
  CHECK(rig.ask("gone.test").status == DnsStatus::no_name);
  rig.clock.advance(Seconds(29));
  rig.turn();
  CHECK(rig.ask("gone.test").status == DnsStatus::no_name);
  CHECK(rig.server().queries.size() == 1);
  rig.clock.advance(Seconds(2));
  rig.turn();
  rig.server().answer(Response().add_authority(soa_record("test", 30, 900)));
  CHECK(rig.ask("gone.test").status == DnsStatus::no_data);
  CHECK(rig.server().queries.size() == 2);
  rig.server().answer(Response().code(2));
  CHECK(rig.ask("broken.test").status == DnsStatus::server_failure);
  size_t asked = rig.server().queries.size();
  CHECK(rig.ask("broken.test").temporary());
  CHECK(rig.server().queries.size() == asked);
  rig.clock.advance(Seconds(3));
  rig.turn();
  rig.server().answer(Response().add(a_record("broken.test", "192.0.2.1")));
  CHECK(rig.ask("broken.test").status == DnsStatus::ok);
}

TEST_CASE("the AD bit is believed from trusted resolvers only") {
  for (bool trusted : {true, false}) {
    DnsRig rig([&](ResolverOptions& options) {
      if (!trusted) options.trusted.clear();
    });
    rig.server().answer(Response().add(a_record("mx.test", "192.0.2.1")).ad());
    CHECK(rig.ask("mx.test").authentic == trusted);
    rig.server().answer(Response().add(a_record("plain.test", "192.0.2.1")));
    CHECK(!rig.ask("plain.test").authentic);
  }
}

TEST_CASE("EDNS0 is offered, signatures asked for with TLSA, and an old server is asked without") {
  DnsRig rig;
  rig.server().answer(Response());
  rig.ask("mx.test");
  rig.ask("_25._tcp.mx.test", DnsType::tlsa);
  REQUIRE(rig.server().queries.size() == 2);
  CHECK(opt_flags(rig.server().queries[0]) == 0);
  CHECK(opt_flags(rig.server().queries[1]) == 0x80);
  rig.server().by_udp = [](const std::string& query) {
    bool edns = query[11] == 1;
    return Datagrams{edns ? Response().code(1).to(query) : Response().add(a_record("old.test", "192.0.2.1")).to(query)};
  };
  CHECK(rig.ask("old.test").status == DnsStatus::ok);
}

TEST_CASE("ids and ports cannot be guessed") {
  DnsRig rig;
  rig.server().answer(Response());
  std::set<unsigned> ids;
  for (int i = 0; i < 40; ++i) rig.ask("n" + std::to_string(i) + ".test");
  for (const std::string& query : rig.server().queries) ids.insert(id_of(query));
  CHECK(ids.size() > 35);
  CHECK(rig.server().ports.size() > 20);
}

TEST_CASE("what does not answer the question is ignored") {
  DnsRig rig;
  int stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  rig.server().by_udp = [&](const std::string& query) {
    std::string lie = Response().add(a_record("mx.test", "192.0.2.66")).to(query), wrong_id = lie, wrong_name = lie, wrong_type = lie;
    wrong_id[0] = static_cast<char>(wrong_id[0] ^ 1);
    wrong_name[13] = 'n';
    wrong_type[12 + wire_name("mx.test").size() + 1] = 28;
    sockaddr_storage to{};
    unsigned length = Endpoint{*IpAddress::parse("127.0.0.1"), rig.server().last_port}.to(&to);
    sendto(stranger, lie.data(), lie.size(), 0, reinterpret_cast<sockaddr*>(&to), length);
    return Datagrams{wrong_id, wrong_name, wrong_type, query, "", "x", Response().add(a_record("mx.test", "192.0.2.1")).to(query)};
  };
  DnsAnswer answer = rig.ask("mx.test");
  close(stranger);
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.records[0].address.text() == "192.0.2.1");
}

TEST_CASE("many wrong datagrams: somebody may be guessing, so TCP is asked") {
  DnsRig rig;
  rig.server().by_udp = [](const std::string& query) {
    std::string wrong = Response().to(query);
    wrong[0] = static_cast<char>(wrong[0] ^ 1);
    return Datagrams(30, wrong);
  };
  rig.server().by_tcp = [](const std::string& query) { return DnsServer::framed(Response().add(a_record("mx.test", "192.0.2.1")).to(query)); };
  CHECK(rig.ask("mx.test").status == DnsStatus::ok);
  CHECK(rig.resolver->counts().by_tcp == 1);
}

TEST_CASE("a truncated answer is asked for by TCP, up to 64 KiB, and a hundred records of it are kept") {
  DnsRig rig;
  rig.server().answer(Response().cut());
  rig.server().by_tcp = [](const std::string& query) {
    Response big;
    for (int i = 0; i < 2000; ++i) big.add(a_record("mx.test", "192.0." + std::to_string(i / 250) + "." + std::to_string(i % 250)));
    return DnsServer::framed(big.to(query));
  };
  DnsAnswer answer = rig.ask("mx.test");
  CHECK(answer.status == DnsStatus::ok);
  CHECK(answer.records.size() == 100);
  rig.server().by_tcp = [](const std::string& query) { return DnsServer::framed(Response().add(txt_record("t.test", std::string(64'000, 'x'))).to(query)); };
  DnsAnswer text = rig.ask("t.test", DnsType::txt);
  REQUIRE(text.records.size() == 1);
  CHECK(text.records[0].text.size() == 64'000);
}

TEST_CASE("lame TCP: short, long, closing, silent, about something else; the next server is asked") {
  auto good = [](const std::string& query) { return DnsServer::framed(Response().add(a_record("mx.test", "192.0.2.1")).to(query)); };
  std::vector<std::function<std::string(const std::string&)>> lame = {
      [](const std::string&) { return std::string(); },
      [](const std::string&) { return std::string("\0", 1); },
      [&](const std::string& query) { return good(query).substr(0, 20); },
      [](const std::string&) { return std::string("\0\0", 2); },
      [](const std::string&) { return u16(12) + std::string(12, '\xFF'); },
      [&](const std::string& query) { return std::string("\xFF\xFF") + good(query); },
  };
  for (size_t i = 0; i <= lame.size(); ++i) {
    CAPTURE(i);
    DnsRig rig({}, 2);
    rig.pace = Millis(20);
    rig.servers[0].answer(Response().cut());
    rig.servers[0].keeps_tcp_open = i == lame.size();
    if (i < lame.size()) rig.servers[0].by_tcp = lame[i];
    rig.servers[1].answer(Response().add(a_record("mx.test", "192.0.2.2")));
    DnsAnswer answer = rig.ask("mx.test");
    CHECK(answer.status == DnsStatus::ok);
    CHECK(answer.server == rig.servers[1].where.text());
  }
  DnsRig more;
  more.server().answer(Response().cut());
  more.server().by_tcp = [&](const std::string& query) { return good(query) + "and more that nobody asked for"; };
  CHECK(more.ask("mx.test").status == DnsStatus::ok);
}

TEST_CASE("a silent server: the next one is asked, and for a while it comes last") {
  DnsRig rig({}, 2);
  rig.pace = Millis(10);
  rig.servers[1].answer(Response().add(a_record("mx.test", "192.0.2.1")));
  CHECK(rig.ask("mx.test").status == DnsStatus::ok);
  CHECK(rig.servers[0].queries.size() == 1);
  rig.pace = Millis(0);
  CHECK(rig.ask("other.test").status == DnsStatus::no_data);
  CHECK(rig.servers[0].queries.size() == 1);
  rig.clock.advance(Seconds(31));
  rig.turn();
  rig.servers[0].answer(Response().add(a_record("third.test", "192.0.2.3")));
  CHECK(rig.ask("third.test").server == rig.servers[0].where.text());
  CHECK(rig.logged("dns.configured") == 2);
  CHECK(rig.logged("dns.server_down") == 1);
  CHECK(rig.logged("dns.server_up") == 1);
  CHECK(rig.logged("dns.query") == 3);
}

TEST_CASE("when nobody answers, the asker hears of it in bounded time") {
  DnsRig rig;
  rig.pace = Millis(10);
  MonoTime before = rig.clock.mono();
  DnsAnswer answer = rig.ask("mx.test");
  CHECK(answer.status == DnsStatus::timeout);
  CHECK(answer.temporary());
  CHECK(answer.problem.find(rig.server().where.text()) != std::string::npos);
  CHECK(rig.clock.mono() - before < Seconds(16));
  CHECK(rig.server().queries.size() == 3);
  before = rig.clock.mono();
  CHECK(rig.ask("hasty.test", DnsType::a, Millis(200)).status == DnsStatus::timeout);
  CHECK(rig.clock.mono() - before < Millis(400));
}

TEST_CASE("where nobody listens the question fails at once") {
  DnsRig rig([](ResolverOptions& options) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    unsigned size = Endpoint{*IpAddress::parse("127.0.0.1"), 0}.to(&address);
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    options.servers = {Endpoint::from(reinterpret_cast<sockaddr*>(&address))};
    close(fd);
  });
  DnsAnswer answer = rig.ask("mx.test");  // the clock stands still: no time-out can help
  CHECK(answer.status == DnsStatus::server_failure);
  CHECK(answer.problem.find("nobody listens") != std::string::npos);
}

TEST_CASE("servers that refuse, fail or send garbage: the next is asked; when all do, it is a temporary failure") {
  std::vector<std::function<Datagrams(const std::string&)>> bad = {
      [](const std::string& q) { return Datagrams{Response().code(5).to(q)}; },
      [](const std::string& q) { return Datagrams{Response().code(2).to(q)}; },
      [](const std::string& q) { return Datagrams{Response().code(4).to(q)}; },
      [](const std::string& q) { return Datagrams{Response().to(q).substr(0, 6) + u16(9) + Response().to(q).substr(8) + std::string(40, '\xC0')}; },
      [](const std::string& q) { return Datagrams{Response().add(cname_record("mx.test", "mx.test")).to(q)}; },
  };
  for (size_t i = 0; i < bad.size(); ++i) {
    CAPTURE(i);
    DnsRig rig({}, 2);
    rig.servers[0].by_udp = bad[i];
    rig.servers[1].answer(Response().add(a_record("mx.test", "192.0.2.1")));
    CHECK(rig.ask("mx.test").status == DnsStatus::ok);
    rig.servers[1].by_udp = bad[i];
    DnsAnswer answer = rig.ask("mx.test", DnsType::aaaa);
    CHECK(answer.temporary());
    CHECK(!answer.problem.empty());
    CHECK(answer.records.empty());
    CHECK(rig.logged("dns.failed") == 1);
    CHECK(rig.logged("dns.malformed") == (i < 3 ? 0 : 3));
  }
}

TEST_CASE("bogus is told apart from broken") {
  DnsRig rig;
  rig.server().by_udp = [](const std::string& query) {
    bool unchecked = static_cast<unsigned char>(query[3]) & 0x10;
    return Datagrams{unchecked ? Response().add(record("_25._tcp.mx.test", DnsType::tlsa, 60, std::string{3, 1, 1} + std::string(32, 'h'))).to(query)
                               : Response().code(2).to(query)};
  };
  DnsAnswer bogus = rig.ask("_25._tcp.mx.test", DnsType::tlsa);
  CHECK(bogus.status == DnsStatus::server_failure);
  CHECK(bogus.bogus);
  CHECK(bogus.records.empty());
  rig.server().answer(Response().code(2));
  DnsAnswer broken = rig.ask("_26._tcp.mx.test", DnsType::tlsa);
  CHECK(broken.temporary());
  CHECK(!broken.bogus);
}

TEST_CASE("many who ask the same at once cause one question; those who leave disturb nobody") {
  DnsRig rig;
  bool open = false;
  std::string kept;
  rig.server().by_udp = [&](const std::string& query) {
    kept = query;
    return open ? Datagrams{Response().add(a_record("mx.test", "192.0.2.1")).to(query)} : Datagrams();
  };
  std::vector<std::shared_ptr<const DnsAnswer>> answers(50);
  Scope staying(rig.loop);
  {
    Scope leaving(rig.loop);
    for (size_t i = 0; i < answers.size(); ++i) (i % 2 ? staying : leaving).spawn(DnsRig::one(rig, "mx.test", DnsType::a, Seconds(50), answers[i]));
    for (int i = 0; i < 5; ++i) rig.turn();
  }
  CHECK(rig.server().queries.size() == 1);
  open = true;
  rig.pace = Millis(50);
  while (staying.running() > 0) rig.turn();
  for (size_t i = 1; i < answers.size(); i += 2) CHECK(answers[i]->status == DnsStatus::ok);
  CHECK(!answers[0]);
  CHECK(rig.server().queries.size() == 2);
}

TEST_CASE("questions on the wire are bounded; the others wait their turn; those nobody waits for are not asked") {
  DnsRig rig([](ResolverOptions& options) { options.max_concurrent = 2; });
  std::vector<std::shared_ptr<const DnsAnswer>> answers(20);
  Scope staying(rig.loop);
  {
    Scope leaving(rig.loop);
    for (size_t i = 0; i < answers.size(); ++i)
      (i < 12 ? staying : leaving).spawn(DnsRig::one(rig, "n" + std::to_string(i) + ".test", DnsType::a, Seconds(500), answers[i]));
    for (int i = 0; i < 5; ++i) rig.turn();
    CHECK(rig.server().queries.size() == 2);
  }
  rig.server().answer(Response());
  rig.pace = Millis(50);
  while (staying.running() > 0) rig.turn();
  CHECK(rig.resolver->counts().on_the_wire == 14);  // two of them twice, for want of an answer
}

TEST_CASE("the cache is bounded; the least recently used goes") {
  DnsRig rig([](ResolverOptions& options) { options.cache_entries = 3; });
  rig.server().answer(Response().code(3).add_authority(soa_record("test", 300, 300)));
  for (const char* name : {"a.test", "b.test", "c.test", "a.test", "d.test"}) rig.ask(name);
  CHECK(rig.server().queries.size() == 4);
  rig.ask("a.test");
  CHECK(rig.server().queries.size() == 4);
  rig.ask("b.test");
  CHECK(rig.server().queries.size() == 5);
}

TEST_CASE("the hosts table and impossible names ask nobody") {
  DnsRig rig([](ResolverOptions& options) { options.hosts = {{"mx.test", {*IpAddress::parse("127.0.0.9")}}}; });
  CHECK(rig.ask("MX.test").records.at(0).address.text() == "127.0.0.9");
  CHECK(rig.ask("a..b").status == DnsStatus::no_name);
  CHECK(rig.ask(std::string(300, 'a')).status == DnsStatus::no_name);
  CHECK(rig.server().queries.empty());
}

TEST_CASE("a resolver that goes away answers those who wait") {
  DnsRig rig;
  std::shared_ptr<const DnsAnswer> answer;
  Scope scope(rig.loop);
  scope.spawn(DnsRig::one(rig, "mx.test", DnsType::a, Seconds(50), answer));
  rig.turn();
  rig.resolver.reset();
  while (!answer) rig.turn();
  CHECK(answer->temporary());
}
