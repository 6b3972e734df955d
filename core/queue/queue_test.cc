// The way of a message through the queue: routed, handed out, recorded, finished; outcomes, retries and
// back-off.
#include "mail/delivery_note.h"
#include "queue/test_support.h"

using namespace veredus;
using namespace veredus::queue_test;

TEST_CASE("a message is handed to a connection, recorded and finished") {
  World world;
  std::vector<std::string> finished;
  world.queue->on_finished([&](const FinishedRecipient& f) {
    finished.push_back(f.envelope.recipients[f.recipient].address.text() + " " + std::string(f.destination));
  });
  MessageId id = world.add("one@a.test");
  world.turns();
  REQUIRE(world.courier->deliveries.size() == 1);
  CHECK(world.courier->deliveries[0].id == id);
  QueueCounters counters = world.queue->counters();
  CHECK(counters.accepted == 1);
  CHECK(counters.delivered == 1);
  CHECK(counters.queued == 0);
  CHECK(counters.messages == 0);
  CHECK(world.spool.messages.empty());
  REQUIRE(world.spool.changes.size() == 1);
  CHECK(world.spool.changes[0].status.state == RecipientState::delivered);
  CHECK(world.spool.changes[0].status.attempts == 1);
  CHECK(world.spool.loads == 0);
  REQUIRE(finished.size() == 1);
  CHECK(finished[0] == "one@a.test smtp://127.0.0.1:2526");
  CHECK(world.lines.count("\"recipient.delivered\"") == 1);
  CHECK(world.lines.count("\"message.finished\"") == 1);
}

TEST_CASE("recipients of one destination share an attempt, others get their own") {
  World world;
  world.add(world.message({"a@x.test", "b@y.test", "c@p.mx", "d@q.mx", "e@p.mx"}));
  world.turns();
  std::map<std::string, std::vector<uint32_t>> seen;
  for (const Delivery& d : world.courier->deliveries) seen[d.destination] = d.recipients;
  CHECK(seen.size() == 3);
  CHECK(seen["smtp://127.0.0.1:2526"] == std::vector<uint32_t>{0, 1});
  CHECK(seen["mx:p.mx"] == std::vector<uint32_t>{2, 4});
  CHECK(world.queue->counters().delivered == 5);
}

TEST_CASE("a connection is used again and closed after its idle time") {
  World world;
  for (int i = 0; i < 5; ++i) {
    world.add("one@a.test");
    world.turns(6);
  }
  CHECK(world.courier->opened["smtp://127.0.0.1:2526"] == 1);
  CHECK(world.courier->open_now == 1);
  world.pass(Millis(600), Millis(100));
  CHECK(world.courier->open_now == 0);
  CHECK(world.destination("smtp://127.0.0.1:2526").connections == 0);
}

