// Listeners: many connections, pausing, and what happens when descriptors run out.
#include "net/listener.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

using namespace veredus;

namespace {

struct Rig {
  RealClock clock;
  Loop loop{clock};
  std::vector<int> accepted, clients;
  std::unique_ptr<Listener> listener;
  Endpoint where;

  explicit Rig(const char* address = "127.0.0.1:0") {
    int fd = *bind_listener(*Endpoint::parse(address));
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length);
    where = Endpoint::from(reinterpret_cast<sockaddr*>(&bound));
    listener = std::make_unique<Listener>(loop, fd, [this](int one, Endpoint) { accepted.push_back(one); });
  }
  ~Rig() {
    for (int fd : accepted) close(fd);
    for (int fd : clients) close(fd);
    listener.reset();
    for (int i = 0; i < 3; ++i) loop.run_turn(Millis(0));
  }
  void connect_one() {
    sockaddr_storage address{};
    unsigned length = where.to(&address);
    clients.push_back(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(clients.back(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  }
  template <typename F>
  void until(F holds) {
    for (MonoTime end = clock.mono() + Seconds(20); !holds() && clock.mono() < end;) loop.run_turn(Millis(50));
    CHECK(holds());
  }
};

}  // namespace

TEST_CASE("every waiting connection is accepted, also more than one turn takes") {
  Rig rig;
  for (int i = 0; i < 200; ++i) rig.connect_one();
  rig.until([&] { return rig.accepted.size() == 200; });
}

TEST_CASE("a paused listener leaves connections in the backlog, whose clients notice nothing") {
  Rig rig;
  rig.listener->pause();
  rig.connect_one();
  for (int i = 0; i < 5; ++i) rig.loop.run_turn(Millis(2));
  CHECK(rig.accepted.empty());
  rig.listener->resume();
  rig.until([&] { return rig.accepted.size() == 1; });
}

TEST_CASE("without descriptors accepting rests, and goes on by itself") {
  Rig rig;
  rig.connect_one();
  rig.connect_one();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (MonoTime end = rig.clock.mono() + Seconds(20); rig.listener->starved() == 0 && rig.clock.mono() < end;) rig.loop.run_turn(Millis(5));
  int turns = 0;
  for (MonoTime end = rig.clock.mono() + Millis(50); rig.clock.mono() < end; ++turns) rig.loop.run_turn(Millis(50));
  uint64_t starved = rig.listener->starved();
  setrlimit(RLIMIT_NOFILE, &before);
  CHECK(starved >= 1);
  CHECK(turns < 20);  // it does not spin on a socket that stays readable
  CHECK(rig.accepted.empty());
  rig.until([&] { return rig.accepted.size() == 2; });
}

TEST_CASE("the owner may pause or destroy the listener from its callback") {
  Rig rig;
  rig.connect_one();
  rig.connect_one();
  size_t calls = 0;
  int fd = *bind_listener(Endpoint{*IpAddress::parse("127.0.0.1"), 0});
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length);
  rig.where = Endpoint::from(reinterpret_cast<sockaddr*>(&bound));
  std::unique_ptr<Listener> mine;
  mine = std::make_unique<Listener>(rig.loop, fd, [&](int one, Endpoint) {
    close(one);
    ++calls;
    mine.reset();
  });
  rig.connect_one();
  rig.connect_one();
  rig.until([&] { return calls > 0; });
  for (int i = 0; i < 3; ++i) rig.loop.run_turn(Millis(2));
  CHECK(calls == 1);
}

TEST_CASE("IPv6 listeners take no IPv4") {
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  close(fd);
  auto six = bind_listener(*Endpoint::parse("[::1]:0"));
  if (!six) return;  // a host without IPv6
  int only = 0;
  socklen_t size = sizeof only;
  getsockopt(*six, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size);
  CHECK(only == 1);
  close(*six);
}
