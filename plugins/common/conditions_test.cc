// Conditions: each kind, lists, not, stages, tables that answer late or not at all, settings that do not fit, hostile input.
#include "common/conditions.hpp"

#include <doctest/doctest.h>

#include <list>

#include "common/test_host.hpp"

using namespace common;
using test::list;
using test::map;
using test::text;

namespace {

struct Rig : test::FakeHost {
  Rig() {
    shown.texts = {{VRD_ATTR_CLIENT_ADDRESS, "192.0.2.7"}, {VRD_ATTR_CLIENT_NAME, "mail.a.test"}, {VRD_ATTR_HELO, "Mail.A.test"},
                   {VRD_ATTR_LISTENER_ROLE, "mx"}, {VRD_ATTR_SENDER, "u@a.test"}, {VRD_ATTR_SENDER_DOMAIN, "a.test"}};
    shown.recipients = {"one@b.test", "two@c.test"};
    shown.headers = {{"Subject", " cheap\r\n pills"}, {"X-Tag", " a"}, {"X-Tag", " b"}};
    shown.size = 2000;
  }
  Conditions read(vrd_conf rule) {
    rules.push_back(std::move(rule));
    const vrd::Setup setup(host_view, &rules.back(), nullptr);
    Tables tables_of(setup);
    return Conditions(setup.conf, tables_of);
  }
  Holds test(const Conditions& conditions, uint32_t stage = VRD_STAGE_MESSAGE, std::optional<uint32_t> recipient = {}) {
    const vrd::View view(host_view.interfaces(), &shown);
    Budget budget;
    Facts facts(view, stage, answers, budget);
    facts.recipient = recipient;
    const Holds out = conditions.test(facts);
    why = facts.why;
    return out;
  }
  Holds when(std::string key, vrd_conf value) { return test(read(map({{"when", map({{std::move(key), std::move(value)}})}}))); }
  uint32_t stage(std::string key, vrd_conf value) {
    return read(map({{"when", map({{std::move(key), std::move(value)}})}})).stage(vrd::Conf());
  }
  std::string refused(std::string key, vrd_conf value) {
    return test::refusal([&] { (void)when(std::move(key), std::move(value)); });
  }
  void fetch() {
    bool done = false;
    answers.fetch(host_view, vrd::milliseconds(1000), [&done] { done = true; });
    answer();
    CHECK(done);
  }

  vrd::Host host_view{&raw};
  vrd_view shown;
  std::list<vrd_conf> rules;
  Answers answers;
  std::string why;
};

vrd_conf header(std::string how, std::string value, int64_t number = 0) {
  return map({{"name", text("Subject")}, {std::move(how), text(std::move(value), number)}});
}
vrd_conf table(std::string name, TableKey::Kind key) { return map({{"name", text(std::move(name))}, {"key", text("", static_cast<int64_t>(key))}}); }

}  // namespace

TEST_CASE("each kind of condition") {
  Rig rig;
  CHECK(rig.when("client", list({text("10.0.0.0/8"), text("192.0.2.0/24")})) == Holds::yes);
  CHECK(rig.when("client", text("10.0.0.0/8")) == Holds::no);
  CHECK(rig.when("client_name", text(".a.test")) == Holds::yes);
  CHECK(rig.when("helo", text("mail.a.test")) == Holds::yes);
  CHECK(rig.when("listener_role", list({text("relay"), text("mx")})) == Holds::yes);
  CHECK(rig.when("account", text("*")) == Holds::no);
  CHECK(rig.when("tls_fingerprint", text("*")) == Holds::no);
  CHECK(rig.when("tenant", text("x")) == Holds::no);
  CHECK(rig.when("sender", text("@a.test")) == Holds::yes);
  CHECK(rig.when("sender", text("<>")) == Holds::no);
  CHECK(rig.when("recipient", text("@c.test")) == Holds::yes);
  CHECK(rig.when("size_over", text("1KiB", 1024)) == Holds::yes);
  CHECK(rig.when("size_over", text("2000", 2000)) == Holds::no);
  CHECK(rig.when("size_under", text("2001", 2001)) == Holds::yes);
  CHECK(rig.when("header", header("contains", "CHEAP pills")) == Holds::yes);
  CHECK(rig.when("header", header("matches", "^cheap\\s")) == Holds::yes);
  CHECK(rig.when("header", header("present", "false", 0)) == Holds::no);
  CHECK(rig.when("header", header("present", "true", 1)) == Holds::yes);
  CHECK(rig.when("header", map({{"name", text("X-Tag")}, {"contains", text("b")}})) == Holds::yes);
  CHECK(rig.test(Conditions()) == Holds::yes);
}

