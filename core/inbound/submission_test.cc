// What a submission listener adds and takes away, and who may send as whom.
#include "inbound/submission.h"

#include <doctest/doctest.h>

#include "hooks/edits.h"
#include "inbound/senders.h"
#include "loop/scope.h"

using namespace veredus;

namespace {

Message message_with(const std::string& header) {
  Message out;
  out.envelope.id = *MessageId::parse("0SC5DPXSW0000");
  out.envelope.arrived = WallTime(Seconds(1'795'851'941));
  out.envelope.sender = *Address::parse("ann@a.test");
  out.content.memory = std::make_shared<const std::string>(header + "\r\nbody\r\n");
  return out;
}

std::string mended(const std::string& header, std::span<const Edit> wanted = {}) {
  Message message = message_with(header);
  auto edits = submission_edits(header + "\r\n", message.envelope, "mx.test", wanted);
  REQUIRE(edits.ok());
  auto out = apply_edits(message, *edits, header + "\r\n");
  REQUIRE(out.ok());
  const Content& content = out->front().content;
  return content.head + content.memory->substr(content.skip);
}

struct OneTable final : TablePort {
  std::function<TableAnswer(const std::string&)> answer;
  bool offers(std::string_view) const override { return true; }
  Task<TableAnswer> look_up(Loop&, std::string, std::string key, Deadline) override { co_return answer(key); }
};

SenderRight right_of(const Settings& settings, TablePort* table, std::string account, std::string sender) {
  FakeClock clock;
  Loop loop(clock);
  Scope scope(loop);
  SenderRight out = SenderRight::unknown;
  auto ask = [](Loop& l, SettingsPtr s, TablePort* t, std::string a, std::string who, SenderRight& into) -> Task<void> {
    into = co_await may_send_as(l, s, t, std::move(a), std::move(who), s->auth.unlisted_senders);
  };
  scope.spawn(ask(loop, std::make_shared<const Settings>(settings), table, std::move(account), std::move(sender), out));
  while (scope.running() > 0) loop.run_turn(Millis(1));
  return out;
}

}  // namespace

TEST_CASE("what is missing is added at the end, Bcc goes, everything else stays octet by octet") {
  std::string out = mended("Subject:  odd   spaces\r\nBCC: secret@a.test\r\nResent-Bcc: x@a.test\r\nTo: b@a.test\r\n");
  CHECK(out.starts_with("Subject:  odd   spaces\r\nTo: b@a.test\r\n"));
  CHECK(out.find("secret") == std::string::npos);
  CHECK(out.find("\r\nFrom: ann@a.test\r\n") != std::string::npos);
  CHECK(out.find("\r\nMessage-ID: <0SC5DPXSW0000@mx.test>\r\n") != std::string::npos);
  CHECK(out.find("\r\nDate: ") != std::string::npos);
  CHECK(out.ends_with("\r\n\r\nbody\r\n"));
}

TEST_CASE("a whole message stays as it is") {
  std::string header = "From: x@y.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <a@b>\r\n";
  CHECK(mended(header) == header + "\r\nbody\r\n");
}

TEST_CASE("what a hook adds is not added twice") {
  std::vector<Edit> wanted{InsertHeader{0, "date", "Mon, 1 Jan 2024 00:00:00 +0000"}};
  CHECK(mended("From: x@y.test\r\nMessage-ID: <a@b>\r\n", wanted).find("Date:") == std::string::npos);
}

TEST_CASE("From is read as a list of addresses") {
  CHECK(*from_addresses("From: \"A, B\" <a@x.test>, b@y.test\r\n\r\n") == std::vector<std::string>{"a@x.test", "b@y.test"});
  CHECK_FALSE(from_addresses("To: a@x.test\r\n\r\n").ok());
  CHECK_FALSE(from_addresses("From: a@x.test\r\nfrom: b@x.test\r\n\r\n").ok());
  CHECK_FALSE(from_addresses("From: <<\r\n\r\n").ok());
}

TEST_CASE("the more exact entry says who may send as whom") {
  Settings settings = default_settings();
  settings.auth.senders = {{"ann@a.test", {"ann"}}, {"@a.test", {"bob", "carl"}}, {"@free.test", {"*"}}};
  auto allowed = [&](const char* account, const char* sender) { return right_of(settings, nullptr, account, sender) == SenderRight::allowed; };
  CHECK(allowed("ann", "Ann@A.test"));
  CHECK_FALSE(allowed("bob", "ann@a.test"));
  CHECK(allowed("Bob", "x@a.test"));
  CHECK_FALSE(allowed("ann", "x@a.test"));
  CHECK(allowed("ann", "x@free.test"));
  CHECK(allowed("ann", "x@elsewhere.test"));
  CHECK(allowed("ann", ""));
  settings.auth.unlisted_senders = UnlistedSender::refuse;
  CHECK_FALSE(allowed("ann", "x@elsewhere.test"));
  CHECK(allowed("ann", ""));
  settings.auth.senders.push_back({"*", {"root"}});
  CHECK(allowed("root", "x@elsewhere.test"));
}

TEST_CASE("a table says the same, and its silence is no yes") {
  Settings settings = default_settings();
  settings.auth.sender_table = "senders";
  OneTable table;
  table.answer = [](const std::string& key) {
    if (key == "down@a.test") return TableAnswer{TableAnswer::Kind::temporary, "", "away"};
    if (key == "@a.test") return TableAnswer{TableAnswer::Kind::found, "ann, bob\tcarl", ""};
    return TableAnswer{TableAnswer::Kind::absent, "", ""};
  };
  CHECK(right_of(settings, &table, "carl", "x@a.test") == SenderRight::allowed);
  CHECK(right_of(settings, &table, "dora", "x@a.test") == SenderRight::refused);
  CHECK(right_of(settings, &table, "ann", "down@a.test") == SenderRight::unknown);
  CHECK(right_of(settings, nullptr, "ann", "x@a.test") == SenderRight::unknown);
}
