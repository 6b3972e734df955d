// Received fields.
#include "mail/trace.h"

#include <doctest/doctest.h>

using namespace veredus;

TEST_CASE("a Received field names the hop and nothing a client could inject") {
  Envelope e;
  e.id = MessageId{1};
  e.arrived = WallTime(Millis(1'136'214'245'000));
  e.origin.helo = "evil\r\nX: y (";
  e.origin.client = *Endpoint::parse("127.0.0.9:4000");
  e.recipients.push_back({*Address::parse("to@x.test"), {}, {}, 0, {}});
  CHECK(received_field(e, "mx.test") ==
        "Received: from evil??X:?y?? ([127.0.0.9])\r\n\tby mx.test with ESMTP id 0000000000001\r\n"
        "\tfor <to@x.test>; Mon, 02 Jan 2006 15:04:05 +0000\r\n");
  e.recipients.push_back(e.recipients[0]);
  CHECK(received_field(e, "mx.test").find("for <") == std::string::npos);
}

TEST_CASE("the transmission type follows the session") {
  Envelope e;
  e.origin.helo = "h";
  auto with = [&] {
    std::string field = received_field(e, "mx.test");
    size_t begin = field.find(" with ") + 6;
    return field.substr(begin, field.find(" id ") - begin);
  };
  CHECK(with() == "ESMTP");
  e.origin.tls = "TLS1.3 X (y)";
  CHECK(with() == "ESMTPS");
  CHECK(received_field(e, "mx.test").find("(TLS1.3 X ?y?)") != std::string::npos);
  e.origin.account = "user";
  CHECK(with() == "ESMTPSA");
  e.smtputf8 = true;
  CHECK(with() == "UTF8SMTPSA");
  e.origin.protocol = Protocol::lmtp;
  CHECK(with() == "UTF8LMTPSA");
  e.smtputf8 = false;
  e.origin.account.clear();
  e.origin.tls.clear();
  CHECK(with() == "LMTP");
  e.origin.protocol = Protocol::smtp;
  CHECK(with() == "SMTP");
}

TEST_CASE("what was made here names no client; the client's name is shown when known") {
  Envelope e;
  e.origin.protocol = Protocol::local;
  CHECK(received_field(e, "mx.test").starts_with("Received: by mx.test with local id "));
  e.origin.helo = "h.test";
  e.origin.client_name = "ptr.test";
  e.origin.client = *Endpoint::parse("[2001:db8::9]:4000");
  CHECK(received_field(e, "mx.test")
            .starts_with("Received: from h.test (ptr.test [IPv6:2001:db8::9])\r\n\tby mx.test "));
  CHECK(return_path_field({}) == "Return-Path: <>\r\n");
  CHECK(return_path_field(*Address::parse("a@b.test")) == "Return-Path: <a@b.test>\r\n");
}

TEST_CASE("Received fields are counted up to a bound") {
  CHECK(count_received("Received: a\r\n\tb\r\nX: y\r\nreceived: c\r\n\r\n", 10) == 2);
  CHECK(count_received("Received: a\r\nReceived: b\r\nReceived: c\r\n", 2) == 2);
  CHECK(count_received("", 2) == 0);
  CHECK(count_received("Received: a\r\n\r\nReceived: b\r\n", 9) == 1);
}
