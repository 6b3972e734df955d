// What every Kv does, over the store in a file and its twin in memory.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "log/sinks.h"
#include "loop/scope.h"
#include "store/kv_store.h"
#include "store/memory_kv.h"

using namespace veredus;

namespace {

struct Rig {
  explicit Rig(bool memory) {
    char name[] = "/tmp/veredus-kv-XXXXXX";
    REQUIRE(mkdtemp(name));
    directory = name;
    if (memory) {
      kv = std::make_unique<MemoryKv>(clock);
      return;
    }
    KvStoreOptions options;
    options.path = directory + "/kv.db";
    options.max_cached = 4;  // so that entries come from memory and from the file
    auto opened = KvStore::open(options, clock, lines);
    REQUIRE(opened);
    kv = std::move(*opened);
  }
  ~Rig() {
    kv.reset();
    std::filesystem::remove_all(directory);
  }

  static Task<void> ask(Rig& rig, std::string space, std::vector<KvOp> ops, std::optional<Result<std::vector<KvAnswer>>>& into) {
    into.emplace(co_await rig.kv->run(rig.loop, std::move(space), std::move(ops), Deadline::never()));
  }
  Result<std::vector<KvAnswer>> run(std::vector<KvOp> ops, std::string space = "test") {
    std::optional<Result<std::vector<KvAnswer>>> answers;
    Scope scope(loop);
    scope.spawn(ask(*this, std::move(space), std::move(ops), answers));
    while (!answers) loop.run_turn(Millis(1000));
    return std::move(*answers);
  }
  KvAnswer one(KvOp op, std::string space = "test") {
    auto answers = run({std::move(op)}, std::move(space));
    REQUIRE(answers);
    REQUIRE(answers->size() == 1);
    return answers->front();
  }

  FakeClock clock;
  Loop loop{clock};
  ListSink lines;
  std::string directory;
  std::unique_ptr<Kv> kv;
};

#define OVER_BOTH(rig)                  \
  bool memory = false;                  \
  SUBCASE("file") {}                    \
  SUBCASE("memory") { memory = true; }  \
  Rig rig(memory)

std::string keys(const KvAnswer& answer) {
  std::string all;
  for (const KvEntry& entry : answer.entries) all += (all.empty() ? "" : " ") + entry.key;
  return all;
}

}  // namespace

TEST_CASE("an entry is there until it is removed or replaced, octets as they are") {
  OVER_BOTH(rig);
  std::string odd("k\0\xFF y", 5), value("\0v\xFE", 3);
  CHECK(!rig.one(KvOp::get(odd)).done);
  CHECK(rig.one(KvOp::put(odd, value)).done);
  KvAnswer got = rig.one(KvOp::get(odd));
  CHECK(got.done);
  CHECK(got.value == value);
  CHECK(got.ttl_left == Millis(0));
  rig.one(KvOp::put(odd, ""));
  CHECK(rig.one(KvOp::get(odd)).done);
  CHECK(rig.one(KvOp::get(odd)).value.empty());
  CHECK(!rig.one(KvOp::get("k")).done);
  CHECK(!rig.one(KvOp::get(odd), "another").done);
  CHECK(rig.one(KvOp::remove(odd)).done);
  CHECK(!rig.one(KvOp::remove(odd)).done);
  CHECK(!rig.one(KvOp::get(odd)).done);
}

TEST_CASE("put if absent stores once") {
  OVER_BOTH(rig);
  CHECK(rig.one(KvOp::put_if_absent("k", "first", Seconds(10))).done);
  CHECK(!rig.one(KvOp::put_if_absent("k", "second")).done);
  CHECK(rig.one(KvOp::get("k")).value == "first");
  rig.clock.advance(Seconds(10));
  CHECK(rig.one(KvOp::put_if_absent("k", "third")).done);
  CHECK(rig.one(KvOp::get("k")).value == "third");
}

TEST_CASE("entries end by the clock") {
  OVER_BOTH(rig);
  rig.one(KvOp::put("k", "v", Millis(1500)));
  rig.clock.advance(Millis(1499));
  CHECK(rig.one(KvOp::get("k")).ttl_left == Millis(1));
  for (int i = 0; i < 20; ++i) rig.one(KvOp::put("other" + std::to_string(i), "v"));
  rig.clock.advance(Millis(1));
  CHECK(!rig.one(KvOp::get("k")).done);
  CHECK(!rig.one(KvOp::remove("k")).done);
  CHECK(keys(rig.one(KvOp::list("k"))).empty());
  CHECK(rig.one(KvOp::count("")).number == 20);
}

