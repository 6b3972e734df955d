// Every command over a real socket: what it prints for people and for programs, and how it ends.
#include "control/test_rig.h"

using namespace veredus;

namespace {

std::string id_text(uint64_t id) { return MessageId{id}.text(); }

MessageId keep(ControlRig& rig, std::string octets, uint64_t id = 77) {
  auto message = std::make_shared<Message>();
  message->envelope = *ListedQueue::made(id).envelope;
  message->content.head = "Received: here\r\n";
  message->content.memory = std::make_shared<const std::string>(std::move(octets));
  Scope scope(rig.loop);
  struct Store {
    static Task<void> run(ControlRig& r, std::shared_ptr<const Message> m) {
      auto stored = co_await r.spool.store(r.loop, m);
      CHECK(stored.ok());
    }
  };
  scope.spawn(Store::run(rig, message));
  return message->envelope.id;
}

}  // namespace

TEST_CASE("status: the balance, the spool and its problems") {
  ControlRig rig;
  rig.queue.count.accepted = 10;
  rig.queue.count.delivered = 6;
  rig.queue.count.queued = 4;
  rig.queue.count.held = 1;
  Said text = rig.run({"status"});
  CHECK(text.exit == 0);
  CHECK(text.out.find("10 accepted = 6 finished + 4 queued") != std::string::npos);
  CHECK(text.out.find("writable") != std::string::npos);
  auto json = rig.run({"status"}, true).objects();
  REQUIRE(json.size() == 1);
  CHECK(json[0]["version"] == "1.2.3");
  CHECK(json[0]["sessions"] == 5);
  CHECK(json[0]["recipients_held"] == 1);
  CHECK(json[0]["spool_set_aside"] == 0);
}

TEST_CASE("queue list: the fields that scripts rely on, and nothing when there is nothing") {
  ControlRig rig;
  Said nothing = rig.run({"queue", "list"}, true);
  CHECK(nothing.out.empty());
  CHECK(nothing.exit == 0);
  CHECK(rig.run({"queue", "list"}).out == "no messages\n");
  rig.queue.messages = {ListedQueue::made(1), ListedQueue::made(2)};
  auto objects = rig.run({"queue", "list"}, true).objects();
  REQUIRE(objects.size() == 2);
  CHECK(objects[0]["id"] == id_text(1));
  CHECK(objects[0]["sender"] == "from@a.test");
  CHECK(objects[0]["size"] == 1234);
  CHECK(objects[0]["arrived"] == "2025-06-15T15:06:40.000Z");
  auto recipient = objects[0]["recipients"][0];
  CHECK(recipient["address"] == "to@b.test");
  CHECK(recipient["state"] == "queued");
  CHECK(recipient["destination"] == "mx:b.test");
  CHECK(recipient["attempts"] == 3);
  CHECK(recipient["next"] == "2025-06-15T15:11:40.000Z");
  CHECK(recipient["reply"] == "450 4.2.0 later");
  Said text = rig.run({"queue", "list", "--limit", "1"});
  CHECK(text.out.find(id_text(1)) != std::string::npos);
  CHECK(text.out.find(id_text(2)) == std::string::npos);
  CHECK(text.out.find("to@b.test  queued, 3 attempts") != std::string::npos);
}

TEST_CASE("every filter reaches the queue") {
  ControlRig rig;
  rig.run({"queue", "list", "--sender", "s@a.test", "--recipient=*@b.test", "--domain", ".b.test", "--destination", "mx:b.test", "--state",
           "held", "--older", "2h", "--younger", "3d", "--tenant", "t", id_text(5)});
  REQUIRE(rig.queue.filters.size() == 1);
  const QueueFilter& filter = rig.queue.filters[0];
  CHECK(filter.sender == "s@a.test");
  CHECK(filter.recipient == "*@b.test");
  CHECK(filter.domain == ".b.test");
  CHECK(filter.destination == "mx:b.test");
  CHECK(filter.state == RecipientState::held);
  CHECK(filter.older_than == Millis(7'200'000));
  CHECK(filter.younger_than == Millis(259'200'000));
  CHECK(filter.tenant == "t");
  CHECK(filter.ids == std::vector<MessageId>{MessageId{5}});
}

