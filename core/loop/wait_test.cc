// Event, mailbox, remote answers and the work pool.
#include "loop/wait.h"

#include <doctest/doctest.h>

#include <string>

#include "loop/remote.h"
#include "loop/scope.h"
#include "loop/work_pool.h"

using namespace veredus;

namespace {

Task<void> wait_event(Event& event, Deadline deadline, std::vector<bool>& results) {
  results.push_back(co_await event.wait(deadline));
}

Task<void> take_all(Mailbox<int>& box, std::vector<int>& out, size_t count) {
  while (out.size() < count) {
    co_await box.filled(Deadline::never());
    while (auto value = box.take()) out.push_back(*value);
  }
}

Task<void> ask(Loop& loop, WorkPool& pool, int n, std::vector<int>& out) {
  std::function<Result<int>()> square = [n]() -> Result<int> { return n * n; };
  auto result = co_await run_on<int>(loop, pool, std::move(square));
  out.push_back(result ? *result : -1);
}

Task<void> ask_dropped(Loop& loop, std::string& text) {
  Remote<int> remote(loop);
  { auto promise = remote.promise(); }
  co_await remote.answered(Deadline::never());
  auto result = remote.take();
  text = result ? "value" : result.error().text;
}

}  // namespace

TEST_CASE("an event wakes every waiter; a deadline wakes one") {
  FakeClock clock;
  Loop loop(clock);
  Event event(loop);
  Scope scope(loop);
  std::vector<bool> results;
  scope.spawn(wait_event(event, Deadline::in(loop, Millis(50)), results));
  scope.spawn(wait_event(event, Deadline::in(loop, Millis(500)), results));
  clock.advance(Millis(60));
  loop.run_turn(Millis(0));
  CHECK(results == std::vector<bool>{false});
  event.set();
  event.set();
  loop.run_turn(Millis(0));
  CHECK(results == std::vector<bool>{false, true});
  CHECK(scope.running() == 0);
}

TEST_CASE("a mailbox keeps the order") {
  FakeClock clock;
  Loop loop(clock);
  Mailbox<int> box(loop);
  Scope scope(loop);
  std::vector<int> out;
  scope.spawn(take_all(box, out, 6));
  for (int i = 0; i < 3; ++i) box.put(i);
  loop.run_turn(Millis(0));
  for (int i = 3; i < 6; ++i) box.put(i);
  loop.run_turn(Millis(0));
  CHECK(out == std::vector<int>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("pool results come back on the asking loop; a dropped promise answers") {
  RealClock clock;
  Loop loop(clock);
  WorkPool pool(3);
  Scope scope(loop);
  std::vector<int> out;
  for (int i = 0; i < 100; ++i) scope.spawn(ask(loop, pool, i, out));
  while (scope.running() > 0) loop.run_turn(Millis(100));
  CHECK(out.size() == 100);
  std::string text;
  scope.spawn(ask_dropped(loop, text));
  while (scope.running() > 0) loop.run_turn(Millis(100));
  CHECK(text == "the other side ended");
}

TEST_CASE("an asker that goes away first does no harm") {
  RealClock clock;
  Loop loop(clock);
  WorkPool pool(2);
  std::vector<int> out;
  {
    Scope scope(loop);
    for (int i = 0; i < 50; ++i) scope.spawn(ask(loop, pool, i, out));
  }
  for (int i = 0; i < 20; ++i) loop.run_turn(Millis(1));
  CHECK(out.empty());
}
