// Loop: timers, the inbox, the ready list, and tasks that are cancelled.
#include "loop/loop.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>

#include "loop/scope.h"
#include "loop/wait.h"

using namespace veredus;

namespace {

struct Recorder {
  std::vector<int> seen;
  static void fire(void* self) { static_cast<Recorder*>(self)->seen.push_back(1); }
};

Task<int> answer(int value) { co_return value; }

Task<void> count_up(Loop& loop, int rounds, int& total) {
  for (int i = 0; i < rounds; ++i) {
    total += co_await answer(1);
    if (i % 100 == 0) co_await sleep_for(loop, Millis(0));
  }
}

struct Guard {
  explicit Guard(int& n) : alive(n) { ++alive; }
  ~Guard() { --alive; }
  int& alive;
};

Task<void> wait_for_ever(Loop& loop, int& alive) {
  Guard guard(alive);
  co_await sleep_until(loop, Deadline::never());
}

Task<void> nested(Loop& loop, int depth, int& alive) {
  Guard guard(alive);
  if (depth > 0) co_await nested(loop, depth - 1, alive);
  else co_await wait_for_ever(loop, alive);
}

}  // namespace

TEST_CASE("timers fire in order of time and not after cancel") {
  FakeClock clock;
  Loop loop(clock);
  std::vector<Timer> timers(500);
  struct Note {
    std::vector<int>* order;
    int index;
  };
  std::vector<Note> notes(500);
  std::vector<int> due(500), order;
  std::minstd_rand random(7);
  for (int i = 0; i < 500; ++i) {
    due[i] = static_cast<int>(random() % 1000);
    notes[i] = {&order, i};
    timers[i].start(loop, clock.mono() + Millis(due[i]),
                    [](void* n) { static_cast<Note*>(n)->order->push_back(static_cast<Note*>(n)->index); }, &notes[i]);
  }
  for (int i = 0; i < 500; i += 5) timers[i].cancel();
  for (int step = 0; step < 10; ++step) {
    clock.advance(Millis(100));
    loop.run_turn(Millis(0));
  }
  CHECK(order.size() == 400);
  for (size_t i = 1; i < order.size(); ++i) CHECK(due[order[i - 1]] <= due[order[i]]);
}

TEST_CASE("jobs from several threads all arrive, in order per thread") {
  RealClock clock;
  Loop loop(clock);
  std::vector<std::vector<int>> seen(4);
  int arrived = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i)
        loop.post_call([&, t, i] {
          seen[t].push_back(i);
          if (++arrived == 20'000) loop.stop();
        });
    });
  loop.run();
  for (auto& thread : threads) thread.join();
  for (auto& one : seen) {
    CHECK(one.size() == 5000);
    CHECK(std::is_sorted(one.begin(), one.end()));
  }
}

TEST_CASE("a scope runs tasks to their end and says when it is idle") {
  RealClock clock;
  Loop loop(clock);
  Scope scope(loop);
  int total = 0;
  for (int i = 0; i < 10; ++i) scope.spawn(count_up(loop, 1000, total));
  while (scope.running() > 0) loop.run_turn(Millis(100));
  CHECK(total == 10'000);
}

TEST_CASE("cancelling destroys nested frames and leaves no timer behind") {
  FakeClock clock;
  Loop loop(clock);
  int alive = 0;
  {
    Scope scope(loop);
    for (int i = 0; i < 50; ++i) scope.spawn(nested(loop, i, alive));
    CHECK(alive > 50);
    scope.cancel();
    CHECK(alive == 0);
    scope.spawn(nested(loop, 3, alive));
  }
  CHECK(alive == 0);
}
