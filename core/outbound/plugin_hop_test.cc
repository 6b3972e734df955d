// Deliveries by plugins: one outcome for every recipient whatever the plugin says, fail-over, time-outs, hooks.
#include "outbound/test_rig.h"

using namespace veredus;
using namespace veredus::outbound_test;

namespace {

RecipientOutcome said(uint32_t recipient, Outcome outcome, Reply reply = {}) {
  RecipientOutcome out;
  out.recipient = recipient;
  out.outcome = outcome;
  out.reply = std::move(reply);
  return out;
}

Reply reply(uint16_t code, const std::string& text) { return Reply{code, {static_cast<uint8_t>(code / 100), 1, 2}, {text}}; }

// Plugins as a test scripts them; without a script they take everything.
struct Plugins final : DeliverPort {
  using Script = std::function<std::vector<RecipientOutcome>(const DeliverRequest&)>;
  bool offers(std::string_view name) const override { return scripts.contains(std::string(name)); }
  Task<std::vector<RecipientOutcome>> deliver(Loop& here, DeliverRequest request) override {
    Event never(here);
    calls.push_back(request);
    calls.back().message.reset();
    co_await sleep_for(here, Millis(1));
    if (mute) co_await never.wait(Deadline::never());
    co_return scripts[request.name](request);
  }
  std::map<std::string, Script> scripts;
  std::vector<DeliverRequest> calls;
  bool mute = false;
};

std::vector<RecipientOutcome> take_all(const DeliverRequest& request) {
  std::vector<RecipientOutcome> out;
  for (uint32_t recipient : request.recipients) out.push_back(said(recipient, Outcome::delivered, reply(250, "stored")));
  return out;
}

std::vector<RecipientOutcome> try_none(const DeliverRequest& request) {
  std::vector<RecipientOutcome> out;
  for (uint32_t recipient : request.recipients) out.push_back(said(recipient, Outcome::not_tried, reply(451, "busy")));
  return out;
}

struct OnePlugin {
  Rig rig;
  Plugins plugins;
  explicit OnePlugin(const std::string& to = "plugin:box/arg") {
    rig.route(to);
    plugins.scripts["box"] = take_all;
    rig.prepare = [this](OutboundContext& context) { context.deliver_port = &plugins; };
  }
  void deliver(std::vector<std::string> recipients) {
    rig.give(rig.message(std::move(recipients)));
    rig.deliver_to("to.test");
  }
  const RecipientOutcome& of(uint32_t recipient) const {
    const RecipientOutcome* found = nullptr;
    for (const RecipientOutcome& one : rig.outcomes)
      if (one.recipient == recipient) {
        CHECK_FALSE(found);  // exactly one
        found = &one;
      }
    REQUIRE(found);
    return *found;
  }
};

}  // namespace

TEST_CASE("a plugin delivers; it is given message, recipients and its argument") {
  OnePlugin one;
  one.plugins.scripts["box"] = [&](const DeliverRequest& request) {
    CHECK(request.message->envelope.recipients[1].address.text() == "b@to.test");
    CHECK(request.attempts_before == 0);
    return take_all(request);
  };
  one.deliver({"a@to.test", "b@to.test"});
  REQUIRE(one.plugins.calls.size() == 1);
  CHECK(one.plugins.calls[0].argument == "arg");
  CHECK(one.plugins.calls[0].recipients == std::vector<uint32_t>{0, 1});
  CHECK(one.of(0).outcome == Outcome::delivered);
  CHECK(one.of(0).reply.joined() == "250 2.1.2 stored");
  CHECK(one.of(1).remote == "plugin:box");
  CHECK(one.rig.ended == LeaseEnd::idle);
}

TEST_CASE("one lease serves one message after the other, in batches no larger than a transaction") {
  OnePlugin one;
  one.rig.settings.outbound.recipients_per_transaction = 2;
  one.rig.give("x@to.test");
  one.deliver({"a@to.test", "b@to.test", "c@to.test"});
  CHECK(one.plugins.calls.size() == 3);
  CHECK(one.rig.outcomes.size() == 4);
}

