// Helpers: frames and descriptors over a socket pair, requests and answers in any order, ends that come and go; starting programs.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <thread>

#include "log/sinks.h"
#include "main/descriptors.h"
#include "main/helper_frames.h"
#include "main/helper_hub.h"
#include "main/helper_processes.h"
#include "loop/scope.h"

using namespace veredus;

namespace {

struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
    ours = UniqueFd(ends[0]);
    theirs = UniqueFd(ends[1]);
  }
  UniqueFd ours, theirs;
};

struct Answer {
  bool done = false;
  Result<HelperReply> reply = fail(Errc::invalid, "none yet");
};

struct HubRig {
  explicit HubRig(int channel = -1) : hub(loop, log, {"one", "two"}, channel) {}
  ~HubRig() {
    scope.cancel();
    turns(3);
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) loop.run_turn(Millis(0));
    log.flush();
  }
  static Task<void> ask(HubRig* rig, std::string octets, int fd, Millis patience, Answer* into) {
    into->reply = co_await rig->hub.call(rig->loop, "one", std::move(octets), UniqueFd::duplicate(fd), Deadline::in(rig->loop, patience));
    into->done = true;
  }
  void call(std::string octets, Answer& into, int fd = -1, Millis patience = Millis(60'000)) {
    scope.spawn(ask(this, std::move(octets), fd, patience, &into));
    turns(3);
  }

  FakeClock clock;
  ListSink lines;
  Log log{clock, lines, Severity::debug};
  Loop loop{clock};
  HelperHub hub;
  Scope scope{loop};
};

std::string take(int socket, size_t count, UniqueFd* fd = nullptr) {
  std::string out(count, '\0');
  size_t have = 0;
  while (have < count) {
    UniqueFd came;
    auto got = receive_with(socket, out.data() + have, count - have, came);
    if (!got || *got == 0) break;
    if (came && fd) *fd = std::move(came);
    have += *got;
  }
  out.resize(have);
  return out;
}

std::string take_frame(int socket, uint32_t& number, UniqueFd* fd = nullptr) {
  auto head = decode_frame_head(take(socket, kFrameHead, fd), 1 << 20);
  REQUIRE(head.ok());
  number = head->number;
  return take(socket, head->octets);
}

void give(int socket, std::string_view octets, int fd = -1) { REQUIRE(*send_with(socket, octets, fd) == octets.size()); }

}  // namespace

TEST_CASE("a frame's length counts the number, in network order") {
  CHECK(encode_frame(0x01020304, "ab") == std::string("\0\0\0\6\1\2\3\4ab", 10));
  auto head = decode_frame_head(std::string("\0\0\0\6\1\2\3\4", 8), 10);
  CHECK(head->number == 0x01020304);
  CHECK(head->octets == 2);
  CHECK(!decode_frame_head(std::string("\0\0\0\3\0\0\0\1", 8), 10).ok());
  CHECK(!decode_frame_head(std::string("\0\0\0\x0F\0\0\0\1", 8), 10).ok());
  CHECK(!decode_frame_head("\xFF\xFF\xFF\xFF\0\0\0\1", 10).ok());
}

TEST_CASE("answers may come in any order, in pieces, and to nobody") {
  HubRig rig;
  Pair pair;
  rig.hub.connect("one", std::move(pair.ours));
  Answer first, second;
  rig.call("first", first);
  rig.call("second", second);
  uint32_t a = 0, b = 0;
  CHECK(take_frame(pair.theirs.get(), a) == "first");
  CHECK(take_frame(pair.theirs.get(), b) == "second");
  give(pair.theirs.get(), encode_frame(a + b + 77, "to nobody") + encode_frame(b, "SECOND"));
  rig.turns(3);
  CHECK(!first.done);
  REQUIRE(second.done);
  CHECK(second.reply->octets == "SECOND");
  std::string frame = encode_frame(a, "");
  for (char c : frame) {
    CHECK(!first.done);
    give(pair.theirs.get(), std::string(1, c));
    rig.turns(3);
  }
  REQUIRE(first.done);
  CHECK(first.reply->octets.empty());
}

