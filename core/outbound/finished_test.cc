// Stage finished: what hooks are told of recipients in their final state, and when.
#include "outbound/finished_stage.h"

#include "outbound/test_rig.h"

using namespace veredus;
using namespace veredus::outbound_test;

TEST_CASE("hooks are told of each recipient after the queue's work, and see envelope, reply and state") {
  Rig rig;
  FinishedStage stage(rig.runner);
  std::vector<std::string> told;
  Reply reply{550, {5, 1, 1}, {"nobody"}};
  auto finish = [&](const Envelope& envelope, uint32_t recipient, RecipientState state) {
    stage.note(FinishedRecipient{envelope, recipient, state, "mx:a.test", reply, "mx.a.test [192.0.2.1]:25"});
  };
  {
    auto early = rig.message({"a@a.test"});
    finish(early->envelope, 0, RecipientState::delivered);
  }
  rig.turns(3);
  rig.hook(Stage::finished, [&](HookCall& call) {
    const Subject& subject = call.subject();
    CHECK(subject.envelope->sender.text() == "sender@from.test");
    CHECK(subject.origin == &subject.envelope->origin);
    CHECK(subject.reply->code == 550);
    CHECK(subject.destination == "mx:a.test");
    CHECK(subject.remote == "mx.a.test [192.0.2.1]:25");
    told.push_back(subject.recipient->address.text() + " " + std::to_string(subject.recipient_index) + " " + std::string(subject.state));
    return Verdict();
  });
  {
    auto message = rig.message({"a@a.test", "b@a.test"});
    finish(message->envelope, 0, RecipientState::bounced);
    finish(message->envelope, 1, RecipientState::removed);
  }
  auto other = rig.message({"c@a.test"});
  finish(other->envelope, 0, RecipientState::expired);
  CHECK(told.empty());
  rig.turns(3);
  CHECK(told == std::vector<std::string>{"a@a.test 0 bounced", "b@a.test 1 removed", "c@a.test 0 expired"});
}

TEST_CASE("a hook of stage finished cannot answer") {
  Rig rig;
  FinishedStage stage(rig.runner);
  rig.hook(Stage::finished, [](HookCall&) {
    Verdict verdict;
    verdict.action = Action::reject;
    return verdict;
  });
  auto message = rig.message({"a@a.test"});
  Reply reply;
  stage.note(FinishedRecipient{message->envelope, 0, RecipientState::delivered, "", reply});
  rig.turns(3);
  CHECK(rig.lines.has("hook.fault"));
}