TEST_CASE("every recipient gets one outcome, whatever the plugin says") {
  OnePlugin one;
  one.plugins.scripts["box"] = [](const DeliverRequest&) {
    std::vector<RecipientOutcome> out;
    out.push_back(said(1, Outcome::permanent, reply(550, "no such box")));
    out.push_back(said(1, Outcome::delivered, reply(250, "or is there")));
    out.push_back(said(9, Outcome::delivered, reply(250, "who?")));
    out.push_back(said(2, Outcome::not_tried));
    out.push_back(said(3, Outcome::temporary, reply(450, "full")));
    return out;
  };
  one.deliver({"a@to.test", "b@to.test", "c@to.test", "d@to.test"});
  CHECK(one.rig.outcomes.size() == 4);
  CHECK(one.of(0).outcome == Outcome::temporary);
  CHECK(one.of(0).reply.joined().starts_with("451 4.3.0 "));
  CHECK(one.of(1).outcome == Outcome::permanent);
  CHECK(one.of(1).reply.joined() == "550 5.1.2 no such box");
  CHECK(one.of(2).outcome == Outcome::temporary);
  CHECK(one.of(3).reply.joined() == "450 4.1.2 full");
}

TEST_CASE("no answer at all puts every recipient off and asks no other next hop") {
  OnePlugin one("plugin:box,plugin:spare");
  one.plugins.scripts["box"] = [](const DeliverRequest&) { return std::vector<RecipientOutcome>(); };
  one.plugins.scripts["spare"] = take_all;
  one.deliver({"a@to.test"});
  CHECK(one.plugins.calls.size() == 1);
  CHECK(one.of(0).outcome == Outcome::temporary);
  CHECK(one.of(0).reply.joined().starts_with("451 4.3.0 "));
}

TEST_CASE("what is no reply of its class is temporary; what was taken is not sent again") {
  struct Case {
    Outcome outcome;
    Reply given;
    Outcome becomes;
  };
  for (const Case& each : {Case{Outcome::permanent, {}, Outcome::temporary}, Case{Outcome::permanent, reply(450, "x"), Outcome::temporary},
                           Case{Outcome::permanent, reply(999, "x"), Outcome::temporary}, Case{Outcome::permanent, reply(560, "x"), Outcome::temporary},
                           Case{Outcome::permanent, reply(550, "a\r\n250 ok"), Outcome::temporary},
                           Case{Outcome::permanent, Reply{550, {4, 1, 1}, {"x"}}, Outcome::temporary},
                           Case{Outcome::temporary, reply(250, "x"), Outcome::temporary}, Case{Outcome::temporary, {}, Outcome::temporary},
                           Case{Outcome::held, reply(450, "x"), Outcome::temporary}, Case{Outcome::rerouted, reply(450, "x"), Outcome::temporary},
                           Case{Outcome::delivered, reply(550, "x"), Outcome::temporary}, Case{Outcome::delivered, {}, Outcome::delivered},
                           Case{Outcome::delivered, reply(250, "a\nb"), Outcome::delivered}}) {
    CAPTURE(each.given.joined());
    OnePlugin one;
    one.plugins.scripts["box"] = [&](const DeliverRequest&) { return std::vector<RecipientOutcome>{said(0, each.outcome, each.given)}; };
    one.deliver({"a@to.test"});
    CHECK(one.of(0).outcome == each.becomes);
    CHECK(one.of(0).reply.code / 100 == (each.becomes == Outcome::delivered ? 2 : 4));
    CHECK(one.of(0).next_hop.empty());
  }
}

TEST_CASE("a plugin that tries nothing passes on to the next entry, as a host that cannot be reached does") {
  OnePlugin one("plugin:box,plugin:spare/x");
  one.plugins.scripts["box"] = try_none;
  one.plugins.scripts["spare"] = take_all;
  one.deliver({"a@to.test", "b@to.test"});
  CHECK(one.of(0).outcome == Outcome::delivered);
  CHECK(one.of(1).remote == "plugin:spare");
  one.rig.outcomes.clear();
  one.deliver({"c@to.test"});  // it failed a moment ago: tried last
  CHECK(one.plugins.calls.back().name == "spare");
  CHECK(one.plugins.calls.size() == 3);
}

TEST_CASE("from a plugin to a host") {
  Rig rig;
  NextHopServer hop{rig.loop, "127.0.0.1"};
  rig.route("plugin:gone,smtp://127.0.0.1:" + std::to_string(hop.port));
  rig.give("a@to.test");
  rig.deliver_to("to.test");
  CHECK(rig.outcome() == Outcome::delivered);
  CHECK(hop.contents.size() == 1);
}

