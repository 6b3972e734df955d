// Keys of triplets: what counts as the same try, and what does not.
#include "triplet.hpp"

#include <doctest/doctest.h>

using namespace greylist;

TEST_CASE("what changes from message to message is folded in senders") {
  CHECK(folded_local("bob") == "bob");
  CHECK(folded_local("list-return-1234-bob=a.test") == "list-return-#-bob=a.test");
  CHECK(folded_local("bounce-5f3a9c11") == "bounce-#");
  CHECK(folded_local("msgid.00af.x7") == "msgid.#af.x#");
  CHECK(folded_local("facade") == "facade");
  CHECK(folded_local("SRS0=Ab3=X7=a.test=bob") == "SRS0=#=#=a.test=bob");
  CHECK(folded_local("srs0=broken") == "srs#=broken");
  CHECK(folded_local("") == "");
  CHECK(folded_local("1-") == "#-");
  CHECK(normal_sender("Bob.7@A.TEST") == "Bob.#@a.test");
  CHECK(normal_sender("") == "");
}

TEST_CASE("recipients keep their local part") {
  CHECK(normal_recipient("Bob.7@A.Test") == "Bob.7@a.test");
  CHECK(normal_recipient("postmaster") == "postmaster");
}

TEST_CASE("clients count by network") {
  const auto network = [](const char* text, uint32_t v4, uint32_t v6) { return common::network_of(*common::address_octets(text), v4, v6); };
  CHECK(network("192.0.2.77", 24, 64) == "192.0.2.0/24");
  CHECK(network("192.0.2.77", 32, 64) == "192.0.2.77/32");
  CHECK(network("192.0.2.77", 0, 64) == "0.0.0.0/0");
  CHECK(network("192.0.2.255", 25, 64) == "192.0.2.128/25");
  CHECK(network("2001:db8:1:2:3:4:5:6", 24, 64) == "2001:db8:1:2::/64");
  CHECK(network("::ffff:192.0.2.77", 24, 64) == "192.0.2.0/24");
}

TEST_CASE("a key fits the store and differs where the addresses do") {
  const std::string far(400, 'x');
  const std::string one = triplet_key("192.0.2.0/24", far + "@a.test", far + "@b.test"), two = triplet_key("192.0.2.0/24", far + "@a.test", far + "@c.test");
  CHECK(one.size() <= 512);
  CHECK(one != two);
  CHECK(triplet_key("192.0.2.0/24", "a@b.test", "c@d.test") == "t 192.0.2.0/24 a@b.test c@d.test");
}

TEST_CASE("one event a minute") {
  common::Seldom seldom;
  CHECK(seldom.now(5));
  CHECK_FALSE(seldom.now(60'004));
  CHECK(seldom.now(60'005));
}
