// Guessing: counted by client and by account, forgotten in time, and bounded.
#include "inbound/auth_guard.h"

#include <doctest/doctest.h>

#include "inbound/account_rates.h"
#include "loop/scope.h"

using namespace veredus;

namespace {

struct Guarded {
  FakeClock clock;
  Loop loop{clock};
  Settings settings = default_settings();
  IpAddress client = *IpAddress::parse("192.0.2.1"), other = *IpAddress::parse("198.51.100.7");

  explicit Guarded(uint32_t failures = 3) { settings.auth.failures = failures; }
  std::shared_ptr<const Settings> shared() const { return std::make_shared<const Settings>(settings); }
  void pass(Millis time) {
    clock.advance(time);
    loop.run_turn(Millis(0));
  }
};

}  // namespace

TEST_CASE("a client and an account are refused after so many failures, until the time is over") {
  Guarded rig;
  AuthGuard guard(rig.loop, rig.shared());
  for (int i = 0; i < 3; ++i) {
    CHECK(guard.allows(rig.client, "ann"));
    guard.failed(rig.client, "ann");
  }
  CHECK_FALSE(guard.allows(rig.client, "ann"));
  CHECK_FALSE(guard.allows(rig.client, "bob"));  // the client is known
  CHECK_FALSE(guard.allows(rig.other, "ANN"));   // the account is
  CHECK(guard.allows(rig.other, "bob"));
  CHECK(guard.allows(rig.other, ""));
  rig.pass(rig.settings.auth.failure_period + Millis(1));
  CHECK(guard.allows(rig.client, "ann"));
}

TEST_CASE("each failure costs twice the time of the one before, with an end") {
  Guarded rig(0);
  AuthGuard guard(rig.loop, rig.shared());
  for (long wanted : {1'000, 2'000, 4'000, 8'000, 16'000, 32'000, 32'000}) CHECK(guard.failed(rig.client, "ann").count() == wanted);
  CHECK(guard.allows(rig.client, "ann"));  // 0 failures: no bound
}

TEST_CASE("a flood of names does not wash away the account that is being guessed") {
  Guarded rig(10);
  AuthGuard guard(rig.loop, rig.shared(), 1'000);
  for (int i = 0; i < 10; ++i) guard.failed(rig.client, "victim");
  for (int i = 0; i < 20'000; ++i) {
    IpAddress one = *IpAddress::parse("10." + std::to_string(i / 65'536) + "." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256));
    guard.failed(one, "name" + std::to_string(i));
  }
  CHECK(guard.remembered() <= 1'001);
  CHECK_FALSE(guard.allows(rig.other, "victim"));
}

TEST_CASE("an address of IPv6 stands for its network") {
  Guarded rig(1);
  AuthGuard guard(rig.loop, rig.shared());
  guard.failed(*IpAddress::parse("2001:db8::1"), "");
  CHECK_FALSE(guard.allows(*IpAddress::parse("2001:db8::2"), "ann"));
}

TEST_CASE("what an account sends is counted by the hour, messages apart from recipients") {
  Guarded rig;
  AccountRates rates(rig.loop);
  using What = AccountRates::What;
  CHECK(rates.take("ann", What::messages, 2));
  CHECK(rates.take("ANN", What::messages, 2));
  CHECK_FALSE(rates.take("ann", What::messages, 2));
  CHECK(rates.take("ann", What::recipients, 2));
  CHECK(rates.take("bob", What::messages, 2));
  rig.pass(Millis(3'600'001));
  CHECK(rates.take("ann", What::messages, 2));
}

TEST_CASE("the guard is asked from any loop") {
  Guarded rig(1);
  AuthGuard guard(rig.loop, rig.shared());
  Scope scope(rig.loop);
  bool first = false, second = true;
  auto ask = [](Guarded& r, AuthGuard& g, bool& before, bool& after) -> Task<void> {
    before = co_await guard_allows(r.loop, g, r.client, "ann");
    Millis delay = co_await guard_failed(r.loop, g, r.client, "ann");
    CHECK(delay == r.settings.auth.delay);
    after = co_await guard_allows(r.loop, g, r.client, "ann");
  };
  scope.spawn(ask(rig, guard, first, second));
  while (scope.running() > 0) rig.loop.run_turn(Millis(10));
  CHECK(first);
  CHECK_FALSE(second);
}