TEST_CASE("a descriptor goes with its frame, also between others that carry none") {
  HubRig rig;
  Pair pair, pipe;
  rig.hub.connect("one", std::move(pair.ours));
  Answer plain, carrying, last;
  rig.call("plain", plain);
  rig.call("carrying", carrying, pipe.ours.get());
  rig.call("last", last);
  uint32_t numbers[3];
  UniqueFd got[3];
  for (int i = 0; i < 3; ++i) take_frame(pair.theirs.get(), numbers[i], &got[i]);
  CHECK(!got[0]);
  REQUIRE(got[1]);
  CHECK(!got[2]);
  give(got[1].get(), "x");
  CHECK(take(pipe.theirs.get(), 1) == "x");
  give(pair.theirs.get(), encode_frame(numbers[0], "no"));
  give(pair.theirs.get(), encode_frame(numbers[1], "yes"), pipe.theirs.get());
  give(pair.theirs.get(), encode_frame(numbers[2], "no"));
  rig.turns(5);
  REQUIRE((plain.done && carrying.done && last.done));
  CHECK(!plain.reply->fd);
  CHECK(carrying.reply->fd);
  CHECK(!last.reply->fd);
}

TEST_CASE("requests wait for a helper that starts; those under way fail when it ends; a new end goes on") {
  HubRig rig;
  Answer first, second, third;
  rig.call("first", first);
  Pair pair;
  rig.hub.connect("one", std::move(pair.ours));
  uint32_t number = 0;
  CHECK(take_frame(pair.theirs.get(), number) == "first");
  pair.theirs.reset();
  rig.turns(3);
  REQUIRE(first.done);
  CHECK(first.reply.error().code == Errc::closed);
  CHECK(rig.lines.count("helper.closed") == 1);
  rig.call("second", second);
  rig.call("late", third, -1, Millis(50));
  rig.clock.advance(Millis(60));
  rig.turns(3);
  REQUIRE(third.done);
  CHECK(third.reply.error().code == Errc::timeout);
  Pair again;
  rig.hub.connect("one", std::move(again.ours));
  CHECK(take_frame(again.theirs.get(), number) == "second");  // and not the one that nobody waits for
  CHECK(take(again.theirs.get(), 1).empty());
  give(again.theirs.get(), encode_frame(number, "ok"));
  rig.turns(3);
  REQUIRE(second.done);
  CHECK(second.reply->octets == "ok");
}

TEST_CASE("nonsense from a helper ends its connection") {
  HubRig rig;
  Pair pair;
  rig.hub.connect("one", std::move(pair.ours));
  Answer answer;
  rig.call("x", answer);
  give(pair.theirs.get(), "HTTP/1.1 200 OK\r\n");
  rig.turns(3);
  REQUIRE(answer.done);
  CHECK(answer.reply.error().code == Errc::closed);
}

TEST_CASE("what is too large, of an unknown helper, or too much is refused") {
  HubRig rig;
  Answer large;
  rig.call(std::string(HelperPort::kMostOctets + 1, 'x'), large);
  REQUIRE(large.done);
  CHECK(large.reply.error().code == Errc::limit);
  CHECK(rig.hub.known("two"));
  CHECK(!rig.hub.known("three"));
  std::vector<Answer> many(HelperHub::kMostCalls + 1);
  for (Answer& one : many) rig.scope.spawn(HubRig::ask(&rig, "x", -1, Millis(1000), &one));
  rig.turns(5);
  CHECK(!many[0].done);
  REQUIRE(many.back().done);
  CHECK(many.back().reply.error().code == Errc::busy);
}

