// The parsers: lines, services, maps, references.
#include <doctest/doctest.h>

#include "migrate/postfix.h"
#include "migrate/words.h"

using namespace veredus;
using namespace veredus::migrate;

TEST_CASE("main.cf: continuations, comments between them, settings without value, lines that are none") {
  std::vector<LogicalLine> broken;
  auto read = parse_main("# head\nmynetworks = 127.0.0.0/8\n# between\n   \n\t10.0.0.0/8\nrelayhost =\nno setting\nbad name = x\n a = b\n", "main.cf", broken);
  REQUIRE(read.size() == 2);
  CHECK(read[0].value == "127.0.0.0/8 10.0.0.0/8");
  CHECK(read[0].at.line == 2);
  CHECK(read[1].value.empty());
  REQUIRE(broken.size() == 2);
  CHECK(broken[0].line == 7);
  CHECK(broken[1].text == "bad name = x a = b");
}

TEST_CASE("master.cf: overrides in every form, the last one counts") {
  std::vector<LogicalLine> broken;
  auto read = parse_master("submission inet n - y - - smtpd\n  -o smtpd_tls_security_level=encrypt\n  -o { smtpd_x = a b } -ov=1 -o v=2 -v\nshort inet n\n", "master.cf", broken);
  REQUIRE(read.size() == 1);
  CHECK(read[0].name == "submission");
  CHECK(read[0].command == "smtpd");
  CHECK(read[0].override_of("smtpd_x")->value == "a b");
  CHECK(read[0].override_of("v")->value == "2");
  CHECK(read[0].arguments == std::vector<std::string>{"-v"});
  CHECK(broken.size() == 1);
}

TEST_CASE("maps and references") {
  auto rows = parse_map("# c\na.test  smtp:[mx.a.test]:26 \n*\terror:no\nbare\n", "transport");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].value == "smtp:[mx.a.test]:26");
  CHECK(rows[0].at.text() == "transport:2");
  CHECK(rows[2].value.empty());
  CHECK(split_words("hash:/a, inline:{ x=y, z=w } ,cidr:/b") == std::vector<std::string>{"hash:/a", "inline:{ x=y, z=w }", "cidr:/b"});
  CHECK(parse_reference("hash:/etc/x").type == "hash");
  CHECK(parse_reference("[::1]/128").type.empty());
  CHECK(parse_reference("/etc/x:y").type.empty());
  auto inlined = parse_inline("{ a.test = smtp:x, { b = c d } }", {"main.cf", 3});
  REQUIRE(inlined.size() == 2);
  CHECK(inlined[1].value == "c d");
}

TEST_CASE("names are expanded as they are when they are used, in every form; a name that means itself ends") {
  auto read = [](const std::string& path) -> Result<std::string> {
    if (path != "d/main.cf") return fail(Errc::not_found, path + ": No such file");
    return std::string("a = $b ${c?yes} ${c:no} ${none:{otherwise}} ${none?{x}:{y}} $(b) $$5\nb = $myhostname\nc = 1\nmyhostname = mx.a.test\nloop = $loop\ndeep=${deep}${deep}\n");
  };
  Postfix postfix("d", "system.test", read);
  REQUIRE(postfix.load());
  CHECK(postfix.value("a") == "mx.a.test yes 1 otherwise y mx.a.test $5");
  CHECK(postfix.value("mydomain") == "a.test");
  CHECK(postfix.value("mydestination") == "mx.a.test, localhost.a.test, localhost");
  CHECK(postfix.value("loop").empty());
  CHECK(postfix.value("deep").empty());
}

TEST_CASE("next hops") {
  CHECK(read_hop("[mail.a.test]:587", false, "").to == "smtp://mail.a.test:587");
  CHECK(read_hop("mail.a.test", false, "").to == "mx:mail.a.test");
  CHECK(read_hop("mail.a.test:submission", false, "").to == "smtp://mail.a.test:587");
  CHECK(read_hop("mail.a.test:26", false, "").looked_up_as_mx);
  CHECK(read_hop("[2001:db8::1]", false, "").to == "smtp://[2001:db8::1]");
  CHECK(read_hop("unix:private/lmtp", true, "/var/spool/postfix").to == "lmtp:///var/spool/postfix/private/lmtp");
  CHECK(read_hop("inet:127.0.0.1:2424", true, "").to == "lmtp://127.0.0.1:2424");
  CHECK(read_hop("localhost", true, "").to == "lmtp://localhost:24");
  for (const char* bad : {"", "[a.test", "a.test:no-port", "[a.test]x", "a b"}) CHECK_MESSAGE(read_hop(bad, false, "").to.empty(), bad);
}

TEST_CASE("durations, networks, YAML texts") {
  CHECK(read_duration("5", 'd') == "5d");
  CHECK(read_duration("2w", 's') == "14d");
  CHECK_FALSE(read_duration("soon", 's'));
  CHECK(seconds_of("4h") == 14'400);
  std::string why;
  CHECK(read_network("[::1]/128", why) == "::1/128");
  CHECK(read_network("[::ffff:127.0.0.0]/104", why).empty());
  CHECK(why.empty());
  CHECK(read_network("0.0.0.0/0", why).empty());
  CHECK(why == "holds most of the Internet");
  CHECK(yaml_text("a.test") == "a.test");
  CHECK(yaml_text("no") == "\"no\"");
  CHECK(yaml_text("a\"b\\\n") == "\"a\\\"b\\\\\\x0a\"");
  CHECK(yaml_text("{x}") == "\"{x}\"");
}
