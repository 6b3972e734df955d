// The small structures: pool, heap, index, interner, recipient sets, merged ids, address filters.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "queue/filter.h"
#include "queue/flat_index.h"
#include "queue/interner.h"
#include "queue/limit_book.h"
#include "queue/merged_ids.h"
#include "queue/records.h"
#include "queue/retry_plan.h"
#include "queue/time_heap.h"

using namespace veredus;
using namespace veredus::queue_detail;

namespace {

struct Timed {
  uint32_t generation = 1;
  Index place = kNone;
};

}  // namespace

TEST_CASE("a pool's stale handle finds nothing") {
  Pool<Timed> pool;
  Index a = pool.take();
  uint64_t handle = pool.handle(a);
  CHECK(pool.find(handle) == a);
  pool.give_back(a);
  CHECK(pool.find(handle) == kNone);
  CHECK(pool.take() == a);
  CHECK(pool.find(handle) == kNone);
  CHECK(pool.find(0) == kNone);
  CHECK(pool.find(uint64_t{1} << 32 | 5000) == kNone);
}

TEST_CASE("a time heap agrees with a sorted set under random changes") {
  Pool<Timed> pool;
  TimeHeap<Timed, &Timed::place> heap(pool);
  std::map<Index, MonoTime> model;
  std::minstd_rand random(3);
  for (int i = 0; i < 200; ++i) pool.take();
  for (int step = 0; step < 20'000; ++step) {
    Index index = random() % 200;
    if (random() % 3 == 0) {
      heap.erase(index);
      model.erase(index);
    } else {
      MonoTime when{Millis(random() % 1000)};
      heap.set(index, when);
      model[index] = when;
    }
    REQUIRE(heap.size() == model.size());
    if (model.empty()) continue;
    MonoTime first = MonoTime::max();
    for (auto& [key, when] : model) first = std::min(first, when);
    REQUIRE(heap.first_time() == first);
    REQUIRE(model.at(heap.first()) == first);
    REQUIRE(heap.has(index) == (model.count(index) > 0));
  }
}

TEST_CASE("a flat index agrees with a map under random changes") {
  std::vector<uint64_t> keys(2000);
  std::minstd_rand random(5);
  for (uint64_t& key : keys) key = random() % 97;  // many collisions
  FlatIndex index;
  auto hash_of = [&](Index i) { return mixed(keys[i]) & 0xff; };
  std::set<Index> model;
  for (int step = 0; step < 30'000; ++step) {
    Index i = random() % 2000;
    if (model.count(i)) {
      index.erase(i, hash_of);
      model.erase(i);
    } else {
      index.insert(i, hash_of);
      model.insert(i);
    }
    Index probe = random() % 2000;
    Index found = index.find(hash_of(probe), [&](Index other) { return other == probe; });
    REQUIRE((found == probe) == (model.count(probe) > 0));
    REQUIRE(index.size() == model.size());
  }
}

TEST_CASE("interned strings live as long as their users") {
  Interner names;
  CHECK(names.take("") == 0);
  Index a = names.take("tenant");
  CHECK(names.take("tenant") == a);
  names.drop(a);
  CHECK(names.text(a) == "tenant");
  names.drop(a);
  CHECK(names.size() == 0);
  Index b = names.take("other");
  CHECK(names.text(b) == "other");
}

TEST_CASE("recipient sets keep one index or many") {
  RecipientSet set;
  CHECK(set.size() == 0);
  set.assign(std::vector<uint32_t>{0});
  CHECK(set.list() == std::vector<uint32_t>{0});
  set.assign(std::vector<uint32_t>{3, 1, 999'999});
  CHECK(set.size() == 3);
  CHECK(set.has(999'999));
  CHECK(!set.has(2));
  RecipientSet moved = std::move(set);
  CHECK(moved.list() == std::vector<uint32_t>{3, 1, 999'999});
  moved.assign({});
  CHECK(moved.list().empty());
}

TEST_CASE("merged ids come oldest first") {
  MergedIds ids;
  ids.add({MessageId{5}, MessageId{1}});
  ids.add({});
  ids.add({MessageId{4}, MessageId{2}, MessageId{9}});
  std::vector<uint64_t> seen;
  while (!ids.empty()) seen.push_back(ids.take().value);
  CHECK(seen == std::vector<uint64_t>{1, 2, 4, 5, 9});
}

TEST_CASE("names and addresses match patterns") {
  CHECK(matches_name("a.test", "A.test"));
  CHECK(!matches_name("a.test", "b.a.test"));
  CHECK(matches_name(".a.test", "b.a.test"));
  CHECK(!matches_name(".a.test", "a.test"));
  CHECK(!matches_name("a.test", "ba.test"));
  CHECK(matches_name("*", ""));
  CHECK(matches_name("smtp://127.0.0.1*", "smtp://127.0.0.1:25"));
  CHECK(!matches_name("", "a.test"));
  CHECK(matches_address("a@b.test", "a@b.test"));
  CHECK(matches_address("*@b.test", "x@B.test"));
  CHECK(matches_address("x@*", "x@anything.test"));
  CHECK(!matches_address("x@*", "y@anything.test"));
  CHECK(matches_address("*@.b.test", "x@sub.b.test"));
  CHECK(matches_address("<>", ""));
  CHECK(!matches_address("*@b.test", ""));
  CHECK(matches_address("postmaster", "postmaster"));
}

TEST_CASE("the retry list repeats its last entry") {
  QueueSettings settings;
  settings.retry = {Millis(1000), Millis(2000)};
  CHECK(RetryPlan::base(settings, 0) == Millis(1000));
  CHECK(RetryPlan::base(settings, 1) == Millis(1000));
  CHECK(RetryPlan::base(settings, 2) == Millis(2000));
  CHECK(RetryPlan::base(settings, 60'000) == Millis(2000));
  settings.jitter = 50;
  RetryPlan plan(1);
  for (int i = 0; i < 1000; ++i) {
    Millis wait = plan.wait(settings, 2);
    REQUIRE(wait >= Millis(1000));
    REQUIRE(wait <= Millis(3000));
  }
  settings.retry.clear();
  CHECK(RetryPlan::base(settings, 3) > Millis(0));
}