TEST_CASE("connections grow with the backlog, up to the bound") {
  World world;
  world.courier->latency = Millis(300);
  for (int i = 0; i < 500; ++i) world.add("one@a.test");
  world.turns(2);
  CHECK(world.courier->open_now <= 20);
  world.pass(Millis(3000), Millis(50));
  CHECK(world.courier->most_open == 20);
  world.pass(Millis(20'000), Millis(100));
  CHECK(world.queue->counters().delivered == 500);
}

TEST_CASE("the retry list is walked exactly") {
  World world;
  world.courier->outcome = [](const Attempt&, uint32_t) {
    return outcome_of(Outcome::temporary, 450, "later");
  };
  MonoTime begun = world.clock.mono();
  world.add("one@a.test");
  world.turns();
  world.pass(Millis(1'400'000), Millis(1000));
  std::vector<int64_t> at;
  for (const Delivery& d : world.courier->deliveries) at.push_back((d.when - begun).count() / 1000);
  CHECK(at == std::vector<int64_t>{0, 60, 180, 780, 1380});
  CHECK(world.courier->deliveries[3].attempts_before == 3);
  std::vector<StoredMessage> queued = world.list();
  REQUIRE(queued.size() == 1);
  CHECK(queued[0].recipients[0].attempts == 5);
  CHECK(queued[0].recipients[0].reply == "450 4.0.0 later");
  CHECK(queued[0].recipients[0].rule == "smtp://127.0.0.1:2526");
}

TEST_CASE("jitter stays within its bounds and does vary") {
  Settings settings = test_settings();
  settings.queue.jitter = 20;
  World world(settings);
  world.courier->outcome = [](const Attempt&, uint32_t) {
    return outcome_of(Outcome::temporary, 450, "later");
  };
  MonoTime begun = world.clock.mono();
  for (int i = 0; i < 50; ++i) world.add("one@a.test");
  world.turns();
  REQUIRE(world.courier->deliveries.size() == 50);
  world.pass(Millis(73'000), Millis(250));
  std::set<int64_t> seconds;
  for (size_t i = 50; i < world.courier->deliveries.size(); ++i) {
    int64_t after = (world.courier->deliveries[i].when - begun).count();
    CHECK(after >= 48'000);
    CHECK(after <= 72'250);
    seconds.insert(after / 1000);
  }
  CHECK(world.courier->deliveries.size() >= 100);
  CHECK(seconds.size() > 8);
}

TEST_CASE("each recipient of an attempt gets its own outcome") {
  World world;
  world.courier->outcome = [](const Attempt& attempt, uint32_t recipient) {
    if (recipient == 1) return outcome_of(Outcome::temporary, 450, "later");
    if (recipient == 2) return outcome_of(Outcome::permanent, 550, "no such user");
    if (recipient == 3 && attempt.attempts_before == 0 && attempt.recipients.size() > 1)
      return RecipientOutcome{};
    if (recipient == 4) return outcome_of(Outcome::discarded, 250, "by rule");
    if (recipient == 5) return outcome_of(Outcome::held, 450, "look at it");
    return outcome_of(Outcome::delivered, 250, "ok");
  };
  world.add(world.message({"0@a.test", "1@a.test", "2@a.test", "3@a.test", "4@a.test", "5@a.test"}));
  world.turns();
  QueueCounters c = world.queue->counters();
  CHECK(c.delivered == 2);
  CHECK(c.bounced == 1);
  CHECK(c.discarded == 1);
  CHECK(c.held == 1);
  CHECK(c.queued == 2);
  REQUIRE(world.reporter.made.size() == 1);
  CHECK(world.reporter.made[0].recipients[0].recipient == 2);
  REQUIRE(world.courier->deliveries.size() ==
          2);  // the refused-for-now recipient at once in a new transaction
  CHECK(world.courier->deliveries[1].recipients == std::vector<uint32_t>{3});
  CHECK(world.courier->deliveries[1].attempts_before == 0);
  world.courier->outcome = nullptr;
  world.pass(Millis(61'000));
  CHECK(world.queue->counters().delivered == 3);
  CHECK(world.queue->counters().queued == 1);
}

TEST_CASE("an item that always comes back untried does not spin") {
  World world;
  world.courier->outcome = [](const Attempt&, uint32_t) { return RecipientOutcome{}; };
  world.add("one@a.test");
  world.turns(40);
  CHECK(world.courier->deliveries.size() == 4);
  world.pass(Millis(59'000));
  CHECK(world.courier->deliveries.size() == 4);
  world.courier->outcome = nullptr;
  world.pass(Millis(2000));
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.courier->deliveries.back().attempts_before == 0);
}

TEST_CASE("a failure is final only after its report is stored") {
  World world;
  world.courier->outcome = [](const Attempt&, uint32_t) { return outcome_of(Outcome::permanent, 550, "no"); };
  world.reporter.failing = 1;
  world.add("one@a.test");
  world.turns();
  CHECK(world.queue->counters().queued == 1);
  CHECK(world.queue->counters().bounced == 0);
  world.pass(Millis(61'000));
  CHECK(world.queue->counters().bounced == 1);
  CHECK(world.reporter.made.size() == 1);
  CHECK(world.lines.count("\"recipient.bounced\"") == 1);
}

TEST_CASE("soft_bounce makes refusals temporary") {
  Settings settings = test_settings();
  settings.queue.soft_bounce = true;
  World world(settings);
  world.courier->outcome = [](const Attempt&, uint32_t) { return outcome_of(Outcome::permanent, 550, "no"); };
  world.router.refused["gone.test"] = Reply{556, {5, 1, 10}, {"null MX"}};
  world.add("one@a.test");
  world.add("one@gone.test");
  world.turns();
  CHECK(world.queue->counters().bounced == 0);
  CHECK(world.queue->counters().queued == 2);
  CHECK(world.reporter.made.empty());
}

TEST_CASE("success is reported where it was asked for and the next hop does not take that over") {
  World world;
  auto asked = world.message({"a@a.test", "b@a.test"});
  asked->envelope.recipients[0].notify = kNotifySuccess;
  asked->envelope.recipients[1].notify = kNotifySuccess;
  world.courier->outcome = [](const Attempt&, uint32_t recipient) {
    RecipientOutcome out = outcome_of(Outcome::delivered, 250, "ok");
    out.dsn_relayed = recipient == 1;
    return out;
  };
  world.add(asked);
  world.turns();
  REQUIRE(world.reporter.made.size() == 1);
  CHECK(world.reporter.made[0].kind == ReportKind::relayed);
  REQUIRE(world.reporter.made[0].recipients.size() == 1);
  CHECK(world.reporter.made[0].recipients[0].recipient == 0);
}

TEST_CASE("routing that fails is final or tried again") {
  World world;
  world.router.refused["gone.test"] = Reply{556, {5, 1, 10}, {"null MX"}};
  world.router.refused["slow.test"] = Reply{451, {4, 4, 3}, {"no answer from DNS"}};
  world.add("a@gone.test");
  world.add("b@slow.test");
  world.turns();
  CHECK(world.queue->counters().bounced == 1);
  CHECK(world.queue->counters().queued == 1);
  world.router.refused.clear();
  world.pass(Millis(59'000));
  CHECK(world.queue->counters().delivered == 0);
  world.pass(Millis(2000));
  CHECK(world.queue->counters().delivered == 1);
}

TEST_CASE("a dead destination backs off along the retry list; what waits is tried with one connection") {
  World world;
  bool dead = true;
  world.courier->refuse = [&](const Destination&) {
    return dead ? Reply{451, {4, 4, 1}, {"connection refused"}} : Reply{};
  };
  MonoTime begun = world.clock.mono();
  for (int i = 0; i < 200; ++i) world.add("one@a.test");
  world.turns();
  world.pass(Millis(200'000));
  std::vector<int64_t> at;
  for (MonoTime when : world.courier->tried) at.push_back((when - begun).count() / 1000);
  while (at.size() > 1 && at[1] == 0) at.erase(at.begin());  // the first few were opened side by side
  CHECK(at == std::vector<int64_t>{0, 60, 180});
  std::vector<StoredMessage> queued = world.list({}, 3);
  REQUIRE(queued.size() == 3);
  CHECK(queued[0].recipients[0].attempts == 3);
  CHECK(queued[0].recipients[0].reply == "451 4.4.1 connection refused");
  CHECK(world.destination("smtp://127.0.0.1:2526").waiting == 200);
  CHECK(world.destination("smtp://127.0.0.1:2526").next_attempt > world.clock.wall());
  dead = false;
  world.pass(Millis(600'000), Millis(5000));
  CHECK(world.queue->counters().delivered == 200);
  CHECK(world.courier->deliveries.back().attempts_before == 3);
  CHECK(world.lines.count("\"destination.recovered\"") == 1);
}

TEST_CASE("what was handed in for the queue only waits for its first attempt, or for who asks for it") {
  Settings settings = test_settings();
  settings.queue.retry = {Millis(600'000)};
  World world(settings);
  auto queue_only = [&] {
    auto message = world.message({"x@a.test"});
    set_note(message->envelope.notes, kQueueOnlyNote, "yes");
    return world.add(message);
  };
  queue_only();
  world.add("y@a.test");
  world.turns();
  CHECK(world.queue->counters().delivered == 1);
  world.pass(Millis(590'000), Millis(10'000));
  CHECK(world.queue->counters().delivered == 1);
  world.pass(Millis(20'000), Millis(1'000));
  CHECK(world.queue->counters().delivered == 2);
}

TEST_CASE("back-off never delays an item past its own next attempt") {
  World world;
  bool dead = true;
  world.courier->refuse = [&](const Destination&) {
    return dead ? Reply{451, {4, 4, 1}, {"connection refused"}} : Reply{};
  };
  world.add("old@a.test");
  world.turns();
  world.pass(Millis(190'000));  // three failures: the destination rests until 780 s
  MonoTime joined = world.clock.mono();
  MessageId young = world.add("young@a.test");
  world.turns();
  dead = false;
  world.pass(Millis(61'000));
  REQUIRE(!world.courier->deliveries.empty());
  bool found = false;
  for (const Delivery& d : world.courier->deliveries) {
    if (d.id != young) continue;
    found = true;
    CHECK(d.when - joined <= Millis(60'000));
  }
  CHECK(found);
}

TEST_CASE("an item whose own time has come is tried though its destination rests") {
  World world;
  bool dead = false;
  world.courier->refuse = [&](const Destination&) {
    return dead ? Reply{451, {4, 4, 1}, {"connection refused"}} : Reply{};
  };
  world.courier->outcome = [](const Attempt&, uint32_t) {
    return outcome_of(Outcome::temporary, 450, "greylisted");
  };
  world.add("grey@a.test");
  world.turns();
  world.pass(Millis(50'000));
  dead = true;
  world.add("other@a.test");
  world.turns();  // fails at 50 s: rest until 110 s; the first item is due at 60 s
  dead = false;
  world.courier->outcome = nullptr;
  world.pass(Millis(12'000));
  CHECK(world.queue->counters().delivered == 2);
}

TEST_CASE("a permanent failure of the destination fails all that waits") {
  World world;
  world.courier->refuse = [](const Destination&) { return Reply{556, {5, 1, 10}, {"domain takes no mail"}}; };
  for (int i = 0; i < 300; ++i) world.add("one@null.mx");
  for (int i = 0; i < 40; ++i) world.pass(Millis(2), Millis(1));
  CHECK(world.queue->counters().bounced == 300);
  CHECK(world.reporter.made.size() == 300);
}

TEST_CASE("a connection that vanishes gives its item back untried") {
  World world;
  world.courier->latency = Millis(1000);
  world.add("one@a.test");
  world.turns();
  REQUIRE(world.courier->deliveries.size() == 1);
  LeaseId lease = world.courier->deliveries[0].lease;
  world.courier->cancel();
  world.queue->port().end(lease, LeaseEnd::error, {}, std::nullopt);
  world.turns();
  world.pass(Millis(1100), Millis(100));
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.courier->deliveries.back().attempts_before == 0);
}

TEST_CASE("answers for unknown leases and items are harmless") {
  World world;
  world.queue->port().end(12345, LeaseEnd::error, Reply{451, {}, {"x"}}, AttemptResult{99, {}});
  CHECK(!world.run(world.queue->port().admit(world.loop, 777, {})));
  CHECK(!world.run(
      world.queue->port().next(world.loop, 777, AttemptResult{5, {}}, Deadline::in(world.loop, Millis(10)))));
}

TEST_CASE("contents beyond the cap are read back, ahead of the attempt") {
  Settings settings = test_settings();
  settings.queue.memory = 20'000;
  World world(settings);
  world.courier->latency = Millis(10);
  for (int i = 0; i < 100; ++i) world.add("one@a.test");
  world.turns();
  for (int i = 0; i < 100; ++i) world.pass(Millis(10), Millis(5));
  CHECK(world.queue->counters().delivered == 100);
  CHECK(world.spool.loads >= 70);
  CHECK(world.spool.loads <= 140);
}

TEST_CASE("a stored message that cannot be read is held or tried again, never lost") {
  Settings settings = test_settings();
  settings.queue.memory = 0;
  World world(settings);
  world.spool.load_error = Error{Errc::io, "input/output error"};
  world.add("one@a.test");
  world.turns();
  CHECK(world.queue->counters().queued == 1);
  CHECK(world.queue->counters().held == 0);
  world.spool.load_error = Error{Errc::corrupt, "checksum"};
  world.pass(Millis(61'000));
  CHECK(world.queue->counters().held == 1);
  CHECK(world.courier->deliveries.empty());
}

TEST_CASE("drain hands out nothing more and waits for what is in hand") {
  World world;
  world.courier->latency = Millis(2000);
  for (int i = 0; i < 50; ++i) world.add("one@a.test");
  world.turns(60);
  size_t begun = world.courier->deliveries.size();
  REQUIRE(begun > 0);
  bool drained = false;
  struct Drain {
    static Task<void> run(MailQueue& queue, Deadline deadline, bool& done) {
      co_await queue.drain(deadline);
      done = true;
    }
  };
  world.scope->spawn(Drain::run(*world.queue, Deadline::in(world.loop, Millis(10'000)), drained));
  world.pass(Millis(1000), Millis(100));
  CHECK(!drained);
  world.pass(Millis(1500), Millis(100));
  CHECK(drained);
  CHECK(world.courier->deliveries.size() == begun);
  CHECK(world.queue->counters().delivered == begun);
}
