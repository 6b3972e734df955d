// Syntax of commands, paths and parameters; bad ones above all.
#include "smtp/commands.h"

#include <doctest/doctest.h>

using namespace veredus;

namespace {

ParameterRules rules(bool smtputf8 = false) {
  ParameterRules out;
  out.message_size = 1000;
  out.smtputf8 = smtputf8;
  return out;
}

int mail(std::string_view text, Envelope* out = nullptr) {
  Envelope envelope;
  uint64_t size = 0;
  int code = parse_mail(text, rules(), envelope, size).code;
  if (out) *out = envelope;
  return code;
}

int rcpt(std::string_view text, Recipient* out = nullptr, bool smtputf8 = false) {
  Recipient recipient;
  int code = parse_rcpt(text, rules(smtputf8), recipient).code;
  if (out) *out = recipient;
  return code;
}

}  // namespace

TEST_CASE("paths: brackets, quotes, source routes") {
  auto path = [](std::string_view text) {
    auto parts = split_path(text, "TO:");
    return parts ? std::string(parts->path) + "|" + std::string(parts->parameters) : "none";
  };
  CHECK(path("TO:<a@b.test>") == "a@b.test|");
  CHECK(path("to: <a@b.test>  NOTIFY=NEVER ") == "a@b.test|NOTIFY=NEVER");
  CHECK(path("TO:<\"x>y\\\"z\"@b.test> A") == "\"x>y\\\"z\"@b.test|A");
  CHECK(path("TO:<@r.test,@s.test:a@b.test>") == "a@b.test|");
  CHECK(path("TO:<>") == "|");
  for (const char* bad :
       {"TO:a@b.test", "TO:<a@b.test", "TO<a@b>", "", "TO:", "TO:<a@b.test>x", "FROM:<a@b.test>",
        "TO:<@r.test a@b.test>", "TO:<r.test:", "TO:<@r.test,s.test:a@b.test>", "TO:<\"abc\\>"})
    CHECK_MESSAGE(path(bad) == "none", bad);
}

TEST_CASE("MAIL parameters") {
  Envelope envelope;
  CHECK(mail("FROM:<a@b.test> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=a+2Bb", &envelope) == 0);
  CHECK(envelope.sender.text() == "a@b.test");
  CHECK(envelope.body == BodyType::eight_bit);
  CHECK(envelope.dsn_return == DsnReturn::headers);
  CHECK(envelope.envid == "a+b");
  CHECK(mail("FROM:<>", &envelope) == 0);
  CHECK(envelope.sender.empty());
  CHECK(mail("FROM:<a@b.test> body=7bit smtputf8") == 0);
  CHECK(mail("FROM:<\xC3\xA4@b.test> SMTPUTF8") == 0);
}

TEST_CASE("MAIL refusals each have their code") {
  CHECK(mail("FROM:<\xC3\xA4@b.test>") == 553);
  CHECK(mail("FROM:<a@b.test> SIZE=1001") == 552);
  CHECK(mail("FROM:<a@b.test> SIZE=99999999999999999999") == 552);
  CHECK(mail("FROM:<a@b.test> BODY=BINARYMIME") == 504);
  for (const char* unknown : {"FOO=1", "FOO", "AUTH=<>", "NOTIFY=NEVER"})
    CHECK_MESSAGE(mail(std::string("FROM:<a@b.test> ") + unknown) == 555, unknown);
  for (const char* bad :
       {"SIZE=", "SIZE", "SIZE=-1", "SIZE=1x", "SIZE=999999999999999999999", "BODY=", "BODY=9BIT", "RET=NONE",
        "ENVID=", "ENVID=a+0Ab", "ENVID=+", "ENVID=a=b", "SMTPUTF8=1", "SIZE=1 SIZE=1", "ENVID=\xC3\xA4"})
    CHECK_MESSAGE(mail(std::string("FROM:<a@b.test> ") + bad) == 501, bad);
  CHECK(mail("FROM:<a@b.test> ENVID=" + std::string(101, 'x')) == 501);
  for (const char* bad : {"FROM:<postmaster>", "FROM:<a@>", "FROM:<@b.test>", "FROM:<a b@c.test>",
                          "FROM:<a@b@c.test>", "FROM:< >"})
    CHECK_MESSAGE(mail(bad) == 501, bad);
}

