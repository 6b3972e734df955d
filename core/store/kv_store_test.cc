// The store in a file: what stays, what happens to damage, full disks, full queues and askers that leave.
#include "store/kv_store.h"

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "log/sinks.h"
#include "loop/scope.h"

using namespace veredus;
namespace fs = std::filesystem;

namespace {

using Answers = std::optional<Result<std::vector<KvAnswer>>>;

struct Disk {
  Disk() {
    char name[] = "/tmp/veredus-kv-XXXXXX";
    REQUIRE(mkdtemp(name));
    directory = name;
    options.path = (directory / "kv.db").string();
  }
  ~Disk() {
    store.reset();
    fs::remove_all(directory);
  }
  Disk(const Disk&) = delete;
  void open() {
    store.reset();
    auto opened = KvStore::open(options, clock, lines);
    REQUIRE(opened);
    store = std::move(*opened);
  }
  static Task<void> ask(KvStore& store, Loop& loop, std::vector<KvOp> ops, Deadline deadline, Answers& into) {
    into.emplace(co_await store.run(loop, "test", std::move(ops), deadline));
  }
  KvAnswer one(KvOp op) {
    Answers answers;
    Scope scope(loop);
    scope.spawn(ask(*store, loop, {std::move(op)}, Deadline::never(), answers));
    while (!answers) loop.run_turn(Millis(1000));
    REQUIRE(*answers);
    return (*answers)->front();
  }
  // Looks again until it is so, for at most 10 s.
  template <typename F>
  bool comes_true(F so) {
    for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10); std::chrono::steady_clock::now() < end; usleep(5000))
      if (so()) return true;
    return so();
  }
  size_t files_with(std::string_view part) const {
    size_t count = 0;
    for (const auto& file : fs::directory_iterator(directory)) count += file.path().filename().string().find(part) != std::string::npos;
    return count;
  }
  int64_t rows() const {
    sqlite3* db = nullptr;
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_open(options.path.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_prepare_v2(db, "SELECT count(*) FROM entry", -1, &statement, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return count;
  }

  FakeClock clock;
  Loop loop{clock};
  ListSink lines;
  fs::path directory;
  KvStoreOptions options;
  std::unique_ptr<KvStore> store;
};

void fill(Disk& disk, int count, size_t octets) {
  for (int i = 0; i < count; ++i) REQUIRE(disk.one(KvOp::put("key" + std::to_string(i), std::string(octets, 'v'))).done);
}

}  // namespace

TEST_CASE("everything answered is there after an ordinary end") {
  Disk disk;
  disk.open();
  fill(disk, 100, 100);
  disk.one(KvOp::add("n", 7));
  disk.one(KvOp::take("b", {2, 0.001, 1}));
  disk.one(KvOp::remove("key5"));
  disk.one(KvOp::put("short", "v", Seconds(5)));
  disk.open();
  CHECK(disk.one(KvOp::count("")).number == 102);
  CHECK(disk.one(KvOp::get("key99")).value == std::string(100, 'v'));
  CHECK(!disk.one(KvOp::get("key5")).done);
  CHECK(disk.one(KvOp::add("n", 1)).number == 8);
  CHECK(disk.one(KvOp::take("b", {2, 0.001, 1})).done);
  CHECK(!disk.one(KvOp::take("b", {2, 0.001, 1})).done);
  CHECK(disk.one(KvOp::get("short")).ttl_left == Seconds(5));
}

TEST_CASE("what a crash leaves behind has everything but the last moment, in whole requests") {
  Disk disk, after;
  disk.open();
  disk.one(KvOp::put("k", "v"));
  auto started = std::chrono::steady_clock::now();
  bool there = disk.comes_true([&] {
    for (const char* name : {"kv.db", "kv.db-wal"})
      if (fs::exists(disk.directory / name)) fs::copy_file(disk.directory / name, after.directory / name, fs::copy_options::overwrite_existing);
    after.open();
    bool found = after.one(KvOp::get("k")).done;
    after.store.reset();
    for (const auto& file : fs::directory_iterator(after.directory)) fs::remove(file);
    return found;
  });
  CHECK(there);
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
  CHECK(disk.comes_true([&] { return disk.store->commits() == 1; }));
}