TEST_CASE("add counts; its time to live is set at the first addition, or extended by each") {
  OVER_BOTH(rig);
  KvAnswer first = rig.one(KvOp::add("n", 5, Seconds(10)));
  CHECK(first.number == 5);
  CHECK(first.done);
  rig.clock.advance(Seconds(6));
  KvAnswer second = rig.one(KvOp::add("n", -7, Seconds(10)));
  CHECK(second.number == -2);
  CHECK(!second.done);
  CHECK(rig.one(KvOp::get("n")).value == "-2");
  CHECK(rig.one(KvOp::get("n")).ttl_left == Seconds(4));
  rig.one(KvOp::add("n", 1, Seconds(10), true));
  CHECK(rig.one(KvOp::get("n")).ttl_left == Seconds(10));
  rig.clock.advance(Seconds(10));
  CHECK(rig.one(KvOp::add("n", 1)).number == 1);
  rig.one(KvOp::put("n", std::to_string(INT64_MAX)));
  CHECK(rig.one(KvOp::add("n", 1)).status.error().code == Errc::limit);
  CHECK(rig.one(KvOp::add("n", -1)).number == INT64_MAX - 1);
  for (const char* text : {"", "x", "1x", " 1", "9223372036854775808"}) {
    CAPTURE(text);
    rig.one(KvOp::put("n", text));
    CHECK(rig.one(KvOp::add("n", 1)).status.error().code == Errc::invalid);
    CHECK(rig.one(KvOp::get("n")).value == text);
  }
}

TEST_CASE("a token bucket: a burst of its capacity, then its rate; it says how long to wait") {
  OVER_BOTH(rig);
  TokenBucket bucket{3, 0.5, 1};
  for (int i = 0; i < 3; ++i) CHECK(rig.one(KvOp::take("b", bucket)).done);
  KvAnswer refused = rig.one(KvOp::take("b", bucket));
  CHECK(!refused.done);
  CHECK(refused.wait == Millis(2000));
  rig.clock.advance(Millis(1999));
  CHECK(rig.one(KvOp::take("b", bucket)).wait == Millis(1));
  rig.clock.advance(Millis(1));
  CHECK(rig.one(KvOp::take("b", bucket)).done);
  CHECK(!rig.one(KvOp::take("b", bucket)).done);
  bucket.cost = 0;
  CHECK(rig.one(KvOp::take("b", bucket)).done);
  bucket.cost = 3;
  CHECK(rig.one(KvOp::take("b", bucket)).wait == Millis(6000));
  rig.clock.advance(Seconds(100));
  CHECK(!rig.one(KvOp::get("b")).done);  // full: the same as none
  CHECK(rig.one(KvOp::take("b", bucket)).done);
  CHECK(!rig.one(KvOp::take("b", bucket)).done);
  rig.clock.step_wall(Seconds(-3600));
  KvAnswer set_back = rig.one(KvOp::take("b", bucket));
  CHECK(!set_back.done);
  CHECK(set_back.wait == Millis(6000));
}

TEST_CASE("slow rates lose nothing in many small steps") {
  OVER_BOTH(rig);
  TokenBucket bucket{1, 10.0 / 3600, 1};
  int taken = 0;
  for (int second = 0; second < 3600; ++second) {
    taken += rig.one(KvOp::take("b", bucket)).done;
    rig.clock.advance(Seconds(1));
  }
  CHECK(taken == 10);
}

TEST_CASE("what is no bucket, and a bucket that cannot be, are refused") {
  OVER_BOTH(rig);
  rig.one(KvOp::put("text", "12345678901234567"));
  CHECK(rig.one(KvOp::take("text", {1, 1, 1})).status.error().code == Errc::invalid);
  CHECK(rig.one(KvOp::get("text")).value == "12345678901234567");
  double nan = std::nan(""), endless = INFINITY;
  for (TokenBucket bucket : {TokenBucket{0, 1, 0}, {-1, 1, 0}, {nan, 1, 1}, {endless, 1, 1}, {1, 0, 1}, {1, -1, 1}, {1, nan, 1}, {1, endless, 1},
                             {1, 1, -1}, {1, 1, 2}, {1, 1, nan}})
    CHECK(rig.one(KvOp::take("b", bucket)).status.error().code == Errc::invalid);
  CHECK(!rig.one(KvOp::get("b")).done);
}

