// Reports: composed, read back, and kept within what any server accepts.
#include "mail/dsn.h"

#include <doctest/doctest.h>

#include "base/text.h"
#include "mail/dsn_text.h"
#include "mail/headers.h"

namespace veredus {

namespace {

DsnReport failure() {
  DsnReport report;
  report.id = MessageId{100};
  report.hostname = "mx.test";
  report.now = WallTime(Millis(1'136'214'245'000));
  report.to = *Address::parse("sender@a.test");
  report.original_id = MessageId{99};
  report.envid = "env 1";
  report.arrived = report.now - Millis(60'000);
  report.original_header = "From: x\r\nMessage-ID: <m@a.test>\r\n\r\n";
  report.original_body = "hello\r\n";
  report.original_size = 50;
  DsnRecipient recipient;
  recipient.address = *Address::parse("user@b.test");
  recipient.orcpt = "rfc822;first@b.test";
  recipient.status = "5.1.1";
  recipient.remote = "mx1.b.test [192.0.2.1]:25";
  recipient.diagnostic = "550 5.1.1 no such user";
  recipient.last_attempt = report.now;
  report.recipients.push_back(recipient);
  return report;
}

ParsedDsn round_trip(const DsnReport& report) {
  DsnMessage message = compose_dsn(report);
  for (std::string_view line : split(message.octets, '\n')) CHECK(line.size() <= 999);
  CHECK(is_ascii(message.octets) == !(message.content_8bit || message.header_8bit));
  auto parsed = parse_dsn(message.octets);
  REQUIRE(parsed.ok());
  return *parsed;
}

}  // namespace

TEST_CASE("a failure report") {
  DsnReport report = failure();
  ParsedDsn dsn = round_trip(report);
  CHECK(dsn_field(dsn.message, "reporting-mta") == "dns; mx.test");
  CHECK(dsn_field(dsn.message, "original-envelope-id") == "env 1");
  CHECK(dsn_field(dsn.message, "arrival-date") == "Mon, 02 Jan 2006 15:03:05 +0000");
  REQUIRE(dsn.recipients.size() == 1);
  const DsnFields& fields = dsn.recipients[0];
  CHECK(dsn_field(fields, "original-recipient") == "rfc822; first@b.test");
  CHECK(dsn_field(fields, "final-recipient") == "rfc822; user@b.test");
  CHECK(dsn_field(fields, "action") == "failed");
  CHECK(dsn_field(fields, "status") == "5.1.1");
  CHECK(dsn_field(fields, "remote-mta") == "dns; mx1.b.test");
  CHECK(dsn_field(fields, "diagnostic-code") == "smtp; 550 5.1.1 no such user");
  CHECK(dsn_field(fields, "last-attempt-date") == "Mon, 02 Jan 2006 15:04:05 +0000");
  CHECK(dsn_field(fields, "will-retry-until").empty());
  CHECK(dsn.returned_type == "message/rfc822");
  CHECK(dsn.returned == "From: x\r\nMessage-ID: <m@a.test>\r\n\r\nhello\r\n");
  CHECK(dsn.text.find("<user@b.test>") != std::string::npos);
  CHECK(dsn.text.find("does not exist") != std::string::npos);
  CHECK(dsn.text.find("550 5.1.1 no such user") != std::string::npos);
}

TEST_CASE("the report's own header") {
  std::string octets = compose_dsn(failure()).octets;
  auto block = *HeaderBlock::parse(octets);
  auto value = [&](const char* name) { return unfolded(block.value(*block.find(name))); };
  CHECK(value("From") == "Mail Delivery System <MAILER-DAEMON@mx.test>");
  CHECK(value("To") == "<sender@a.test>");
  CHECK(value("Auto-Submitted") == "auto-replied");
  CHECK(value("Message-ID") == "<" + MessageId{100}.text() + "@mx.test>");
  CHECK(value("In-Reply-To") == "<m@a.test>");
  CHECK(value("Date") == "Mon, 02 Jan 2006 15:04:05 +0000");
  CHECK(value("MIME-Version") == "1.0");
}

TEST_CASE("what is returned follows RET, size and kind") {
  DsnReport report = failure();
  report.ret = DsnReturn::headers;
  CHECK(round_trip(report).returned_type == "text/rfc822-headers");
  CHECK(round_trip(report).returned == "From: x\r\nMessage-ID: <m@a.test>\r\n");
  report = failure();
  report.ret = DsnReturn::full;
  report.original_size = 51'201;
  CHECK(round_trip(report).returned_type == "text/rfc822-headers");
  report = failure();
  report.ret = DsnReturn::full;
  report.recipients[0].action = DsnAction::delivered;
  CHECK(round_trip(report).returned_type == "text/rfc822-headers");
  report = failure();
  report.original_body = std::string(2000, 'x') + "\r\n";
  CHECK(round_trip(report).returned_type == "text/rfc822-headers");
}

TEST_CASE("eight-bit content and headers") {
  DsnReport report = failure();
  report.original_body = "gr\xC3\xBC\xC3\x9F\r\n";
  CHECK(compose_dsn(report).content_8bit);
  CHECK(round_trip(report).returned_type == "message/rfc822");
  report.original_header = "Subject: gr\xC3\xBC\xC3\x9F\r\n\r\n";
  CHECK(round_trip(report).returned_type == "message/global");
  report.ret = DsnReturn::headers;
  CHECK_FALSE(compose_dsn(report).content_8bit);
  CHECK(round_trip(report).returned_type == "message/global-headers");
  CHECK(round_trip(report).returned == "Subject: gr\xC3\xBC\xC3\x9F\r\n");
  report.original_header = "Subject: \xFF" + std::string(3000, 'y') + "\r\n\r\n";
  CHECK(round_trip(report).returned == report.original_header.substr(0, report.original_header.size() - 2));
}

TEST_CASE("UTF-8 addresses are named in ASCII unless the report needs SMTPUTF8 itself") {
  DsnReport report = failure();
  report.recipients[0].address = *Address::parse("j\xC3\xB6rg@b.test");
  report.recipients[0].orcpt = "utf-8;j\xC3\xB6rg@b.test";
  ParsedDsn dsn = round_trip(report);
  CHECK(dsn_field(dsn.recipients[0], "final-recipient") == "utf-8; j\\x{F6}rg@b.test");
  CHECK(dsn_field(dsn.recipients[0], "original-recipient") == "utf-8; j\\x{F6}rg@b.test");
  CHECK(dsn.text.find("<j\xC3\xB6rg@b.test>") != std::string::npos);
  CHECK_FALSE(compose_dsn(report).smtputf8);
  report.to = *Address::parse("\xC3\xBC@a.test");
  CHECK(compose_dsn(report).smtputf8);
  CHECK(dsn_field(round_trip(report).recipients[0], "final-recipient") == "utf-8; j\xC3\xB6rg@b.test");
}

TEST_CASE("hostile replies and texts stay in their place") {
  DsnReport report = failure();
  report.recipients[0].diagnostic =
      "550 x\r\nFinal-Recipient: rfc822; forged@b.test\r\n\r\n--" + std::string(900, 'z') + "\x01\xFF";
  report.recipients[0].remote = "evil\r\nAction: delivered [1.2.3.4]:25";
  ParsedDsn dsn = round_trip(report);
  REQUIRE(dsn.recipients.size() == 1);
  CHECK(dsn_field(dsn.recipients[0], "action") == "failed");
  CHECK(dsn_field(dsn.recipients[0], "final-recipient") == "rfc822; user@b.test");
  report = failure();
  report.original_body = "--=_" + MessageId{100}.text() + ".0--\r\n";
  CHECK(round_trip(report).returned.ends_with(report.original_body));
  report.original_header = "Message-ID: <a b>\r\n\r\n";
  CHECK(compose_dsn(report).octets.find("In-Reply-To") == std::string::npos);
}

TEST_CASE("delay, expiry, success, relayed: each says what it is") {
  DsnReport report = failure();
  report.recipients[0].action = DsnAction::delayed;
  report.recipients[0].status = "4.4.1";
  report.recipients[0].will_retry_until = report.now + Millis(3'600'000);
  ParsedDsn dsn = round_trip(report);
  CHECK(dsn_field(dsn.recipients[0], "will-retry-until") == "Mon, 02 Jan 2006 16:04:05 +0000");
  CHECK(dsn.text.find("has not reached") != std::string::npos);
  report = failure();
  report.recipients[0].expired = true;
  CHECK(round_trip(report).text.find("waited too long") != std::string::npos);
  report.recipients[0].action = DsnAction::relayed;
  report.recipients[0].status.clear();
  report.recipients[0].diagnostic.clear();
  dsn = round_trip(report);
  CHECK(dsn_field(dsn.recipients[0], "action") == "relayed");
  CHECK(dsn_field(dsn.recipients[0], "status") == "2.0.0");
  CHECK(dsn_subject(report) == "Your message was passed on");
}

TEST_CASE("quoted-printable") {
  for (std::string text : {std::string("a=b \r\nc\t\r\n"), std::string(500, 'x'),
                           std::string("\xC3\xBC\x01\r\n"), std::string("end "), std::string("bare\rcr")}) {
    std::string encoded = to_quoted_printable(text);
    for (std::string_view line : split(encoded, '\n')) CHECK(line.size() <= 77);
    CHECK(from_quoted_printable(encoded) == text);
  }
  CHECK(from_quoted_printable("=ZZ=") == "=ZZ=");
}

TEST_CASE("what is no report is refused") {
  for (std::string bad :
       {"", "Content-Type: text/plain\r\n\r\nx", "Content-Type: multipart/report\r\n\r\nx",
        "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
        "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: "
        "text/plain\r\n\r\n\r\n--b--\r\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_dsn(bad).ok());
  }
}

}  // namespace veredus
