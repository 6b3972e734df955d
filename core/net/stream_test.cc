// Streams and listeners over real loopback sockets.
#include "net/stream.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/scope.h"
#include "net/listener.h"

using namespace veredus;

namespace {

struct Net {
  RealClock clock;
  Loop loop{clock};
  std::vector<std::unique_ptr<Stream>> accepted;
  std::unique_ptr<Listener> listener;
  Endpoint where;

  Net() {
    int fd = *bind_listener(*Endpoint::parse("127.0.0.1:0"));
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    where = Endpoint::from(reinterpret_cast<sockaddr*>(&address));
    listener = std::make_unique<Listener>(loop, fd, [this](int one, Endpoint) { accepted.push_back(*adopt_stream(loop, one)); });
  }
  void run(Scope& scope) {
    while (scope.running() > 0) loop.run_turn(Millis(100));
  }
  template <typename F>
  void until(F done) {
    while (!done()) loop.run_turn(Millis(100));
  }
};

Task<void> connect_to(Loop& loop, Endpoint where, std::unique_ptr<Stream>& out, std::string& error) {
  ConnectOptions options;
  options.to = where;
  auto stream = co_await connect_stream(loop, options, Deadline::in(loop, Seconds(10)));
  if (stream) out = std::move(*stream);
  else error = stream.error().text;
}

Task<void> read_count(Loop& loop, Stream& stream, size_t count, std::string& into) {
  while (into.size() < count) {
    auto got = co_await stream.fill(Deadline::in(loop, Seconds(10)));
    if (!got || *got == 0) co_return;
    into += stream.buffered();
    stream.consume(stream.buffered().size());
  }
}

Task<void> write_all(Loop& loop, Stream& stream, std::string octets, bool& ok) {
  auto status = co_await stream.write(std::move(octets), Deadline::in(loop, Seconds(10)));
  ok = status.ok();
}

Task<void> fill_once(Loop& loop, Stream& stream, Millis patience, std::string& outcome) {
  auto got = co_await stream.fill(Deadline::in(loop, patience));
  outcome = got ? std::to_string(*got) : got.error().code == Errc::timeout ? "timeout" : "error";
}

void open_pair(Net& net, std::unique_ptr<Stream>& client) {
  Scope scope(net.loop);
  std::string error;
  scope.spawn(connect_to(net.loop, net.where, client, error));
  net.until([&] { return scope.running() == 0 && !net.accepted.empty(); });
  REQUIRE(client);
}

}  // namespace

TEST_CASE("large writes arrive whole although the reader stops for back-pressure") {
  Net net;
  std::unique_ptr<Stream> client;
  open_pair(net, client);
  std::string sent(5'000'000, 'x'), received;
  for (size_t i = 0; i < sent.size(); i += 997) sent[i] = static_cast<char>('a' + i % 26);
  bool ok = false;
  Scope scope(net.loop);
  scope.spawn(write_all(net.loop, *client, sent, ok));
  for (int i = 0; i < 50; ++i) net.loop.run_turn(Millis(1));
  CHECK(net.accepted[0]->buffered().size() < 300'000);
  scope.spawn(read_count(net.loop, *net.accepted[0], sent.size(), received));
  net.run(scope);
  CHECK(ok);
  CHECK(received == sent);
}

TEST_CASE("end of stream, time-out, and early input are told apart") {
  Net net;
  std::unique_ptr<Stream> client;
  open_pair(net, client);
  Stream& server = *net.accepted[0];
  std::string outcome;
  Scope scope(net.loop);
  CHECK(!server.input_pending());
  scope.spawn(fill_once(net.loop, server, Millis(20), outcome));
  net.run(scope);
  CHECK(outcome == "timeout");
  bool ok = false;
  scope.spawn(write_all(net.loop, *client, "EHLO x\r\n", ok));
  net.until([&] { return server.input_pending(); });
  scope.spawn(fill_once(net.loop, server, Seconds(10), outcome));
  net.run(scope);
  CHECK(outcome == "8");
  server.consume(8);
  client.reset();
  scope.spawn(fill_once(net.loop, server, Seconds(10), outcome));
  net.run(scope);
  CHECK(outcome == "0");
}

TEST_CASE("a stream may go away in the middle of a read and of a write") {
  Net net;
  std::unique_ptr<Stream> client;
  open_pair(net, client);
  bool ok = false;
  std::string outcome;
  {
    Scope scope(net.loop);
    scope.spawn(write_all(net.loop, *client, std::string(8'000'000, 'y'), ok));
    scope.spawn(fill_once(net.loop, *client, Seconds(10), outcome));
    net.loop.run_turn(Millis(1));
  }
  client.reset();
  net.accepted.clear();
  for (int i = 0; i < 5; ++i) net.loop.run_turn(Millis(1));
  CHECK(!ok);
  CHECK(outcome.empty());
}

TEST_CASE("errors say what to do") {
  Net net;
  auto again = bind_listener(net.where);
  REQUIRE(!again.ok());
  CHECK(again.error().text.find("another program listens there") != std::string::npos);
  Endpoint nobody = net.where;
  net.listener.reset();
  std::unique_ptr<Stream> client;
  std::string error;
  Scope scope(net.loop);
  scope.spawn(connect_to(net.loop, nobody, client, error));
  net.run(scope);
  CHECK(error.find("connection refused") != std::string::npos);
}

TEST_CASE("a socket file left behind is replaced, a live one is not") {
  std::string path = "/tmp/veredus-net-test-" + std::to_string(getpid());
  auto first = bind_unix(path, 0600);
  REQUIRE(first.ok());
  CHECK(!bind_unix(path, 0600).ok());
  close(*first);
  auto second = bind_unix(path, 0600);
  CHECK(second.ok());
  close(*second);
  unlink(path.c_str());
}
