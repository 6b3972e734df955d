// Fix-ups: only what is missing is added, only blind copies go.
#include "mail/fixups.h"

#include <doctest/doctest.h>

namespace veredus {

namespace {

FixupOptions options() {
  FixupOptions out;
  out.hostname = "mx.test";
  out.now = WallTime(Millis(1'136'214'245'000));
  out.id = MessageId{7};
  out.sender = *Address::parse("root@mx.test");
  return out;
}

}  // namespace

TEST_CASE("missing fields are added at the end") {
  CHECK(*mend_header("To: a@b\r\n\r\n", options()) ==
        "To: a@b\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\nFrom: root@mx.test\r\n"
        "Message-ID: <0000000000007@mx.test>\r\n\r\n");
  CHECK(mend_header("", options())->ends_with("\r\n\r\n"));
}

TEST_CASE("a complete block is not changed") {
  std::string block = "date: x\r\nFROM: y\r\n\tz\r\nmessage-id: <q>\r\nodd line\r\n\r\n";
  CHECK(*mend_header(block, options()) == block);
}

TEST_CASE("blind copies are removed, all of them, folds included") {
  std::string block =
      "Bcc: a@b,\r\n c@d\r\nDate: x\r\nbcc: e@f\r\nFrom: y\r\nResent-Bcc: g@h\r\nMessage-ID: <q>\r\nX-Bcc: "
      "stays\r\n\r\n";
  CHECK(*mend_header(block, options()) == "Date: x\r\nFrom: y\r\nMessage-ID: <q>\r\nX-Bcc: stays\r\n\r\n");
}

TEST_CASE("names of senders cannot add fields") {
  FixupOptions o = options();
  o.sender_name = "Root\r\nBcc: x";
  CHECK(
      mend_header("Date: x\r\nMessage-ID: <q>\r\n\r\n", o)->find("From: \"RootBcc: x\" <root@mx.test>\r\n") !=
      std::string::npos);
  o.sender_name.clear();
  o.sender = {};
  CHECK(mend_header("\r\n", o)->find("From: MAILER-DAEMON@mx.test\r\n") != std::string::npos);
  o.sender = *Address::parse("postmaster");
  CHECK(mend_header("\r\n", o)->find("From: postmaster@mx.test\r\n") != std::string::npos);
  o.limits.octets = 4;
  CHECK(mend_header("To: a@b\r\n\r\n", o).error().code == Errc::limit);
}

}  // namespace veredus
