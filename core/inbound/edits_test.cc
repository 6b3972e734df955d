// Edits on their own: order, folded fields, headers without an empty line, bodies replaced.
#include "inbound/edits.h"

#include <doctest/doctest.h>

using namespace veredus;

namespace {

const std::string kHeader = "A: 1\r\nB: 2\r\n folded\r\na: 3\r\n\r\n";

std::string edited(const std::vector<Edit>& edits, const std::string& header = kHeader, bool seal = false) {
  Message message;
  message.content.head = "Received: r\r\n";
  message.content.memory = std::make_shared<const std::string>(header + "body");
  Status status = apply_edits(message, header, edits, seal);
  if (!status) return "error";
  return message.content.head + message.content.memory->substr(message.content.skip);
}

}  // namespace

TEST_CASE("header edits") {
  CHECK(edited({}) == "Received: r\r\n" + kHeader + "body");
  CHECK(edited({InsertHeader{0, "X", "y"}}) == "X: y\r\nReceived: r\r\n" + kHeader + "body");
  CHECK(edited({RemoveHeader{"b", 1}}) == "Received: r\r\nA: 1\r\na: 3\r\n\r\nbody");
  CHECK(edited({RemoveHeader{"A", 2}}) == "Received: r\r\nA: 1\r\nB: 2\r\n folded\r\n\r\nbody");
  CHECK(edited({RemoveHeader{"A", 3}, RemoveHeader{"A", 0}, RemoveHeader{"Z", 1}}) ==
        "Received: r\r\n" + kHeader + "body");
  CHECK(edited({ReplaceHeader{"B", 1, "new"}, InsertHeader{2, "X", "y"}}) ==
        "Received: r\r\nA: 1\r\nX: y\r\nB: new\r\na: 3\r\n\r\nbody");
  CHECK(edited({ReplaceHeader{"New", 1, "v"}}) ==
        "Received: r\r\nA: 1\r\nB: 2\r\n folded\r\na: 3\r\nNew: v\r\n\r\nbody");
  CHECK(edited({InsertHeader{99, "X", "y"}}) ==
        "Received: r\r\nA: 1\r\nB: 2\r\n folded\r\na: 3\r\nX: y\r\n\r\nbody");
}

TEST_CASE("a replaced body keeps the header, also for edits that follow") {
  auto body = std::make_shared<const std::string>("other");
  CHECK(edited({ReplaceBody{body}}) == "Received: r\r\n" + kHeader + "other");
  CHECK(edited({ReplaceBody{body}, RemoveHeader{"B", 1}}) == "Received: r\r\nA: 1\r\na: 3\r\n\r\nother");
}

TEST_CASE("illegal and late edits are errors") {
  for (const char* value : {"a\nb", "a\r\n", "a\r\nb", "a\rb"})
    CHECK_MESSAGE(edited({InsertHeader{0, "X", value}}) == "error", value);
  CHECK(edited({InsertHeader{0, "", "v"}}) == "error");
  CHECK(edited({InsertHeader{0, "a:b", "v"}}) == "error");
  CHECK(edited({InsertHeader{0, "X", std::string("a\0b", 3)}}) == "error");
  CHECK(edited({InsertHeader{1, "X", "y"}}, kHeader, true) == "error");
  CHECK(edited({DropRecipient{0}}, kHeader, true) == "error");
  CHECK(edited({InsertHeader{0, "X", "y"}}, kHeader, true).starts_with("X: y\r\nReceived"));
}

TEST_CASE("envelope edits") {
  Envelope envelope;
  Recipient one, two;
  one.address = *Address::parse("one@a.test");
  two.address = *Address::parse("two@a.test");
  envelope.recipients = {one};
  apply_envelope_edits(envelope, {AddRecipient{two}, AddRecipient{one}, SetRecipient{0, two},
                                  SetSender{*Address::parse("s@a.test")}, SetField{"priority", "70"},
                                  SetField{"priority", "700"}, SetRoute{1, "smtp://127.0.0.1:26", "p"},
                                  DropRecipient{9}, SetRecipient{9, one}});
  REQUIRE(envelope.recipients.size() == 2);
  CHECK(envelope.recipients[0].address.text() == "two@a.test");
  CHECK(envelope.recipients[0].original.text() == "one@a.test");
  CHECK(envelope.recipients[1].next_hop == "smtp://127.0.0.1:26");
  CHECK(envelope.pool == "p");
  CHECK(envelope.priority == 70);
  CHECK(envelope.sender.text() == "s@a.test");
  apply_envelope_edits(envelope, {DropRecipient{0}});
  CHECK(envelope.recipients.size() == 1);
}