TEST_CASE("RCPT parameters and refusals") {
  Recipient recipient;
  CHECK(rcpt("TO:<a@b.test> NOTIFY=SUCCESS,delay ORCPT=rfc822;x+2By@z.test", &recipient) == 0);
  CHECK(recipient.notify == (kNotifySuccess | kNotifyDelay));
  CHECK(recipient.orcpt == "rfc822;x+y@z.test");
  CHECK(rcpt("TO:<postmaster>") == 0);
  CHECK(rcpt("TO:<PostMaster>") == 0);
  CHECK(rcpt("TO:<\xC3\xA4@b.test> ORCPT=utf-8;\xC3\xA4@b.test", nullptr, true) == 0);
  CHECK(rcpt("TO:<\xC3\xA4@b.test>") == 553);
  CHECK(rcpt("TO:<a@b.test> SIZE=1") == 555);
  for (const char* bad : {"NOTIFY=", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,SUCCESS", "NOTIFY=,",
                          "NOTIFY=MAYBE", "ORCPT=rfc822", "ORCPT=;a", "ORCPT=rfc822;", "ORCPT=rfc822;a+0Db",
                          "ORCPT=r c;a", "ORCPT=rfc822;\xC3\xA4", "NOTIFY"})
    CHECK_MESSAGE(rcpt(std::string("TO:<a@b.test> ") + bad) != 0, bad);
  for (const char* bad : {"TO:<>", "TO:<user>", "TO:<a@b..test>", "TO:<a@-b\x01>"})
    CHECK_MESSAGE(rcpt(bad) == 501, bad);
}

TEST_CASE("chunks, xtext, host names, octets") {
  CHECK(parse_chunk("0")->octets == 0);
  CHECK(parse_chunk("86 last")->last);
  for (const char* bad : {"", "x", "-1", "1 LASTX", "1 LAST LAST", "99999999999999999999", "0x10", "LAST"})
    CHECK_MESSAGE(!parse_chunk(bad), bad);
  CHECK(decode_value("a+3Db") == "a=b");
  for (const char* bad : {"+", "+4", "+3d", "+00", "+7F", "a b", "\x01", "+FF"})
    CHECK_MESSAGE(!decode_value(bad), bad);
  CHECK(!check_helo_name("[IPv6:::1]"));
  CHECK(!check_helo_name("under_score.test"));
  CHECK(check_helo_name("").code == 501);
  CHECK(check_helo_name("two words").code == 501);
  CHECK(check_helo_name(std::string(256, 'a')).code == 501);
  CHECK(check_octets(std::string_view("a\0b", 3), true).code == 500);
  CHECK(check_octets("a\tb", true).code == 500);
  CHECK(check_octets("\xC3\xA4", false).code == 500);
  CHECK(check_octets("\xC3", true).code == 500);
  CHECK(check_octets("\xC3\xA4", true).code == 0);
}

TEST_CASE("XCLIENT attributes") {
  auto attributes = parse_xclient("name=[UNAVAILABLE] ADDR=IPV6:::1 PORT=25 HELO=a+2Bb LOGIN=[TempUnavail]");
  REQUIRE(attributes);
  CHECK(*attributes ==
        Attributes{{"NAME", ""}, {"ADDR", "IPV6:::1"}, {"PORT", "25"}, {"HELO", "a+b"}, {"LOGIN", ""}});
  for (const char* bad : {"", "ADDR", "FOO=1", "ADDR=+0A", "ADDR=a=b"})
    CHECK_MESSAGE(!parse_xclient(bad), bad);
}
