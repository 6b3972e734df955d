// Connection counts, rates, bans and what is forgotten; tickets given back from other loops; the memory
// budget.
#include "inbound/limits.h"

#include <doctest/doctest.h>

#include <functional>
#include <thread>

#include "inbound/memory_budget.h"
#include "loop/scope.h"

using namespace veredus;

namespace {

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

SettingsPtr with(const std::function<void(Settings&)>& change) {
  auto settings = std::make_shared<Settings>(default_settings());
  settings->exempt_networks = {*Network::parse("127.0.0.0/8")};
  change(*settings);
  return settings;
}

}  // namespace

TEST_CASE("connections: all, a client, a network; exempt networks count only in the total") {
  FakeClock clock;
  Loop loop(clock);
  ConnectionTable table(loop, with([](Settings& s) {
                          s.limits.connections = 8;
                          s.limits.connections_per_client = 2;
                          s.limits.connections_per_network = 3;
                        }));
  CHECK(table.admit(ip("192.0.2.1")) == Admission::ok);
  CHECK(table.admit(ip("192.0.2.1")) == Admission::ok);
  CHECK(table.admit(ip("192.0.2.1")) == Admission::too_many_of_client);
  CHECK(table.admit(ip("192.0.2.2")) == Admission::ok);
  CHECK(table.admit(ip("192.0.2.3")) == Admission::too_many_of_network);
  CHECK(!table.stressed());
  for (int i = 0; i < 5; ++i) CHECK(table.admit(ip("127.0.0.1")) == Admission::ok);
  CHECK(table.stressed());
  CHECK(table.admit(ip("127.0.0.1")) == Admission::too_many);
  table.release(ip("192.0.2.1"));
  CHECK(table.admit(ip("192.0.2.3")) == Admission::ok);
  for (int i = 0; i < 5; ++i) table.release(ip("127.0.0.1"));
  CHECK(!table.stressed());
  CHECK(table.connections() == 3);
}

TEST_CASE("an IPv6 /64 is one client") {
  FakeClock clock;
  Loop loop(clock);
  ConnectionTable table(loop, with([](Settings& s) { s.limits.connections_per_client = 1; }));
  CHECK(table.admit(ip("2001:db8::1")) == Admission::ok);
  CHECK(table.admit(ip("2001:db8::ffff:1")) == Admission::too_many_of_client);
  CHECK(table.admit(ip("2001:db8:0:1::1")) == Admission::ok);
}

TEST_CASE("rates and bans end with time") {
  FakeClock clock;
  Loop loop(clock);
  ConnectionTable table(loop, with([](Settings& s) {
                          s.limits.connection_rate = 2;
                          s.limits.ban = Seconds(300);
                        }));
  auto pass = [&](Millis time) {
    clock.advance(time);
    loop.run_turn(Millis(0));
  };
  for (int i = 0; i < 2; ++i) {
    CHECK(table.admit(ip("192.0.2.1")) == Admission::ok);
    table.release(ip("192.0.2.1"));
  }
  CHECK(table.admit(ip("192.0.2.1")) == Admission::too_fast);
  pass(Seconds(61));
  CHECK(table.admit(ip("192.0.2.1")) == Admission::ok);
  table.ban(ip("192.0.2.1"));
  table.ban(ip("127.0.0.1"));
  CHECK(table.admit(ip("192.0.2.1")) == Admission::banned);
  CHECK(table.admit(ip("127.0.0.1")) == Admission::ok);
  pass(Seconds(301));
  CHECK(table.admit(ip("192.0.2.1")) == Admission::ok);
}

TEST_CASE("clients that come once are forgotten") {
  FakeClock clock;
  Loop loop(clock);
  ConnectionTable table(loop, with([](Settings&) {}));
  for (int i = 0; i < 20'000; ++i) {
    IpAddress address = ip("10.0.0.0");
    address.octets[1] = static_cast<uint8_t>(i >> 16);
    address.octets[2] = static_cast<uint8_t>(i >> 8);
    address.octets[3] = static_cast<uint8_t>(i);
    CHECK(table.admit(address) == Admission::ok);
    table.release(address);
    clock.advance(Millis(100));
    loop.run_turn(Millis(0));
  }
  CHECK(table.remembered() < 4'000);
}

TEST_CASE("a ticket comes back from another thread") {
  RealClock clock;
  Loop loop(clock);
  ConnectionTable table(loop, with([](Settings& s) { s.limits.ban = Seconds(60); }));
  REQUIRE(table.admit(ip("192.0.2.1")) == Admission::ok);
  std::thread([ticket = ConnectionTicket(table, ip("192.0.2.1"))]() mutable {
    ticket.ban_client();
    ConnectionTicket gone = std::move(ticket);
  }).join();
  CHECK(table.connections() == 1);
  while (table.connections() > 0) loop.run_turn(Millis(100));
  CHECK(table.admit(ip("192.0.2.1")) == Admission::banned);
}

TEST_CASE("messages and recipients a minute; a flood of clients costs bounded memory") {
  RateTable rates(100);
  MonoTime now{Seconds(1000)};
  CHECK(rates.take(ip("192.0.2.1"), 0, now));
  CHECK(rates.take(ip("192.0.2.1"), 2, now));
  CHECK(rates.take(ip("192.0.2.1"), 2, now));
  CHECK(!rates.take(ip("192.0.2.1"), 2, now));
  CHECK(rates.take(ip("192.0.2.1"), 2, now + Seconds(61)));
  IpAddress address = ip("10.0.0.0");
  for (int i = 0; i < 10'000; ++i) {
    address.octets[2] = static_cast<uint8_t>(i >> 8);
    address.octets[3] = static_cast<uint8_t>(i);
    rates.take(address, 5, now);
  }
  CHECK(rates.remembered() <= 101);
}

TEST_CASE("the memory budget") {
  MemoryBudget budget(10'000);
  BudgetShare one(budget);
  CHECK(one.grow_to(100));
  CHECK(budget.used() == 4096);
  {
    BudgetShare two(budget);
    CHECK(two.grow_to(5'000));
    CHECK(!two.grow_to(6'000));
    CHECK(budget.used() == 9'096);
  }
  CHECK(budget.used() == 4096);
  one.release();
  CHECK(budget.used() == 0);
}
