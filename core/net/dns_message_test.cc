// Reading DNS answers: right ones, wrong ones, and every truncation of both.
#include "net/dns_message.h"

#include <doctest/doctest.h>

#include "net/dns_text.h"
#include "net/test_dns.h"

using namespace veredus;
using namespace veredus::test;

namespace {

DnsQuery query_for(const char* name, DnsType type, DnsQueryFlags flags = {}) { return *make_query(name, type, flags); }

DnsAnswer answer_to(const DnsQuery& query, const Response& response) {
  std::string message = response.to(query.octets);
  REQUIRE(answers(query, message));
  return read_reply(query, message).answer;
}

}  // namespace

TEST_CASE("a query asks what it should") {
  DnsQueryFlags flags;
  flags.dnssec_ok = flags.checking_disabled = true;
  DnsQuery query = query_for("MX.test", DnsType::mx, flags);
  std::string expected = u16(query.id) + u16(0x0130) + u16(1) + u16(0) + u16(0) + u16(1) + wire_name("mx.test") + u16(15) + u16(1);
  std::string opt = std::string(1, '\0') + u16(41) + u16(1232) + u32(0x8000) + u16(0);
  CHECK(query.octets == expected + opt);
  flags.edns = false;
  CHECK(query_for("mx.test", DnsType::mx, flags).octets.size() == query.octets.size() - opt.size());
  CHECK(!make_query("no..name", DnsType::a, flags).ok());
  bool differ = false;
  for (int i = 0; i < 8; ++i) differ = differ || query_for("mx.test", DnsType::mx).id != query.id;
  CHECK(differ);
}

TEST_CASE("only the answer to the query is taken for it") {
  DnsQuery query = query_for("mx.test", DnsType::a);
  std::string good = Response().add(a_record("mx.test", "192.0.2.1")).to(query.octets);
  CHECK(answers(query, good));
  std::string shouted = good;
  shouted[13] = 'M';
  CHECK(answers(query, shouted));
  auto spoiled = [&](size_t at, char by) {
    std::string out = good;
    out[at] = static_cast<char>(out[at] ^ by);
    return out;
  };
  CHECK(!answers(query, spoiled(0, 1)));           // id
  CHECK(!answers(query, spoiled(2, '\x80')));      // a query itself
  CHECK(!answers(query, spoiled(2, 0x10)));        // another kind of operation
  CHECK(!answers(query, spoiled(5, 3)));           // two questions
  CHECK(!answers(query, spoiled(14, 1)));          // another name
  CHECK(!answers(query, spoiled(22, 1)));          // another type
  CHECK(!answers(query, spoiled(24, 2)));          // another class
  CHECK(!answers(query, query.octets));
  for (size_t i = 0; i < 12 + question_of(good).size(); ++i) CHECK(!answers(query, good.substr(0, i)));
}

TEST_CASE("addresses, mail exchangers, text") {
  DnsQuery a = query_for("mx.test", DnsType::a);
  DnsAnswer addresses = answer_to(a, Response().add(a_record("MX.Test", "192.0.2.1", 60)).add(a_record("mx.test", "192.0.2.2")).ad());
  CHECK(addresses.status == DnsStatus::ok);
  CHECK(addresses.authentic);
  CHECK(addresses.ttl == 60);
  REQUIRE(addresses.records.size() == 2);
  CHECK(addresses.records[1].address.text() == "192.0.2.2");
  CHECK(addresses.records[0].name == "mx.test");
  DnsQuery mx = query_for("d.test", DnsType::mx);
  DnsAnswer exchangers = answer_to(mx, Response().add(mx_record("d.test", 10, "MX1.d.test")).add(mx_record("d.test", 0, "")));
  REQUIRE(exchangers.records.size() == 2);
  CHECK(exchangers.records[0].preference == 10);
  CHECK(exchangers.records[0].text == "mx1.d.test");
  CHECK(exchangers.records[1].text == "");
  std::string text(700, 'x');
  DnsAnswer joined = answer_to(query_for("t.test", DnsType::txt), Response().add(txt_record("t.test", text)));
  REQUIRE(joined.records.size() == 1);
  CHECK(joined.records[0].text == text);
}

TEST_CASE("records nobody asked for are not used") {
  DnsQuery a = query_for("mx.test", DnsType::a);
  DnsAnswer answer = answer_to(a, Response().add(a_record("evil.test", "192.0.2.66")).add(mx_record("mx.test", 1, "evil.test")));
  CHECK(answer.status == DnsStatus::no_data);
  CHECK(answer.records.empty());
}

TEST_CASE("CNAME chains are followed, in any order, and never for ever") {
  DnsQuery a = query_for("one.test", DnsType::a);
  DnsAnswer found = answer_to(a, Response().add(a_record("three.test", "192.0.2.3")).add(cname_record("two.test", "Three.test", 20))
                                     .add(cname_record("one.test", "two.test")));
  CHECK(found.status == DnsStatus::ok);
  CHECK(found.canonical == "three.test");
  CHECK(found.ttl == 20);
  DnsAnswer loop = answer_to(a, Response().add(cname_record("one.test", "two.test")).add(cname_record("two.test", "one.test")));
  CHECK(loop.status == DnsStatus::malformed);
  CHECK(loop.temporary());
  CHECK(answer_to(a, Response().add(cname_record("one.test", "one.test"))).status == DnsStatus::malformed);
  Response nine;
  for (int i = 0; i < 9; ++i) nine.add(cname_record(i ? "n" + std::to_string(i) : "one.test", "n" + std::to_string(i + 1)));
  CHECK(answer_to(a, nine).status == DnsStatus::malformed);
  DnsAnswer alias = answer_to(query_for("one.test", DnsType::cname), Response().add(cname_record("one.test", "two.test")));
  REQUIRE(alias.records.size() == 1);
  CHECK(alias.records[0].text == "two.test");
  CHECK(answer_to(a, Response().add(cname_record("one.test", "gone.test")).code(3)).status == DnsStatus::no_name);
}

