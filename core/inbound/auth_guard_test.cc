// Guessing: counted by client and by account, forgotten in time, and bounded.
#include "inbound/auth_guard.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <vector>

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

namespace {

// Answers of begin(), in the order asked; granted turns are held until the test lets them go.
struct Guessers {
  Guarded& rig;
  AuthGuard& guard;
  std::vector<std::unique_ptr<Remote<Guess>>> asked;
  std::vector<Guess> answers;

  void ask(const IpAddress& client, const std::string& account) {
    guard.begin(client, account, asked.emplace_back(std::make_unique<Remote<Guess>>(rig.loop))->promise());
    look();
  }
  void look() {
    rig.loop.run_turn(Millis(0));
    answers.resize(asked.size());
    for (size_t i = 0; i < asked.size(); ++i)
      if (Result<Guess> answer = asked[i] && !known.contains(i) ? asked[i]->take() : Result<Guess>(fail(Errc::timeout, "")); answer)
        known.insert(i), answers[i] = std::move(*answer);
  }
  void let_go(size_t number) {
    answers[number].turn = {};
    look();
    look();
  }
  std::string text() const {
    std::string out;
    for (size_t i = 0; i < answers.size(); ++i)
      out += !known.contains(i) ? '.' : answers[i].answer == Guess::Answer::granted ? 'g' : answers[i].answer == Guess::Answer::blocked ? 'x' : 'b';
    return out;
  }
  std::set<size_t> known{};
};

}  // namespace

TEST_CASE("guesses side by side: never more than may still fail; the others wait, and are refused when these fail") {
  Guarded rig;
  AuthGuard guard(rig.loop, rig.shared());
  Guessers many{rig, guard, {}, {}};
  for (int i = 0; i < 6; ++i) many.ask(rig.client, "ann");
  CHECK(many.text() == "ggg...");
  many.let_go(0);  // was right
  CHECK(many.text() == "gggg..");
  for (size_t i : {1, 2, 3}) guard.failed(rig.client, "ann"), many.let_go(i);
  CHECK(many.text() == "ggggxx");
  CHECK(guard.in_flight() == 0);
  CHECK_FALSE(guard.allows(rig.client, "bob"));
}

TEST_CASE("guesses side by side: from many places about one account, and about many accounts from one place") {
  Guarded rig;
  AuthGuard guard(rig.loop, rig.shared());
  Guessers many{rig, guard, {}, {}};
  for (int i = 0; i < 5; ++i) many.ask(*IpAddress::parse("10.0.0." + std::to_string(i)), "ann");
  CHECK(many.text() == "ggg..");
  for (int i = 0; i < 5; ++i) many.ask(rig.client, "name" + std::to_string(i));
  CHECK(many.text() == "ggg..ggg..");
  many.ask(rig.other, "");
  CHECK(many.text() == "ggg..ggg..g");
  for (size_t i = 0; i < 11; ++i) many.let_go(i);
  CHECK(many.text() == "ggggggggggg");
  CHECK(guard.in_flight() == 0);
}

TEST_CASE("an account that many use at once waits for itself and is not locked out; who waits has a bound; who went away leaves no turn") {
  Guarded rig;
  AuthGuard guard(rig.loop, rig.shared());
  Guessers many{rig, guard, {}, {}};
  for (size_t i = 0; i < 3 + AuthGuard::kMostWaiting + 1; ++i) many.ask(rig.client, "ann");
  CHECK(many.text().substr(0, 4) == "ggg.");
  CHECK(many.text().back() == 'b');
  for (size_t i = 3; i < 250; ++i) many.asked[i].reset();
  for (size_t i = 0; i < many.asked.size(); ++i) many.let_go(i);
  for (int i = 0; i < 600; ++i) many.look();
  for (size_t i = 250; i < 259; ++i) CHECK(many.answers[i].answer == Guess::Answer::granted);
  many.answers.clear();
  many.look();
  CHECK(guard.in_flight() == 0);
  CHECK(guard.remembered() == 0);
}

TEST_CASE("a reload that lifts the bound lets those in who wait, at the next end") {
  Guarded rig;
  AuthGuard guard(rig.loop, rig.shared());
  Guessers many{rig, guard, {}, {}};
  for (int i = 0; i < 8; ++i) many.ask(rig.client, "ann");
  CHECK(many.text() == "ggg.....");
  rig.settings.auth.failures = 0;
  guard.reconfigure(rig.shared());
  many.let_go(0);
  CHECK(many.text() == "gggggggg");
}

TEST_CASE("a turn outlives its guard") {
  Guarded rig;
  auto guard = std::make_unique<AuthGuard>(rig.loop, rig.shared());
  Guessers many{rig, *guard, {}, {}};
  many.ask(rig.client, "ann");
  CHECK(many.text() == "g");
  guard.reset();
  many.answers.clear();
  rig.loop.run_turn(Millis(0));
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
    before = co_await guard_allows(r.loop, g, r.client);
    Millis delay = co_await guard_failed(r.loop, g, r.client, "ann");
    CHECK(delay == r.settings.auth.delay);
    after = co_await guard_allows(r.loop, g, r.client);
  };
  scope.spawn(ask(rig, guard, first, second));
  while (scope.running() > 0) rig.loop.run_turn(Millis(10));
  CHECK(first);
  CHECK_FALSE(second);
}