TEST_CASE("keys by prefix, in order, in pieces") {
  OVER_BOTH(rig);
  for (const char* key : {"b/3", "a/1", "b/1", "b", "c", "b/2", "b\xFF", "b0"}) rig.one(KvOp::put(key, key));
  rig.one(KvOp::put("b/1", "elsewhere"), "other");
  CHECK(keys(rig.one(KvOp::list("b/"))) == "b/1 b/2 b/3");
  CHECK(keys(rig.one(KvOp::list(""))) == "a/1 b b/1 b/2 b/3 b0 b\xFF c");
  CHECK(keys(rig.one(KvOp::list("b\xFF"))) == "b\xFF");
  KvAnswer piece = rig.one(KvOp::list("b/", 2));
  CHECK(keys(piece) == "b/1 b/2");
  CHECK(piece.entries[0].value == "b/1");
  CHECK(piece.next == "b/2");
  piece = rig.one(KvOp::list("b/", 2, piece.next));
  CHECK(keys(piece) == "b/3");
  CHECK(piece.next.empty());
  CHECK(keys(rig.one(KvOp::list("b/", 10, "a"))) == "b/1 b/2 b/3");
  CHECK(keys(rig.one(KvOp::list("b/", 10, "zzz"))).empty());
  CHECK(rig.one(KvOp::count("b/")).number == 3);
  CHECK(rig.one(KvOp::count("", 5)).number == 5);
  CHECK(rig.one(KvOp::count(""), "nobody").number == 0);
  rig.one(KvOp::remove("b/2"));
  CHECK(keys(rig.one(KvOp::list("b/"))) == "b/1 b/3");
}

TEST_CASE("an answer that would be too large goes on elsewhere") {
  OVER_BOTH(rig);
  for (int i = 10; i < 50; ++i) rig.one(KvOp::put(std::to_string(i), std::string(kKvMaxValue, 'x')));
  size_t seen = 0, rounds = 0;
  for (std::string next; rounds == 0 || !next.empty(); ++rounds) {
    KvAnswer piece = rig.one(KvOp::list("", 1000, next));
    CHECK(piece.entries.size() < 17);
    seen += piece.entries.size();
    next = piece.next;
  }
  CHECK(seen == 40);
  CHECK(rounds == 3);
}

TEST_CASE("a batch: in order, each operation with its own answer") {
  OVER_BOTH(rig);
  auto answers = rig.run({KvOp::put("k", "x"), KvOp::add("k", 1), KvOp::get("k"), KvOp::remove("k"), KvOp::get("k"), KvOp::add("k", 2),
                          KvOp::put(std::string(513, 'k'), "v"), KvOp::count("")});
  REQUIRE(answers);
  REQUIRE(answers->size() == 8);
  CHECK((*answers)[0].done);
  CHECK(!(*answers)[1].status);
  CHECK((*answers)[2].value == "x");
  CHECK((*answers)[3].done);
  CHECK(!(*answers)[4].done);
  CHECK((*answers)[5].number == 2);
  CHECK((*answers)[6].status.error().code == Errc::invalid);
  CHECK((*answers)[7].number == 1);
}

TEST_CASE("requests beyond the bounds are refused with the reason") {
  OVER_BOTH(rig);
  CHECK(rig.one(KvOp::put(std::string(512, 'k'), std::string(65536, 'v'))).done);
  CHECK(rig.one(KvOp::put("k", std::string(65537, 'v'))).status.error().code == Errc::limit);
  CHECK(rig.one(KvOp::get("")).status.error().code == Errc::invalid);
  CHECK(rig.one(KvOp::put("k", "v", Millis(-1))).status.error().code == Errc::invalid);
  CHECK(rig.one(KvOp::put("k", "v", Millis::max())).status.error().code == Errc::invalid);
  CHECK(rig.one(KvOp::list("", 0)).status.error().code == Errc::invalid);
  CHECK(rig.one(KvOp::list("", kKvMaxListed + 1)).status.error().code == Errc::invalid);
  CHECK(rig.one(KvOp::count("", kKvMaxCounted + 1)).status.error().code == Errc::invalid);
  CHECK(rig.run({}).error().code == Errc::invalid);
  CHECK(rig.run(std::vector<KvOp>(kKvMaxOps + 1, KvOp::get("k"))).error().code == Errc::limit);
  for (std::string space : {std::string(), std::string(65, 's'), std::string("a b"), std::string("a\0b", 3)})
    CHECK(rig.run({KvOp::get("k")}, space).error().code == Errc::invalid);
}