TEST_CASE("notes: there, equal, larger") {
  Rig rig;
  rig.shown.notes = {{"score", "2.5"}, {"word", "yes"}};
  CHECK(rig.when("note", map({{"name", text("score")}})) == Holds::yes);
  CHECK(rig.when("note", map({{"name", text("none")}})) == Holds::no);
  CHECK(rig.when("note", map({{"name", text("word")}, {"equals", text("yes")}})) == Holds::yes);
  CHECK(rig.when("note", map({{"name", text("score")}, {"over", text("2", 2)}})) == Holds::yes);
  CHECK(rig.when("note", map({{"name", text("score")}, {"over", text("3", 3)}})) == Holds::no);
  CHECK(rig.when("note", map({{"name", text("word")}, {"over", text("-9", -9)}})) == Holds::no);
}

TEST_CASE("all of when, none of not") {
  Rig rig;
  const auto both = [&](const char* sender, const char* client) {
    return rig.test(rig.read(map({{"when", map({{"sender", text(sender)}})}, {"not", map({{"client", text(client)}, {"helo", text("never.test")}})}})));
  };
  CHECK(both("u@a.test", "10.0.0.1") == Holds::yes);
  CHECK(both("u@a.test", "192.0.2.7") == Holds::no);
  CHECK(both("x@a.test", "10.0.0.1") == Holds::no);
}

TEST_CASE("a recipient: the one that the stage or the rule is about, else any") {
  Rig rig;
  const Conditions second = rig.read(map({{"when", map({{"recipient", text("two@c.test")}})}}));
  CHECK(rig.test(second, VRD_STAGE_RCPT) == Holds::no);
  CHECK(rig.test(second, VRD_STAGE_MESSAGE) == Holds::yes);
  CHECK(rig.test(second, VRD_STAGE_MESSAGE, 0) == Holds::no);
  CHECK(rig.test(second, VRD_STAGE_MESSAGE, 1) == Holds::yes);
}

TEST_CASE("the stage of a rule") {
  Rig rig;
  CHECK(rig.stage("client", text("10.0.0.1")) == VRD_STAGE_CONNECT);
  CHECK(rig.stage("helo", text("*")) == VRD_STAGE_HELO);
  CHECK(rig.stage("account", text("*")) == VRD_STAGE_MAIL);
  CHECK(rig.stage("sender", text("*")) == VRD_STAGE_MAIL);
  CHECK(rig.stage("recipient", text("*")) == VRD_STAGE_RCPT);
  CHECK(rig.stage("header", header("contains", "x")) == VRD_STAGE_HEADERS);
  CHECK(rig.stage("size_over", text("1", 1)) == VRD_STAGE_MESSAGE);
  CHECK(rig.stage("note", map({{"name", text("n")}})) == VRD_STAGE_MESSAGE);
  CHECK(rig.stage("table", table("t", TableKey::recipient_domain)) == VRD_STAGE_RCPT);
  CHECK(Conditions().stage(vrd::Conf(), VRD_STAGE_RCPT) == VRD_STAGE_RCPT);
  const auto asked = [&](int64_t stage) {
    return rig.read(map({{"when", map({{"sender", text("*")}})}, {"stage", text("", stage)}})).stage(vrd::Setup(rig.host_view, &rig.rules.back(), nullptr).conf["stage"]);
  };
  CHECK(asked(4) == VRD_STAGE_DATA);
  CHECK(test::refusal([&] { (void)asked(1); }) == "this rule cannot be decided before stage mail");
}