TEST_CASE("many changes are one commit") {
  Disk disk;
  disk.options.commit_within = std::chrono::hours(1);
  disk.open();
  for (int i = 0; i < 1000; ++i) disk.one(KvOp::add("n" + std::to_string(i % 10), 1));
  CHECK(disk.store->commits() == 0);
  disk.open();
  CHECK(disk.one(KvOp::get("n3")).value == "100");
}

TEST_CASE("only one daemon has the file") {
  Disk disk;
  disk.open();
  auto second = KvStore::open(disk.options, disk.clock, disk.lines);
  REQUIRE(!second);
  CHECK(second.error().code == Errc::busy);
  CHECK(disk.one(KvOp::put("k", "v")).done);
}

TEST_CASE("a file of a newer version is left alone; a place that is not there is an error") {
  Disk disk;
  disk.open();
  disk.store.reset();
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(disk.options.path.c_str(), &db) == SQLITE_OK);
  sqlite3_exec(db, "PRAGMA user_version=2", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  CHECK(KvStore::open(disk.options, disk.clock, disk.lines).error().code == Errc::unsupported);
  CHECK(disk.files_with("damaged") == 0);
  disk.options.path = (disk.directory / "nowhere" / "kv.db").string();
  CHECK(KvStore::open(disk.options, disk.clock, disk.lines).error().code == Errc::io);
}

