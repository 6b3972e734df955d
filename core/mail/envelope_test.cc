// The envelope's octets: there and back, unknown fields, damage.
#include "mail/envelope.h"

#include <doctest/doctest.h>

namespace veredus {

namespace {

Envelope full_envelope() {
  Envelope e;
  e.id = MessageId{0x123456789ABCDEF};
  e.arrived = WallTime(Millis(1'750'000'000'123));
  e.sender = *Address::parse("from@example.test");
  Recipient first;
  first.address = *Address::parse("a@x.test");
  Recipient second;
  second.address = *Address::parse("b@x.test");
  second.original = *Address::parse("alias@y.test");
  second.orcpt = "rfc822;alias@y.test";
  second.notify = kNotifySuccess | kNotifyDelay;
  second.next_hop = "smtp://127.0.0.1:2526";
  e.recipients = {first, second};
  e.body = BodyType::eight_bit;
  e.smtputf8 = e.content_8bit = e.header_8bit = e.require_tls = e.held = true;
  e.dsn_return = DsnReturn::headers;
  e.envid = "QQ314159";
  e.tenant = "acme";
  e.stream = "bulk";
  e.pool = "warm";
  e.priority = 0;
  e.hold_reason = "crash";
  e.notes = {{"spf", "pass"}, {"score", std::string("4\n\0.2", 5)}, {"empty", ""}};
  e.origin = Origin{*Endpoint::parse("[2001:db8::1]:40000"),
                    "client.test",
                    "helo.test",
                    "127.0.0.1:25",
                    Protocol::local,
                    "user",
                    "TLS1.3 X"};
  return e;
}

}  // namespace

TEST_CASE("an envelope survives its encoding") {
  for (const Envelope& e : {Envelope{}, full_envelope()}) {
    auto back = decode_envelope(encode_envelope(e));
    REQUIRE(back.ok());
    CHECK(*back == e);
  }
}

TEST_CASE("a client given twice is the second one, whole") {
  Envelope e;
  e.origin.client = *Endpoint::parse("[2001:db8::1]:40000");
  std::string twice = encode_envelope(e);
  e.origin.client = *Endpoint::parse("192.0.2.1:25");
  twice += encode_envelope(e).substr(1);
  auto back = decode_envelope(twice);
  REQUIRE(back.ok());
  CHECK(*back == e);
  CHECK(*decode_envelope(encode_envelope(*back)) == *back);
}

TEST_CASE("defaults take no room") {
  CHECK(encode_envelope(Envelope{}).size() == 1);
  Envelope e = full_envelope();
  e.origin = {};
  e.notes.clear();
  e.recipients.resize(1);
  CHECK(encode_envelope(e).size() < 120);
}

TEST_CASE("unknown fields are skipped") {
  std::string octets = encode_envelope(full_envelope());
  octets += std::string(
      "\x7B\x03"
      "abc",
      5);
  auto back = decode_envelope(octets);
  REQUIRE(back.ok());
  CHECK(*back == full_envelope());
}

TEST_CASE("every truncation is refused or gives fewer fields, never garbage") {
  std::string octets = encode_envelope(full_envelope());
  for (size_t length = 0; length < octets.size(); ++length) {
    auto back = decode_envelope(std::string_view(octets).substr(0, length));
    if (back) CHECK_FALSE(*back == full_envelope());
  }
  CHECK_FALSE(decode_envelope("").ok());
  CHECK_FALSE(decode_envelope("\x02").ok());
}

TEST_CASE("damaged fields are refused") {
  CHECK_FALSE(decode_envelope(std::string_view("\x01\x03\x7F"
                                               "a",
                                               4))
                  .ok());                                                      // longer than what is there
  CHECK_FALSE(decode_envelope(std::string_view("\x01\x05\x01\x02", 4)).ok());  // no such body type
  CHECK_FALSE(decode_envelope(std::string_view("\x01\x07\x01\x03", 4)).ok());  // no such RET
  CHECK_FALSE(decode_envelope(std::string_view("\x01\x05\x00", 3)).ok());      // a number without octets
  CHECK_FALSE(decode_envelope(std::string_view("\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x00", 12)).ok());
  CHECK_FALSE(decode_envelope(std::string_view("\x01\x0E\x05\x01\x03\x05\x00\x00", 8))
                  .ok());  // no such address family
}

TEST_CASE("controls in stored texts are replaced") {
  auto back =
      decode_envelope(std::string_view("\x01\x08\x03"
                                       "a\nb",
                                       6));
  REQUIRE(back.ok());
  CHECK(back->envid == "a?b");
}

TEST_CASE("notes: later ones replace, and stored ones out of bounds are left out") {
  Notes notes;
  set_note(notes, "a", "1");
  set_note(notes, "b", "2");
  set_note(notes, "a", "3");
  CHECK(notes == Notes{{"a", "3"}, {"b", "2"}});
  CHECK(find_note(notes, "c") == nullptr);
  CHECK(is_note_key("spf.result_1-x"));
  for (const char* bad : {"", "A", "a b", "a:b", "\xC3\xBC"}) CHECK_FALSE(is_note_key(bad));
  Envelope e;
  e.notes = {{"Upper", "x"}, {"long", std::string(1025, 'x')}, {"good", "y"}};
  for (int i = 0; i < 100; ++i) e.notes.emplace_back("k" + std::to_string(i), "");
  auto back = decode_envelope(encode_envelope(e));
  REQUIRE(back.ok());
  CHECK(back->notes.size() == 64);
  CHECK(back->notes.front() == std::pair<std::string, std::string>("good", "y"));
}

}  // namespace veredus