TEST_CASE("filters that cannot be meant are usage errors and do nothing") {
  ControlRig rig;
  std::vector<std::vector<std::string>> bad = {{"queue", "list", "--older", "yesterday"}, {"queue", "list", "--state", "gone"},
                                               {"queue", "list", "--limit", "x"},         {"queue", "list", "not-an-id"},
                                               {"queue", "delete"},                       {"queue", "hold", "--sender"},
                                               {"queue", "show"},                         {"queue", "show", "a", "b"}};
  for (const auto& words : bad) {
    CAPTURE(words.back());
    Said said = rig.run(words);
    CHECK(said.exit == 64);
    CHECK(!said.err.empty());
    CHECK(said.out.empty());
  }
  CHECK(rig.queue.filters.empty());
}

TEST_CASE("a long list is read in pages, so memory is bounded, and the loop goes on turning") {
  ControlRig rig;
  rig.queue.endless = 30'000;
  int fd = rig.connect();
  rig.send_all(fd, encode_request({{"queue", "list"}, true}));
  std::string text;
  size_t turns = 0;
  for (; !rig.receive(fd, text); ++turns) rig.turn();
  close(fd);
  auto objects = ControlRig::read_frames(text).objects();
  CHECK(objects.size() == 30'000);
  CHECK(objects.back()["id"] == id_text(30'000));
  CHECK(rig.queue.most_asked < 10'000);
  CHECK(turns > 50);
}

TEST_CASE("the actions: who asked, how many, and an error of the queue") {
  ControlRig rig;
  rig.queue.messages = {ListedQueue::made(1), ListedQueue::made(2)};
  Said held = rig.run({"queue", "hold", "--sender", "from@a.test"});
  CHECK(held.exit == 0);
  CHECK(held.out == "2 messages held\n");
  CHECK(!rig.queue.asked_by.empty());
  auto json = rig.run({"queue", "retry", id_text(2)}, true).objects();
  REQUIRE(json.size() == 1);
  CHECK(json[0]["messages"] == 1);
  rig.run({"queue", "release", id_text(2)});
  rig.run({"queue", "bounce", id_text(2)});
  rig.run({"queue", "delete", "--older", "0s"});
  CHECK(rig.queue.actions == std::vector<QueueAction>{QueueAction::hold, QueueAction::retry, QueueAction::release, QueueAction::bounce,
                                                      QueueAction::remove});
  CHECK(rig.run({"queue", "delete", id_text(99)}).exit == 1);
  CHECK(rig.run({"queue", "delete", "--sender", "nobody@a.test"}).exit == 0);
  rig.queue.act_error = fail(Errc::io, "the spool is read-only");
  Said failed = rig.run({"queue", "delete", id_text(1)});
  CHECK(failed.exit == 75);
  CHECK(failed.err == "the spool is read-only\n");
}

TEST_CASE("show and cat: from the queue, else from the spool; octets as they are") {
  ControlRig rig;
  std::string body = "Subject: x\r\n\r\n\xC3\xBC \xFF\x80 \"\\\r\n";
  for (int i = 0; i < 256; ++i) body += static_cast<char>(i);
  MessageId id = keep(rig, body);
  Said cat = rig.run({"queue", "cat", id.text()});
  CHECK(cat.exit == 0);
  CHECK(cat.out == "Received: here\r\n" + body);
  CHECK(rig.run({"queue", "show", id.text()}).out.find("to@b.test") != std::string::npos);
  rig.queue.messages = {ListedQueue::made(3)};
  auto shown = rig.run({"queue", "show", id_text(3)}, true).objects();
  REQUIRE(shown.size() == 1);
  CHECK(shown[0]["recipients"][0]["destination"] == "mx:b.test");
  CHECK(rig.run({"queue", "show", id_text(4)}).exit == 1);
  CHECK(rig.run({"queue", "cat", id_text(4)}).exit == 1);
  CHECK(rig.run({"queue", "cat", "!!"}).exit == 64);
}

TEST_CASE("destinations, suspend and resume") {
  ControlRig rig;
  CHECK(rig.run({"destinations"}).out == "no destinations\n");
  CHECK(rig.run({"destinations"}, true).out.empty());
  DestinationInfo one;
  one.name = "mx:b.test";
  one.waiting = 3;
  one.suspended = true;
  one.suspended_by = "root";
  one.last_reply = "450 later";
  rig.queue.known_destinations.assign(5000, one);
  Said text = rig.run({"destinations"});
  CHECK(text.out.starts_with("mx:b.test  waiting 3, in hand 0, connections 0, suspended by root\n    450 later\n"));
  auto objects = rig.run({"destinations"}, true).objects();
  REQUIRE(objects.size() == 5000);
  CHECK(objects[0]["waiting"] == 3);
  CHECK(objects[0]["suspended"] == true);
  CHECK(rig.run({"suspend", ".b.test"}).exit == 0);
  REQUIRE(rig.queue.suspended.size() == 1);
  CHECK(rig.queue.suspended[0].starts_with(".b.test by "));
  CHECK(rig.run({"resume", "known.test"}).exit == 0);
  CHECK(rig.run({"resume", "other.test"}).exit == 1);
  CHECK(rig.run({"suspend"}).exit == 64);
}

TEST_CASE("reload says what is wrong; metrics in both forms") {
  ControlRig rig;
  CHECK(rig.run({"reload"}).out == "reloaded\n");
  rig.report = {false, "conf.d/00-core.yaml:3:1: unknown setting 'x'\n"};
  Said refused = rig.run({"reload"});
  CHECK(refused.exit == 78);
  CHECK(refused.err == "conf.d/00-core.yaml:3:1: unknown setting 'x'\nnothing was changed\n");
  CHECK(rig.run({"reload"}, true).objects()[0]["ok"] == false);
  CHECK(rig.run({"metrics"}).out == rig.metrics);
  auto samples = rig.run({"metrics"}, true).objects();
  REQUIRE(samples.size() == 2);
  CHECK(samples[0]["name"] == "a_total");
  CHECK(samples[0]["labels"]["state"] == "x y\"z");
  CHECK(samples[0]["labels"]["loop"] == "0");
  CHECK(samples[0]["value"] == 3);
  CHECK(samples[1]["value"] == 1.5);
}

TEST_CASE("dns: what the resolver says") {
  ControlRig rig;
  rig.resolver.add_mx("d.test", 10, "mx.d.test");
  rig.resolver.add_ptr("1.2.0.192.in-addr.arpa", "host.test");
  rig.resolver.fail_with("broken.test", DnsType::mx, DnsStatus::server_failure);
  CHECK(rig.run({"dns", "d.test", "mx"}).out.find("10 mx.d.test.") != std::string::npos);
  auto json = rig.run({"dns", "d.test", "MX"}, true).objects();
  REQUIRE(json.size() == 1);
  CHECK(json[0]["status"] == "ok");
  CHECK(json[0]["records"][0]["target"] == "mx.d.test");
  CHECK(rig.run({"dns", "192.0.2.1", "PTR"}).out.find("host.test.") != std::string::npos);
  CHECK(rig.run({"dns", "none.test", "MX"}).exit == 0);
  CHECK(rig.run({"dns", "broken.test", "MX"}).exit == 75);
  CHECK(rig.run({"dns", "d.test", "ANY"}).exit == 64);
}

TEST_CASE("log follow: lines as they come, for people and for programs, until the reader goes") {
  ControlRig rig;
  for (bool json : {false, true}) {
    int fd = rig.connect();
    rig.send_all(fd, encode_request({{"log", "follow"}, json}));
    std::string text;
    static constexpr EventDef kEvent{"message.accepted", Severity::notice, ""};
    while (text.find("message.accepted") == std::string::npos) {
      rig.log.write(kEvent, {{"id", "X"}});
      rig.turn();
      REQUIRE(!rig.receive(fd, text));
    }
    CHECK((ControlRig::read_frames(text.substr(0, text.rfind('\n'))).out.find("\"event\"") != std::string::npos) == json);
    close(fd);
  }
}

TEST_CASE("a follower that does not read is let go, and is told so") {
  ControlRig rig;
  int fd = rig.connect();
  rig.send_all(fd, encode_request({{"log", "follow"}, true}));
  static constexpr EventDef kEvent{"session.traffic", Severity::notice, ""};
  std::string long_value(7000, 'x');
  for (int i = 0; i < 4000; ++i) {
    rig.log.write(kEvent, {{"line", long_value}});
    if (i % 20 == 0) rig.turn();
  }
  Said said = rig.finish(fd);
  CHECK(said.exit == 75);
  CHECK(said.err.find("lost") != std::string::npos);
  CHECK(rig.lines.count("control.follower_lost") == 1);
}
