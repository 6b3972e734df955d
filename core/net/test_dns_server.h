// For tests: a DNS server on loopback, UDP and TCP on one port, that says what the test wants, and a resolver that asks it. Time is a fake
// clock that moves by `pace` a turn. One thread.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <set>
#include <vector>

#include "log/sinks.h"
#include "loop/scope.h"
#include "net/stub_resolver.h"
#include "net/test_dns.h"

namespace veredus::test {

class DnsServer {
 public:
  using Datagrams = std::vector<std::string>;
  // What to send for a query; by TCP the octets as they are, length included, after which the connection is closed.
  std::function<Datagrams(const std::string&)> by_udp = [](const std::string&) { return Datagrams(); };
  std::function<std::string(const std::string&)> by_tcp = [](const std::string&) { return std::string(); };
  bool keeps_tcp_open = false;

  // The port that is free for one protocol may be taken for the other.
  DnsServer() {
    for (bool bound = false; !bound;) {
      if (udp_ >= 0) close(udp_);
      if (tcp_ >= 0) close(tcp_);
      udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      tcp_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      REQUIRE(bind_to(udp_, 0));
      sockaddr_storage address{};
      socklen_t length = sizeof address;
      getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &length);
      where = Endpoint::from(reinterpret_cast<sockaddr*>(&address));
      bound = bind_to(tcp_, where.port);
    }
    listen(tcp_, 50);
  }
  ~DnsServer() {
    close(udp_);
    close(tcp_);
    for (Connection& one : connections_) close(one.fd);
  }
  DnsServer(const DnsServer&) = delete;

  void answer(Response response) {
    by_udp = [response](const std::string& query) { return Datagrams{response.to(query)}; };
  }
  static std::string framed(const std::string& message) { return u16(static_cast<unsigned>(message.size())) + message; }

  void pump() {
    char octets[65536];
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    for (ssize_t count; (count = recvfrom(udp_, octets, sizeof octets, 0, reinterpret_cast<sockaddr*>(&from), &length)) >= 0;) {
      queries.emplace_back(octets, static_cast<size_t>(count));
      ports.insert(Endpoint::from(reinterpret_cast<sockaddr*>(&from)).port);
      last_port = Endpoint::from(reinterpret_cast<sockaddr*>(&from)).port;
      for (const std::string& one : by_udp(queries.back())) sendto(udp_, one.data(), one.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
    for (int fd; (fd = accept4(tcp_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) connections_.push_back({fd, {}, {}, false});
    for (Connection& one : connections_) serve(one);
    std::erase_if(connections_, [](const Connection& one) { return one.fd < 0; });
  }

  Endpoint where;
  std::vector<std::string> queries;  // by UDP
  std::set<uint16_t> ports;          // they came from
  uint16_t last_port = 0;
  size_t tcp_queries = 0;

 private:
  struct Connection {
    int fd;
    std::string in, out;
    bool asked;
  };
  static bool bind_to(int fd, uint16_t port) {
    sockaddr_storage address{};
    unsigned length = Endpoint{*IpAddress::parse("127.0.0.1"), port}.to(&address);
    return bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0;
  }
  void serve(Connection& one) {
    char octets[4096];
    ssize_t count = recv(one.fd, octets, sizeof octets, 0);
    if (count > 0) one.in.append(octets, static_cast<size_t>(count));
    if (!one.asked && one.in.size() > 2 && one.in.size() >= 2u + static_cast<unsigned char>(one.in[1])) {
      one.asked = true;
      ++tcp_queries;
      one.out = by_tcp(one.in.substr(2));
    }
    if (!one.out.empty())
      if (ssize_t sent = send(one.fd, one.out.data(), one.out.size(), MSG_NOSIGNAL); sent > 0) one.out.erase(0, static_cast<size_t>(sent));
    bool over = count == 0 || (one.asked && one.out.empty() && !keeps_tcp_open);
    if (over) close(std::exchange(one.fd, -1));
  }

  int udp_ = -1, tcp_ = -1;
  std::vector<Connection> connections_;
};

struct DnsRig {
  explicit DnsRig(std::function<void(ResolverOptions&)> change = {}, size_t servers = 1) : servers(servers) {
    signal(SIGPIPE, SIG_IGN);
    ResolverOptions options;
    for (DnsServer& one : this->servers) options.servers.push_back(one.where);
    options.log = &log;
    if (change) change(options);
    resolver = std::make_unique<StubResolver>(loop, std::move(options));
  }
  ~DnsRig() {
    resolver.reset();
    for (int i = 0; i < 3; ++i) loop.run_turn(Millis(0));
  }

  void turn() {
    for (DnsServer& one : servers) one.pump();
    loop.run_turn(Millis(1));
    clock.advance(pace);
  }
  static Task<void> one(DnsRig& rig, std::string name, DnsType type, Millis patience, std::shared_ptr<const DnsAnswer>& into) {
    into = co_await rig.resolver->query(std::move(name), type, Deadline::in(rig.loop, patience));
  }
  DnsAnswer ask(const std::string& name, DnsType type = DnsType::a, Millis patience = Seconds(60)) {
    std::shared_ptr<const DnsAnswer> answer;
    Scope scope(loop);
    scope.spawn(one(*this, name, type, patience, answer));
    for (int i = 0; i < 20'000 && !answer; ++i) turn();
    REQUIRE(answer);
    return *answer;
  }
  DnsServer& server() { return servers[0]; }

  FakeClock clock;
  Loop loop{clock};
  ListSink lines;
  Log log{clock, lines, Severity::debug};
  size_t logged(std::string_view event) {
    log.flush();
    return lines.count(event);
  }
  Millis pace{0};
  std::deque<DnsServer> servers;
  std::unique_ptr<StubResolver> resolver;
};

}  // namespace veredus::test