TEST_CASE("a large request and its answer pass a small socket") {
  HubRig rig;
  Pair pair;
  rig.hub.connect("one", std::move(pair.ours));
  Answer answer;
  std::string octets(HelperPort::kMostOctets, 'q');
  rig.call(octets, answer);
  std::string seen;
  while (seen.size() < kFrameHead + octets.size()) {
    seen += take(pair.theirs.get(), 100'000);
    rig.turns(1);
  }
  CHECK(seen.substr(kFrameHead) == octets);
  std::string back = encode_frame(decode_frame_head(seen, 1 << 20)->number, octets);
  for (std::string_view rest = back; !rest.empty();) {
    rest.remove_prefix(*send_with(pair.theirs.get(), rest, -1));
    rig.turns(1);
  }
  rig.turns(3);
  REQUIRE(answer.done);
  CHECK(answer.reply->octets == octets);
}

TEST_CASE("ends come over the supervisor's channel") {
  Pair channel(SOCK_SEQPACKET), pair;
  HubRig rig(channel.theirs.release());
  Answer answer;
  rig.call("hello", answer);
  give(channel.ours.get(), "nobody", pair.ours.get());
  give(channel.ours.get(), "one", pair.ours.get());
  rig.turns(5);
  uint32_t number = 0;
  CHECK(take_frame(pair.theirs.get(), number) == "hello");
}

namespace {

struct ProcessRig {
  ProcessRig(std::vector<std::string> command, std::string directory = "/") {
    HelperSettings settings;
    settings.name = "cat";
    settings.command = std::move(command);
    settings.directory = std::move(directory);
    processes.configure({settings}, Identity{});
    channel = std::move(*processes.begin());
  }
  ~ProcessRig() {
    processes.end();
    while (processes.running()) wait();
  }
  void wait() {
    int status = 0;
    pid_t pid = 0;
    do pid = waitpid(-1, &status, 0);
    while (pid > 0 && !processes.reaped(pid, status));  // a program that could not be started is nobody's
    log.flush();
  }
  UniqueFd end() {
    UniqueFd out;
    char name[16];
    for (int i = 0; i < 1000 && !out; ++i) (void)receive_with(channel.get(), name, sizeof name, out);
    return out;
  }
  RealClock clock;
  ListSink lines;
  Log log{clock, lines};
  HelperProcesses processes{clock, log};
  UniqueFd channel;
};

std::string read_all(int fd) {
  std::string out;
  char piece[4096];
  for (ssize_t count; (count = read(fd, piece, sizeof piece)) > 0;) out.append(piece, static_cast<size_t>(count));
  return out;
}

}  // namespace

TEST_CASE("a helper gets its socket, a clean environment and no other descriptor") {
  setenv("VEREDUS_SECRET_OF_TEST", "x", 1);
  ProcessRig rig({"/bin/sh", "-c", "pwd >&3; env >&3; ls /proc/self/fd >&3; grep NoNewPrivs /proc/self/status >&3"}, "/tmp");
  UniqueFd end = rig.end();
  REQUIRE(end);
  rig.log.flush();
  CHECK(rig.lines.count("helper.started") == 1);
  std::string said = read_all(end.get());
  CHECK(said.starts_with("/tmp\n"));
  CHECK(said.find("VEREDUS_SOCKET=3\n") != std::string::npos);
  CHECK(said.find("VEREDUS_HELPER=cat\n") != std::string::npos);
  CHECK(said.find("VEREDUS_SECRET_OF_TEST") == std::string::npos);
  CHECK(said.find("\n0\n1\n2\n3\n4\nNoNewPrivs") != std::string::npos);  // 4 is the directory that ls reads
  if (getuid() != 0) CHECK(said.find("NoNewPrivs:\t1") != std::string::npos);
}

TEST_CASE("a helper that ends is started again, later each time") {
  ProcessRig rig({"/bin/false"});
  rig.wait();
  CHECK(rig.lines.count("helper.crashed") == 1);
  MonoTime first = rig.processes.next_due();
  REQUIRE(first != MonoTime::max());
  CHECK(first > rig.clock.mono());
  while (rig.clock.mono() < rig.processes.next_due()) std::this_thread::yield();
  rig.processes.tick();
  REQUIRE(rig.processes.running());
  rig.wait();
  CHECK(rig.processes.next_due() - rig.clock.mono() > Millis(300));
}

TEST_CASE("a program that is not there is reported with the reason and tried again") {
  ProcessRig rig({"/nonexistent/helper"});
  rig.log.flush();
  CHECK(!rig.processes.running());
  CHECK(rig.lines.count("helper.failed") == 1);
  CHECK(rig.lines.text().find("No such file") != std::string::npos);
  CHECK(rig.processes.next_due() != MonoTime::max());
}

TEST_CASE("a helper that does not listen is made to end") {
  ProcessRig rig({"/bin/sh", "-c", "trap '' TERM; echo ready >&3; while :; do sleep 1; done"});
  UniqueFd end = rig.end();
  char ready[6];
  REQUIRE(read(end.get(), ready, sizeof ready) == 6);
  rig.processes.end();
  CHECK(rig.processes.running());
  while (rig.clock.mono() < rig.processes.next_due()) std::this_thread::sleep_for(Millis(10));
  rig.processes.tick();
  rig.wait();
  CHECK(!rig.processes.running());
  CHECK(rig.lines.count("helper.ended") == 1);
}

TEST_CASE("the list of descriptors, with and without helpers") {
  HandedDescriptors handed;
  handed.control = 5;
  handed.submit = 10;
  handed.status = 6;
  handed.life = 7;
  handed.board = 8;
  handed.listeners = {10, 11};
  CHECK(decode_descriptors(encode_descriptors(handed).c_str())->helpers == -1);
  handed.helpers = 9;
  auto back = decode_descriptors(encode_descriptors(handed).c_str());
  REQUIRE(back.ok());
  CHECK(back->helpers == 9);
  CHECK(back->listeners == handed.listeners);
  CHECK(!decode_descriptors("1,2,3").ok());
  CHECK(!decode_descriptors("1,2,3,4,x").ok());
}
