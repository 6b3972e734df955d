// Time, counts, rates, bans, stress, shutdown.
#include "inbound/session.h"
#include "inbound/test_rig.h"

using namespace veredus;

namespace {

const std::string kMessage = "Subject: x\r\n\r\nbody\r\n";

void hello(Rig::Client& client) {
  client.read(1);
  client.say("EHLO client.test\r\n");
}

void start_data(Rig::Client& client) {
  client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
  client.say("DATA\r\n");
}

}  // namespace

TEST_CASE("a silent client is told 421 4.4.2, at a command and in the data") {
  Rig rig([](Settings& s) {
    s.limits.command_timeout = Seconds(300);
    s.limits.data_timeout = Seconds(100);
  });
  Rig::Client idle(rig);
  hello(idle);
  Rig::Client stuck(rig);
  hello(stuck);
  start_data(stuck);
  stuck.send("Subject: half");
  for (int i = 0; i < 5; ++i) rig.turn();
  rig.pass(Seconds(101));
  CHECK(stuck.read(1).starts_with("421 4.4.2"));
  CHECK(stuck.closes());
  rig.pass(Seconds(200));
  CHECK(idle.read(1).starts_with("421 4.4.2"));
  CHECK(idle.closes());
  CHECK(rig.context->counters.timeouts == 2);
  CHECK(rig.sink.count("message.aborted") == 1);
}

TEST_CASE("dripping a command does not buy time") {
  Rig rig([](Settings& s) { s.limits.command_timeout = Seconds(300); });
  Rig::Client client(rig);
  hello(client);
  for (int i = 0; i < 4; ++i) {
    client.send("N");
    for (int turn = 0; turn < 5; ++turn) rig.turn();
    rig.pass(Seconds(80));
  }
  CHECK(client.read(1).starts_with("421 4.4.2"));
}

TEST_CASE("octets and messages a connection, messages and recipients a minute") {
  Rig rig([](Settings& s) {
    s.limits.messages_per_connection = 2;
    s.limits.bytes_per_connection = 5'000;
  });
  Rig::Client many(rig);
  hello(many);
  CHECK(many.send_message(kMessage).starts_with("250"));
  CHECK(many.send_message(kMessage).starts_with("250"));
  CHECK(many.say("MAIL FROM:<a@a.test>\r\n").starts_with("421 4.7.0"));
  CHECK(many.closes());
  Rig::Client large(rig);
  hello(large);
  start_data(large);
  large.send(std::string(6'000, 'x'));
  CHECK(large.read(1).starts_with("421 4.7.0"));

  Rig rates([](Settings& s) {
    s.exempt_networks = {};
    s.limits.message_rate = 2;
    s.limits.recipient_rate = 3;
  });
  Rig::Client fast(rates);
  hello(fast);
  CHECK(fast.send_message(kMessage).starts_with("250"));
  fast.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\nRCPT TO:<c@here.test>\r\n", 3);
  CHECK(fast.say("RCPT TO:<d@here.test>\r\n").starts_with("450 4.7.1"));
  fast.say("RSET\r\n");
  CHECK(fast.say("MAIL FROM:<a@a.test>\r\n").starts_with("450 4.7.1"));
  rates.pass(Seconds(61));
  CHECK(fast.code("MAIL FROM:<a@a.test>\r\n") == "250");
}

TEST_CASE("a client that breaks its error limit is closed and banned") {
  Rig rig([](Settings& s) {
    s.exempt_networks = {};
    s.limits.errors = 3;
    s.limits.ban = Seconds(600);
  });
  {
    Rig::Client bad(rig, "127.0.0.3", true);
    bad.read(1);
    CHECK(bad.say("FOO\r\nFOO\r\nFOO\r\n", 4).find("421 4.7.0 Too many errors") != std::string::npos);
    CHECK(bad.closes());
  }
  CHECK(rig.until([&] { return rig.table->connections() == 0; }));
  Rig::Client again(rig, "127.0.0.3", true);
  CHECK(again.admission == Admission::banned);
  Rig::Client other(rig, "127.0.0.4", true);
  CHECK(other.read(1).starts_with("220"));
  rig.pass(Seconds(601));
  Rig::Client later(rig, "127.0.0.3", true);
  CHECK(later.read(1).starts_with("220"));
}

TEST_CASE("under stress time is short, errors are few, and data must flow") {
  Rig rig([](Settings& s) {
    s.exempt_networks = {};
    s.limits.connections = 2;
    s.limits.stress_timeout = Seconds(10);
    s.limits.command_timeout = Seconds(300);
    s.limits.data_timeout = Seconds(300);
    s.limits.minimum_data_rate = 500;
  });
  Rig::Client one(rig, "127.0.0.3", true);
  hello(one);
  Rig::Client two(rig, "127.0.0.4", true);
  hello(two);
  CHECK(rig.table->stressed());
  start_data(two);
  CHECK(one.say("FOO\r\nFOO\r\n", 3).find("421 4.7.0") != std::string::npos);
  two.send("S: x\r\n");
  for (int i = 0; i < 5; ++i) rig.turn();
  CHECK(one.closes());
  one.hang_up();
  CHECK(rig.until([&] { return rig.table->connections() == 1; }));
  Rig::Client three(rig, "127.0.0.5", true);
  three.read(1);
  for (int i = 0; i < 5; ++i) rig.turn();
  rig.pass(Seconds(11));
  CHECK(three.read(1).starts_with("421 4.4.2"));
}

TEST_CASE("under stress slow data ends with 421") {
  Rig rig([](Settings& s) {
    s.exempt_networks = {};
    s.limits.connections = 1;
    s.limits.data_timeout = Seconds(300);
    s.limits.minimum_data_rate = 500;
  });
  Rig::Client slow(rig, "127.0.0.3", true);
  hello(slow);
  start_data(slow);
  for (int i = 0; i < 4; ++i) {
    slow.send("one line\r\n");
    for (int turn = 0; turn < 5; ++turn) rig.turn();
    rig.pass(Seconds(25));
  }
  CHECK(slow.read(1).starts_with("421"));
  CHECK(slow.closes());
}

TEST_CASE("shutdown: idle sessions hear 421 at once, a message in hand is finished first") {
  Rig rig;
  Rig::Client idle(rig);
  hello(idle);
  Rig::Client busy(rig);
  hello(busy);
  start_data(busy);
  rig.context->stop();
  CHECK(idle.read(1).starts_with("421 4.3.2"));
  CHECK(idle.closes());
  CHECK(busy.say(kMessage + ".\r\n", 2).find("250 2.0.0 Ok: queued") == 0);
  CHECK(busy.closes());
  Rig::Client late(rig);
  CHECK(late.read(1).starts_with("421 4.3.2"));
  rig.pass(Seconds(2));  // nobody hung up: a session waits a moment so that its last reply is not lost, no longer
  CHECK(rig.until([&] { return rig.scope.running() == 0; }));
  CHECK(rig.queue.added.size() == 1);
}

TEST_CASE("cancelled sessions give back what they hold") {
  Rig rig;
  Rig::Client client(rig, "127.0.0.1", true);
  hello(client);
  start_data(client);
  client.send("Subject: x\r\n\r\n" + std::string(9'000, 'x'));
  CHECK(rig.until([&] { return rig.memory.used() > 0; }));
  CHECK(rig.table->connections() == 1);
  rig.scope.cancel();
  CHECK(rig.memory.used() == 0);
  CHECK(rig.table->connections() == 0);
  CHECK(rig.context->counters.sessions == 0);
}