TEST_CASE("a file that is no database is set aside and a new one begun") {
  Disk disk;
  std::ofstream(disk.options.path) << std::string(100'000, '#');
  disk.open();
  CHECK(disk.lines.count("kv.damaged") == 1);
  CHECK(disk.files_with("kv.db.damaged-") == 1);
  CHECK(disk.one(KvOp::put("k", "v")).done);
  disk.open();
  CHECK(disk.one(KvOp::get("k")).done);
  CHECK(disk.lines.count("kv.damaged") == 1);
}

TEST_CASE("damage found later: set aside, and what is in memory goes into the new file") {
  Disk disk;
  disk.open();
  fill(disk, 2000, 500);
  disk.store.reset();
  size_t size = fs::file_size(disk.options.path);
  {
    std::fstream file(disk.options.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3 * 4096);
    file << std::string(size - 3 * 4096, '\xEE');
  }
  disk.open();
  REQUIRE(disk.lines.count("kv.damaged") == 0);
  disk.one(KvOp::get("key1000"));
  CHECK(disk.lines.count("kv.damaged") == 1);
  CHECK(disk.one(KvOp::put("new", "v")).done);
  CHECK(disk.one(KvOp::count("")).number == 1);
  CHECK(disk.files_with("kv.db.damaged-") >= 1);
  disk.open();
  CHECK(disk.one(KvOp::get("new")).done);
}

TEST_CASE("a full disk: changes are refused, reading goes on, nothing answered is lost, and it ends") {
  Disk disk;
  disk.options.max_octets = 40 * 4096;
  disk.options.commit_within = std::chrono::milliseconds(1);
  disk.options.retry_after = std::chrono::milliseconds(1);
  disk.open();
  int stored = 0;
  KvAnswer answer;
  while (stored < 1000 && (answer = disk.one(KvOp::put("key" + std::to_string(stored), std::string(3000, 'v')))).status) ++stored;
  REQUIRE(stored > 10);
  REQUIRE(stored < 1000);
  CHECK(answer.status.error().code == Errc::no_space);
  CHECK(disk.lines.count("kv.write_failed") >= 1);
  CHECK(disk.one(KvOp::add("n", 1)).status.error().code == Errc::no_space);
  CHECK(disk.one(KvOp::take("b", {1, 1, 1})).status.error().code == Errc::no_space);
  CHECK(disk.one(KvOp::get("key0")).value.size() == 3000);
  CHECK(disk.one(KvOp::get("key" + std::to_string(stored - 1))).done);
  // A fast machine has been promised more than fits; half of it does.
  const int removed = stored / 2;
  for (int i = 0; i < removed; ++i) CHECK(disk.one(KvOp::remove("key" + std::to_string(i))).done);
  CHECK(disk.comes_true([&] { return disk.one(KvOp::put("again", "v")).done; }));
  CHECK(disk.lines.count("kv.writes_again") >= 1);
  disk.open();
  CHECK(disk.one(KvOp::count("key")).number == stored - removed);
}

TEST_CASE("what is over is removed from the file in the background") {
  Disk disk;
  disk.options.sweep_every = std::chrono::milliseconds(1);
  disk.options.sweep_step = 10;
  disk.options.commit_within = std::chrono::milliseconds(1);
  disk.open();
  for (int i = 0; i < 55; ++i) disk.one(KvOp::put("short" + std::to_string(i), "v", Seconds(1)));
  disk.one(KvOp::put("long", "v", Seconds(1000)));
  disk.one(KvOp::put("always", "v"));
  disk.open();
  disk.clock.advance(Seconds(1));
  CHECK(disk.one(KvOp::count("")).number == 2);
  // An end waits for no sweep, so several openings may be needed.
  CHECK(disk.comes_true([&] {
    disk.store.reset();
    int64_t left = disk.rows();
    disk.open();
    return left == 2;
  }));
}

TEST_CASE("a full queue answers busy at once; one without room for octets too") {
  Disk disk;
  disk.options.max_queued = 10;
  disk.options.max_queued_octets = 100'000;
  disk.open();
  Answers large, many;
  Scope scope(disk.loop);
  scope.spawn(Disk::ask(*disk.store, disk.loop, std::vector<KvOp>(11, KvOp::get("k")), Deadline::never(), many));
  REQUIRE(many);
  CHECK(many->error().code == Errc::busy);
  std::vector<KvOp> ops(2, KvOp::put("k", std::string(60'000, 'x')));
  scope.spawn(Disk::ask(*disk.store, disk.loop, ops, Deadline::never(), large));
  REQUIRE(large);
  CHECK(large->error().code == Errc::busy);
  CHECK(disk.one(KvOp::put("k", std::string(60'000, 'x'))).done);
}

TEST_CASE("askers may leave or lose patience at any moment") {
  Disk disk;
  disk.open();
  std::vector<Answers> answers(300);
  {
    Scope scope(disk.loop);
    for (Answers& into : answers)
      scope.spawn(Disk::ask(*disk.store, disk.loop, std::vector<KvOp>(50, KvOp::add("n", 1)), Deadline{disk.loop.now()}, into));
    disk.loop.run_turn(Millis(0));
    for (int i = 0; i < 100; ++i)
      scope.spawn(Disk::ask(*disk.store, disk.loop, std::vector<KvOp>(50, KvOp::add("n", 1)), Deadline::never(), answers[0]));
  }
  size_t late = 0;
  for (Answers& one : answers) late += one && !*one && one->error().code == Errc::timeout;
  CHECK(late > 0);
  int64_t counted = disk.one(KvOp::add("n", 0)).number;  // requests are carried out whole or not at all
  CHECK(counted % 50 == 0);
  CHECK(counted <= 400 * 50);
  CHECK(disk.store->queued() == 0);
}

TEST_CASE("many loops at once add without losing one") {
  Disk disk;
  disk.options.max_unsaved = 7;
  disk.options.max_cached = 5;
  disk.open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&disk] {
      Loop loop(disk.clock);
      Scope scope(loop);
      std::vector<Answers> answers(50);
      for (size_t i = 0; i < answers.size(); ++i) {
        std::vector<KvOp> ops(20, KvOp::add("n" + std::to_string(i % 9), 1));
        scope.spawn(Disk::ask(*disk.store, loop, std::move(ops), Deadline::never(), answers[i]));
      }
      while (scope.running() > 0) loop.run_turn(Millis(1000));
    });
  for (std::thread& thread : threads) thread.join();
  int64_t sum = 0;
  for (int i = 0; i < 9; ++i) sum += disk.one(KvOp::add("n" + std::to_string(i), 0)).number;
  CHECK(sum == 4 * 50 * 20);
}

TEST_CASE("the end carries out what is queued") {
  Disk disk;
  disk.open();
  std::vector<Answers> answers(200);
  {
    Scope scope(disk.loop);
    for (Answers& into : answers)
      scope.spawn(Disk::ask(*disk.store, disk.loop, std::vector<KvOp>(100, KvOp::add("n", 1)), Deadline::never(), into));
    disk.store.reset();
    while (scope.running() > 0) disk.loop.run_turn(Millis(1000));
  }
  disk.open();
  CHECK(disk.one(KvOp::get("n")).value == "20000");
}
