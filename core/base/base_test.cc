// Ids, clocks, text, units, addresses and codec.
#include <doctest/doctest.h>

#include <set>

#include "base/address_ip.h"
#include "base/checksum.h"
#include "base/codec.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/units.h"

using namespace veredus;

TEST_CASE("an empty piece does not change a chained checksum") {
  uint32_t first = crc32("abc");
  CHECK(crc32(std::string_view(), first) == first);
  CHECK(crc32("def", first) == crc32("abcdef"));
}

TEST_CASE("message ids are unique, ordered and survive a clock that steps back") {
  FakeClock clock;
  IdGenerator generator(clock, 3);
  std::set<MessageId> seen;
  MessageId last;
  for (int i = 0; i < 200'000; ++i) {
    if (i == 1000) clock.step_wall(Millis(-3'600'000));
    MessageId id = generator.next();
    CHECK(id > last);
    last = id;
    seen.insert(id);
  }
  CHECK(seen.size() == 200'000);
}

TEST_CASE("a restart with an older clock never repeats an id") {
  FakeClock clock;
  IdGenerator first(clock, 0);
  MessageId newest = first.next();
  clock.step_wall(Millis(-10'000));
  IdGenerator second(clock, 0, newest);
  CHECK(second.next() > newest);
}

TEST_CASE("message id text form round trips and rejects anything else") {
  FakeClock clock;
  IdGenerator generator(clock, 1);
  MessageId id = generator.next();
  CHECK(id.text().size() == 13);
  CHECK(MessageId::parse(id.text()) == id);
  CHECK(!MessageId::parse(""));
  CHECK(!MessageId::parse("0000000000000U"));
  CHECK(!MessageId::parse("ZZZZZZZZZZZZZ"));
  CHECK(!MessageId::parse(lowered(MessageId{0xFFFFFFFFFFFFull}.text())));
}

TEST_CASE("dates") {
  WallTime when{Millis(1'136'214'245'678)};
  CHECK(rfc5322_date(when) == "Mon, 02 Jan 2006 15:04:05 +0000");
  CHECK(iso8601(when) == "2006-01-02T15:04:05.678Z");
}

TEST_CASE("durations and sizes") {
  CHECK(parse_duration("500ms") == Millis(500));
  CHECK(parse_duration("5d") == Millis(432'000'000));
  CHECK(!parse_duration("5"));
  CHECK(!parse_duration("-5s"));
  CHECK(!parse_duration("99999999999999999999s"));
  CHECK(format_duration(Millis(90'000)) == "90s");
  CHECK(parse_size("25MiB") == 25u << 20);
  CHECK(parse_size("1000") == 1000);
  CHECK(!parse_size("1 MiB"));
  CHECK(format_size(25u << 20) == "25MiB");
}

TEST_CASE("addresses, literals, endpoints and networks") {
  CHECK(IpAddress::parse("::ffff:127.0.0.1")->text() == "127.0.0.1");
  CHECK(IpAddress::parse_literal("[IPv6:::1]")->is_loopback());
  CHECK(!IpAddress::parse_literal("[::1]"));
  CHECK(!IpAddress::parse_literal("[IPv6:127.0.0.1]"));
  CHECK(Endpoint::parse("[::1]:25")->text() == "[::1]:25");
  CHECK(Endpoint::parse("127.0.0.1", 53)->port == 53);
  CHECK(!Endpoint::parse("127.0.0.1:"));
  CHECK(!Endpoint::parse("127.0.0.1:70000"));
  CHECK(Network::parse("127.0.0.0/8")->contains(*IpAddress::parse("127.9.9.9")));
  CHECK(!Network::parse("127.0.0.1/8"));
  CHECK(!Network::parse("::/0")->contains(*IpAddress::parse("10.0.0.1")));
}

TEST_CASE("text helpers") {
  CHECK(printable("a\r\nb\xff") == "a??b?");
  CHECK(is_utf8("gr\xc3\xbc\xc3\x9f"));
  CHECK(!is_utf8("\xc0\xaf"));
  CHECK(!is_utf8("\xed\xa0\x80"));
  CHECK(edit_distance("selectr", "selector") == 1);
  CHECK(split("a,,b", ',').size() == 3);
  CHECK(!parse_uint("12x"));
}

TEST_CASE("codec never reads past the end") {
  std::string out;
  Writer writer(out);
  writer.u32(7);
  writer.text("hello");
  Reader reader(out);
  CHECK(reader.u32() == 7);
  CHECK(reader.text() == "hello");
  CHECK(reader.at_end());
  CHECK(reader.u64() == 0);
  CHECK(!reader.ok());
  Reader torn(std::string_view(out).substr(0, 10));
  torn.u32();
  CHECK(torn.text().empty());
  CHECK(!torn.ok());
}

TEST_CASE("crc chains") { CHECK(crc32("world", crc32("hello ")) == crc32("hello world")); }