TEST_CASE("nothing there: how long that holds comes from the start of authority") {
  DnsQuery a = query_for("none.test", DnsType::a);
  DnsAnswer no_name = answer_to(a, Response().code(3).add_authority(soa_record("test", 30, 900)));
  CHECK(no_name.status == DnsStatus::no_name);
  CHECK(no_name.ttl == 30);
  CHECK(!no_name.temporary());
  CHECK(answer_to(a, Response().add_authority(soa_record("test", 600, 90))).ttl == 90);
  CHECK(answer_to(a, Response()).ttl == 0);
  CHECK(answer_to(a, Response().code(2)).status == DnsStatus::server_failure);
  CHECK(answer_to(a, Response().code(5)).status == DnsStatus::refused);
}

TEST_CASE("names that would read like other names are told apart") {
  std::string tricky = u16(10) + std::string("\4a.b\\\4test\0", 11);
  DnsAnswer answer = answer_to(query_for("d.test", DnsType::mx), Response().add(record("d.test", DnsType::mx, 1, tricky)));
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.records[0].text == "a\\046b\\092.test");
  CHECK(!to_ascii_domain(answer.records[0].text).ok());
}

TEST_CASE("names with spaces are asked for and answered") {
  DnsQuery query = query_for("a  b.test", DnsType::a);
  DnsAnswer answer = answer_to(query, Response().add(a_record("a  b.test", "192.0.2.1")));
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.canonical == "a\\032\\032b.test");  // in text they stay what nobody takes for two words
}

TEST_CASE("at most a hundred records; of TLSA and TXT all, whatever they hold") {
  Response many;
  for (int i = 0; i < 250; ++i) many.add(a_record("mx.test", "192.0.2." + std::to_string(i)));
  CHECK(answer_to(query_for("mx.test", DnsType::a), many).records.size() == 100);
  auto tlsa = [](unsigned matching, size_t size) {
    return record("_25._tcp.mx.test", DnsType::tlsa, 60, std::string{3, 1, static_cast<char>(matching)} + std::string(size, 'h'));
  };
  DnsQuery query = query_for("_25._tcp.mx.test", DnsType::tlsa);
  DnsAnswer mixed = answer_to(query, Response().add(tlsa(1, 31)).add(tlsa(1, 32)).add(tlsa(2, 32)).add(tlsa(2, 64)).add(tlsa(0, 9)));
  CHECK(mixed.records.size() == 5);
  for (const std::string& data : {std::string(), std::string("\3"), std::string("\3\1"), std::string("\3\1\1")}) {
    DnsAnswer unusable = answer_to(query, Response().add(record("_25._tcp.mx.test", DnsType::tlsa, 60, data)));
    CHECK(unusable.status == DnsStatus::ok);  // there are records: RFC 7672 then demands TLS
    REQUIRE(unusable.records.size() == 1);
    CHECK(unusable.records[0].octets == data);
  }
  Response texts;
  for (int i = 0; i < 700; ++i) texts.add(record("a.test", DnsType::txt, 60, "\3abc"));
  CHECK(answer_to(query_for("a.test", DnsType::txt), texts).records.size() == 700);
  Response full;
  for (int i = 0; i < 700; ++i) full.add(tlsa(1, 32));
  CHECK(answer_to(query, full).records.size() == 700);
}

TEST_CASE("cut and spoiled messages give answers, not crashes") {
  DnsQuery query = query_for("d.test", DnsType::mx);
  std::string good = Response().add(mx_record("d.test", 10, "mx.d.test")).add(cname_record("x.test", "y.test"))
                         .add_authority(soa_record("test", 30, 900)).to(query.octets);
  size_t settled = 0;
  for (size_t i = 12; i < good.size(); ++i) settled += read_reply(query, good.substr(0, i)).believable;
  CHECK(settled == 0);
  for (size_t i = 2; i < good.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string spoiled = good;
      spoiled[i] = static_cast<char>(spoiled[i] ^ 1 << bit);
      CHECK(read_reply(query, spoiled).answer.records.size() <= 2);
    }
  std::string pointer_loop = Response().to(query.octets);
  pointer_loop[7] = 1;  // one answer, whose owner points at itself
  pointer_loop += "\xC0" + std::string(1, static_cast<char>(pointer_loop.size())) + u16(15) + u16(1) + u32(1) + u16(0);
  CHECK(read_reply(query, pointer_loop).answer.status == DnsStatus::malformed);
}

TEST_CASE("answers as text and as JSON") {
  DnsAnswer answer = answer_to(query_for("D.test", DnsType::mx), Response().add(mx_record("d.test", 10, "mx.d.test")).ad());
  answer.server = "127.0.0.1:53";
  CHECK(describe("d.test", DnsType::mx, answer) ==
        "d.test. 300 MX 10 mx.d.test.\nMX of d.test: ok, authentic, from 127.0.0.1:53, kept 300 s\n");
  std::string json = describe_json("d.test", DnsType::mx, answer);
  CHECK(json.find("\"records\":[{\"preference\":10,\"target\":\"mx.d.test\",\"ttl\":300}]") != json.npos);
  CHECK(json.find("\"authentic\":true") != json.npos);
  DnsAnswer binary = answer_to(query_for("t.test", DnsType::txt), Response().add(txt_record("t.test", "\x01\xFF\"")));
  CHECK(describe_json("t.test", DnsType::txt, binary).find('\xFF') == std::string::npos);
  CHECK(dns_type_of("tlsa") == DnsType::tlsa);
  CHECK(!dns_type_of("ANY"));
}