TEST_CASE("no next entry: put off with what the plugin said, and the destination rests") {
  OnePlugin one;
  one.plugins.scripts["box"] = try_none;
  one.deliver({"a@to.test"});
  CHECK(one.of(0).outcome == Outcome::temporary);
  CHECK(one.of(0).reply.joined() == "451 4.1.2 busy");
  CHECK(one.rig.ended == LeaseEnd::error);
  OnePlugin gone("plugin:gone");
  gone.deliver({"a@to.test"});
  CHECK(gone.rig.outcomes.empty());  // nothing was taken from the queue
  CHECK(gone.rig.failure.joined() == "451 4.3.5 No plugin gone delivers here");
}

TEST_CASE("a plugin that does not answer in time: temporary, logged, and given up") {
  OnePlugin one("plugin:box,plugin:spare");
  one.plugins.scripts["spare"] = take_all;
  one.rig.settings.outbound.dot_timeout = Millis(100);
  one.plugins.mute = true;
  one.deliver({"a@to.test"});
  CHECK(one.of(0).outcome == Outcome::temporary);
  CHECK(one.of(0).reply.joined() == "451 4.4.2 plugin:box did not answer in time");
  CHECK(one.plugins.calls.size() == 1);  // it may have delivered
  CHECK(one.rig.lines.has("attempt.uncertain"));
}

TEST_CASE("hooks are asked about deliveries by plugins as about any other") {
  OnePlugin one;
  one.rig.hook(Stage::attempt, [](HookCall& call) {
    Verdict verdict;
    CHECK(call.subject().destination == "plugin:box/arg");
    if (call.subject().recipient_index == 0) verdict.action = Action::hold;
    return verdict;
  });
  one.deliver({"a@to.test", "b@to.test"});
  CHECK(one.of(0).outcome == Outcome::held);
  CHECK(one.plugins.calls[0].recipients == std::vector<uint32_t>{1});
  OnePlugin softened;
  softened.plugins.scripts["box"] = [](const DeliverRequest&) {
    return std::vector<RecipientOutcome>{said(0, Outcome::permanent, reply(550, "no"))};
  };
  softened.rig.hook(Stage::result, [](HookCall&) {
    Verdict verdict;
    verdict.action = Action::tempfail;
    return verdict;
  });
  softened.deliver({"a@to.test"});
  CHECK(softened.of(0).outcome == Outcome::temporary);
}

TEST_CASE("a pool chosen at an attempt reroutes once; the one there is changes nothing; other fields are a fault") {
  for (const char* field : {"pool", "tenant"}) {
    OnePlugin one;
    one.rig.hook(Stage::attempt, [field](HookCall& call) {
      call.edits().push_back(SetField{field, "bulk"});
      return Verdict();
    });
    one.deliver({"a@to.test"});
    bool pool = std::string(field) == "pool";
    CHECK(one.of(0).outcome == (pool ? Outcome::rerouted : Outcome::temporary));
    CHECK(one.rig.lines.has("hook.fault") == !pool);
    one.rig.outcomes.clear();
    one.rig.settings.routes[0].pool = "bulk";
    one.deliver({"a@to.test"});
    CHECK(one.of(0).outcome == (pool ? Outcome::delivered : Outcome::temporary));
  }
}

TEST_CASE("a lease that is cut off in a plugin's hands is put off, not lost") {
  OnePlugin one;
  one.plugins.mute = true;
  one.rig.give("a@to.test");
  one.rig.begin_delivery("to.test");
  for (int i = 0; i < 100 && one.plugins.calls.empty(); ++i) one.rig.turns(1);
  REQUIRE(one.plugins.calls.size() == 1);
  one.rig.context->scope.cancel();
  one.rig.turns(3);
  CHECK(one.of(0).outcome == Outcome::temporary);
  CHECK(one.rig.ended == LeaseEnd::shutdown);
}

TEST_CASE("weights share the work as they say") {
  OnePlugin one("plugin:box*3|plugin:spare");
  one.plugins.scripts["spare"] = take_all;
  for (int i = 0; i < 8; ++i) one.deliver({"a@to.test"});
  auto spare = std::count_if(one.plugins.calls.begin(), one.plugins.calls.end(), [](const DeliverRequest& r) { return r.name == "spare"; });
  CHECK(one.plugins.calls.size() == 8);
  CHECK(spare == 2);
}