TEST_CASE("tables: asked once, answered late, or not at all") {
  Rig rig;
  const Conditions rule = rig.read(map({{"when", map({{"table", list({table("t", TableKey::sender), table("t", TableKey::recipient)})}})}}));
  CHECK(rig.names == std::vector<std::string>{"t"});
  CHECK(rig.test(rule) == Holds::unknown);
  rig.tables[1]["two@c.test"] = "";
  rig.fetch();
  CHECK(rig.look_ups == 1);  // three keys in one
  CHECK(rig.test(rule) == Holds::yes);
  CHECK_FALSE(rig.answers.wants());

  Rig down;
  down.broken = true;
  const Conditions other = down.read(map({{"when", map({{"table", table("t", TableKey::client)}})}}));
  CHECK(down.test(other) == Holds::unknown);
  down.fetch();
  CHECK(down.test(other) == Holds::failed);
  CHECK(down.why == "a table does not answer");
}

TEST_CASE("a table is not asked where something else decides, nor for a key that there is not") {
  Rig rig;
  const Conditions rule = rig.read(map({{"when", map({{"table", table("t", TableKey::sender)}, {"client", text("10.0.0.1")}})}}));
  CHECK(rig.test(rule) == Holds::no);
  CHECK(rig.when("table", table("t", TableKey::account)) == Holds::no);
  rig.shown.texts[VRD_ATTR_HELO] = std::string(513, 'x');
  CHECK(rig.when("table", table("t", TableKey::helo)) == Holds::no);
  rig.shown.texts[VRD_ATTR_SENDER] = "";
  CHECK(rig.when("table", table("t", TableKey::sender)) == Holds::unknown);
  rig.fetch();
  CHECK(rig.look_ups == 1);  // the null sender is "<>"
}

TEST_CASE("a thousand recipients are looked up in batches") {
  Rig rig;
  rig.shown.recipients.clear();
  for (int i = 0; i < 1000; i++) rig.shown.recipients.push_back("u" + std::to_string(i) + "@b.test");
  const Conditions rule = rig.read(map({{"when", map({{"table", table("t", TableKey::recipient)}})}}));
  CHECK(rig.test(rule) == Holds::unknown);
  rig.fetch();
  CHECK(rig.look_ups == 16);
  CHECK(rig.test(rule) == Holds::no);
}

TEST_CASE("settings that do not fit are refused with a reason") {
  Rig rig;
  CHECK(rig.refused("header", header("matches", "(")).find("missing closing parenthesis") != std::string::npos);
  CHECK(rig.refused("header", map({{"name", text("Subject")}})) == "a header field is tested by one of contains, matches, present");
  CHECK(rig.refused("header", map({{"name", text("S")}, {"contains", text("x")}, {"matches", text("x")}})).find("one of contains") != std::string::npos);
  CHECK(rig.refused("note", map({{"name", text("n")}, {"equals", text("x")}, {"over", text("1", 1)}})).find("not by both") != std::string::npos);
  CHECK(rig.refused("sender", text("a.test")).find("is not an address pattern") != std::string::npos);
  CHECK(rig.refused("sender", text("*@a.test")) == "'*@a.test': write '@a.test'");
  CHECK(rig.refused("client", text("a.test")).find("is not an address or network") != std::string::npos);
}

TEST_CASE("hostile messages: many fields, long fields, bombs") {
  Rig rig;
  rig.shown.headers.assign(200'000, {"Subject", " x"});
  rig.shown.headers.back().second = " needle";
  CHECK(rig.when("header", header("contains", "needle")) == Holds::no);  // behind the bound
  CHECK(rig.when("header", header("matches", "needle")) == Holds::no);
  rig.shown.headers = {{"Subject", " " + std::string(1 << 20, 'a')}};
  CHECK(rig.when("header", header("contains", "aab")) == Holds::no);
  CHECK(rig.when("header", header("matches", "(a+)+[bc]")) == Holds::failed);
  CHECK(rig.why == "a regular expression needs too many steps");
  rig.shown.headers = {{"Subject", std::string(" \r\n\t\0\xFF", 6)}};
  CHECK(rig.when("header", header("matches", "^\\x00\\xFF$")) == Holds::yes);
  rig.shown.recipients = {"", "@", "@@", std::string(5000, '@')};
  CHECK(rig.when("recipient", text("u@a.test")) == Holds::no);
  rig.shown.texts = {};
  CHECK(rig.when("client", text("::/0")) == Holds::no);
}
