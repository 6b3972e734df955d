// Questions to lists, and what their answers mean.
#include "lists.hpp"

#include <doctest/doctest.h>

using namespace dnsbl;

namespace {
List list_of(const char* zone, Kind kind) {
  List out;
  out.name = out.zone = zone;
  out.kind = kind;
  return out;
}
}  // namespace

TEST_CASE("addresses are asked for backwards") {
  const List list = list_of("bl.test", client);
  CHECK(question(list, "192.0.2.7") == "7.2.0.192.bl.test");
  CHECK(question(list, "::ffff:192.0.2.7") == "7.2.0.192.bl.test");
  CHECK(question(list, "2001:db8::1") == "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test");
  CHECK(question(list, "no address").empty());
}

TEST_CASE("names are asked about when they are domains") {
  const List list = list_of("rhs.test", helo);
  CHECK(question(list, "Mail.Example.TEST.") == "mail.example.test.rhs.test");
  for (const char* bad : {"", ".", "localhost", "[192.0.2.7]", "192.0.2.7", "a..test", ".a.test", "a b.test", "a\\.test"}) {
    CAPTURE(bad);
    CHECK(question(list, bad).empty());
  }
  CHECK(question(list, std::string(64, 'a') + ".test").empty());
  std::string far;
  for (int i = 0; i < 61; i++) far += "abc.";
  CHECK(question(list, far + "test").size() == 0);
}

TEST_CASE("codes decide, and answers that are none count nothing") {
  List list = list_of("bl.test", client);
  CHECK(meaning(list, "127.0.0.2") == Answer::listed);
  CHECK(meaning(list, "127.255.255.254") == Answer::wrong);
  CHECK(meaning(list, "192.0.2.80") == Answer::wrong);
  CHECK(meaning(list, "junk") == Answer::wrong);
  list.codes.emplace_back("127.0.0.4/31");
  CHECK(meaning(list, "127.0.0.2") == Answer::clear);
  CHECK(meaning(list, "127.0.0.5") == Answer::listed);
}

TEST_CASE("replies are printable and bounded") {
  CHECK(reply("client {client} is listed by {zone}", {"192.0.2.7", "", "bl.test", "spam source"}) == "client 192.0.2.7 is listed by bl.test: spam source");
  CHECK(reply("{name}: {text}!", {"", "a.test", "", "x\ny\x80"}) == "a.test: x?y?!");
  CHECK(reply("{zone} {other", {"", "", "bl.test", ""}) == "bl.test {other; its operator can say why");
  CHECK(filled("see https://{zone}/{client}", {"192.0.2.7", "", "bl.test", ""}) == "see https://bl.test/192.0.2.7");
  CHECK(reply(std::string(1000, 'x'), {}).size() == 450);
}
