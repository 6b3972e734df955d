// Every kind of edit, on headers, bodies and envelopes: order, folded fields, split copies, octets that must stay.
#include "hooks/edits.h"

#include <doctest/doctest.h>

using namespace veredus;

namespace {

const std::string kHeader = "A: 1\r\nB: 2\r\n folded\r\na: 3\r\n\r\n";

Recipient recipient(const char* address) {
  Recipient out;
  out.address = *Address::parse(address);
  return out;
}

Message message(const std::string& header = kHeader) {
  Message out;
  out.envelope.id = MessageId{77};
  out.envelope.recipients = {recipient("one@a.test"), recipient("two@a.test"), recipient("three@a.test")};
  out.content.head = "Received: r\r\n";
  out.content.memory = std::make_shared<const std::string>(header + "body");
  return out;
}

std::string octets(const Message& message) { return message.content.head + message.content.memory->substr(message.content.skip); }

std::string edited(const std::vector<Edit>& edits, const std::string& header = kHeader) {
  auto out = apply_edits(message(header), edits, header);
  return out ? octets(out->front()) : "error";
}

std::string people(const Envelope& envelope) {
  std::string out;
  for (const Recipient& each : envelope.recipients) out.append(each.address.local()).append(" ");
  return out;
}

}  // namespace

TEST_CASE("header edits leave every other octet alone") {
  CHECK(edited({}) == "Received: r\r\n" + kHeader + "body");
  CHECK(edited({InsertHeader{0, "X", "y"}}) == "X: y\r\nReceived: r\r\n" + kHeader + "body");
  CHECK(edited({RemoveHeader{"b", 1}}) == "Received: r\r\nA: 1\r\na: 3\r\n\r\nbody");
  CHECK(edited({RemoveHeader{"A", 2}}) == "Received: r\r\nA: 1\r\nB: 2\r\n folded\r\n\r\nbody");
  CHECK(edited({RemoveHeader{"A", 3}, RemoveHeader{"Z", 1}}) == "Received: r\r\n" + kHeader + "body");
  CHECK(edited({RemoveHeader{"A", 0}, RemoveHeader{"Z", 0}}) == "Received: r\r\nB: 2\r\n folded\r\n\r\nbody");
  CHECK(edited({ReplaceHeader{"B", 1, "new"}, InsertHeader{2, "X", "y"}}) == "Received: r\r\nA: 1\r\nX: y\r\nB: new\r\na: 3\r\n\r\nbody");
  CHECK(edited({ReplaceHeader{"New", 1, "v"}}) == "Received: r\r\nA: 1\r\nB: 2\r\n folded\r\na: 3\r\nNew: v\r\n\r\nbody");
  CHECK(edited({InsertHeader{99, "X", "y"}}) == "Received: r\r\nA: 1\r\nB: 2\r\n folded\r\na: 3\r\nX: y\r\n\r\nbody");
}

TEST_CASE("a value cannot end its field") {
  for (const char* value : {"a\nBcc: b", "a\r\nBcc: b", "a\r\n\r\nbody", "a\rBcc: b"}) {
    std::string out = edited({InsertHeader{0, "X", value}});
    CHECK_MESSAGE(out.find("\nBcc") == std::string::npos, out);
    CHECK_MESSAGE(out.find("\r\n\r\n") == out.size() - 8, out);
  }
}

TEST_CASE("a replaced body keeps the header, also for edits around it") {
  auto body = std::make_shared<const std::string>("\xC3\xA4 other");
  CHECK(edited({ReplaceBody{body}}) == "Received: r\r\n" + kHeader + *body);
  CHECK(edited({ReplaceBody{body}, RemoveHeader{"B", 1}}) == "Received: r\r\nA: 1\r\na: 3\r\n\r\n" + *body);
  auto out = apply_edits(message(), std::vector<Edit>{ReplaceBody{body}}, kHeader);
  REQUIRE(out.ok());
  CHECK(out->front().envelope.content_8bit);
}

TEST_CASE("envelope edits: positions are those that the stage was shown") {
  Envelope envelope = message().envelope;
  apply_envelope_edits(envelope, std::vector<Edit>{
                                     DropRecipient{0}, SetRecipient{1, recipient("new@a.test")}, AddRecipient{recipient("four@a.test")},
                                     AddRecipient{recipient("three@a.test")}, SetRoute{2, "smtp://127.0.0.1:26", "p"}, DropRecipient{9},
                                     SetSender{*Address::parse("s@a.test")}, SetField{"priority", "70"}, SetField{"stream", "s"}});
  CHECK(people(envelope) == "new three four ");
  CHECK(envelope.recipients[0].original.text() == "two@a.test");
  CHECK(envelope.recipients[1].next_hop == "smtp://127.0.0.1:26");
  CHECK(envelope.pool == "p");
  CHECK(envelope.priority == 70);
  CHECK(envelope.stream == "s");
  CHECK(envelope.sender.text() == "s@a.test");
}

TEST_CASE("split recipients get copies with what was changed before, and no id yet") {
  auto out = apply_edits(message(), std::vector<Edit>{InsertHeader{0, "Both", "1"}, SplitRecipients{{1, 1, 8}}, InsertHeader{0, "Rest", "1"}},
                         kHeader);
  REQUIRE(out.ok());
  REQUIRE(out->size() == 2);
  CHECK(people((*out)[0].envelope) == "one three ");
  CHECK(people((*out)[1].envelope) == "two ");
  CHECK(octets((*out)[0]).starts_with("Rest: 1\r\nBoth: 1\r\n"));
  CHECK(octets((*out)[1]).starts_with("Both: 1\r\nReceived"));
  CHECK((*out)[0].envelope.id == MessageId{77});
  CHECK(!(*out)[1].envelope.id);
}

TEST_CASE("a split that would leave nobody behind is no split; three groups are three messages") {
  auto all = apply_edits(message(), std::vector<Edit>{SplitRecipients{{0, 1, 2}}}, kHeader);
  REQUIRE(all.ok());
  CHECK(all->size() == 1);
  auto three = apply_edits(message(), std::vector<Edit>{SplitRecipients{{1}}, SplitRecipients{{2}}}, kHeader);
  REQUIRE(three.ok());
  CHECK(three->size() == 3);
}

TEST_CASE("the header of a body in a file must be given") {
  Message stored = message();
  stored.content.memory.reset();
  CHECK(!apply_edits(stored, std::vector<Edit>{RemoveHeader{"A", 1}}).ok());
  auto out = apply_edits(stored, std::vector<Edit>{RemoveHeader{"A", 1}}, kHeader);
  REQUIRE(out.ok());
  CHECK(out->front().content.head == "Received: r\r\nB: 2\r\n folded\r\na: 3\r\n\r\n");
  CHECK(out->front().content.skip == kHeader.size());
}
