// What a caller sees of the spool while nothing goes wrong: storing, reading, results, large bodies, restarts, compaction, the lock.
#include <doctest/doctest.h>

#include <cstdlib>

#include "spool/posix_storage.h"
#include "spool/test_world.h"

namespace veredus {
namespace {

Task<std::shared_ptr<LargeBody>> write_body(SpoolWorld& world, std::string octets) {
  Result<std::unique_ptr<BodyWriter>> writer = co_await world.spool->create_body(world.loop);
  if (!writer) co_return nullptr;
  Status appended = co_await (*writer.value()).append(std::move(octets));
  if (!appended) co_return nullptr;
  Result<std::shared_ptr<LargeBody>> body = co_await (*writer.value()).finish();
  if (!body) co_return nullptr;
  co_return *body;
}

MessageId store_large(SpoolWorld& world, const std::string& octets) {
  auto message = world.make(0);
  message->content.memory = nullptr;
  message->content.file = world.wait(write_body(world, octets));
  REQUIRE(message->content.file);
  REQUIRE(world.store(message));
  return message->envelope.id;
}

size_t files_in(SpoolWorld& world, const std::string& directory) { return (*world.storage.list(directory)).size(); }

}  // namespace

TEST_CASE("a stored message is read back as it was, at once and after a restart") {
  SpoolWorld world;
  REQUIRE(world.open());
  auto message = world.make(5000, 3);
  message->envelope.tenant = "acme";
  message->content.skip = 10;
  MessageId id = message->envelope.id;
  std::string whole = message->content.head + message->content.memory->substr(10);
  REQUIRE(world.store(message));
  for (int i = 0; i < 3; ++i) {
    CHECK(world.text(id) == whole);
    auto found = world.wait(world.spool->find(world.loop, id));
    REQUIRE(found);
    CHECK(*found->envelope == message->envelope);
    CHECK(found->size == whole.size());
    CHECK(found->recipients.size() == 3);
    REQUIRE(world.reopen());
  }
  CHECK(world.spool->newest_known() == id);
  CHECK(world.spool->status().messages == 1);
}

TEST_CASE("unknown ids, second copies and empty envelopes are refused") {
  SpoolWorld world;
  REQUIRE(world.open());
  auto message = world.make(10);
  REQUIRE(world.store(message));
  CHECK(world.store(message).error().code == Errc::exists);
  CHECK(world.wait(world.spool->load(world.loop, MessageId{77})).error().code == Errc::not_found);
  auto nobody = world.make(10);
  nobody->envelope.recipients.clear();
  CHECK(world.store(nobody).error().code == Errc::invalid);
}

TEST_CASE("results survive; a message whose recipients are all final is forgotten") {
  SpoolWorld world;
  REQUIRE(world.open());
  MessageId id = world.stored(100, 2);
  REQUIRE(world.finish(id, 1));
  auto deferred = SpoolWorld::change(id, 0, RecipientState::queued, "450 later");
  deferred[0].status.next_attempt = WallTime(Millis(123456));
  REQUIRE(world.wait(world.spool->record_now(world.loop, deferred)));
  for (int i = 0; i < 2; ++i) {
    auto found = world.wait(world.spool->find(world.loop, id));
    REQUIRE(found);
    CHECK(found->recipients[0].reply == "450 later");
    CHECK(found->recipients[0].next_attempt == WallTime(Millis(123456)));
    CHECK(found->recipients[1].state == RecipientState::delivered);
    REQUIRE(world.reopen());
  }
  REQUIRE(world.finish(id, 0));
  CHECK(world.wait(world.spool->find(world.loop, id)).error().code == Errc::not_found);
  REQUIRE(world.reopen());
  CHECK(world.all().empty());
}

TEST_CASE("a held message is held, and an amended envelope replaces the stored one") {
  SpoolWorld world;
  REQUIRE(world.open());
  auto message = world.make(100);
  message->envelope.held = true;
  message->envelope.hold_reason = "checked by hand";
  REQUIRE(world.store(message));
  auto changed = std::make_shared<Envelope>(message->envelope);
  changed->recipients[0].next_hop = "smtp://10.0.0.1";
  REQUIRE(world.wait(world.spool->amend(world.loop, changed)));
  REQUIRE(world.reopen());
  auto found = world.wait(world.spool->find(world.loop, changed->id));
  REQUIRE(found);
  CHECK(found->recipients[0].state == RecipientState::held);
  CHECK(found->recipients[0].reply == "checked by hand");
  CHECK(found->envelope->recipients[0].next_hop == "smtp://10.0.0.1");
  changed = std::make_shared<Envelope>(*changed);
  changed->recipients.emplace_back();
  CHECK(world.wait(world.spool->amend(world.loop, changed)).error().code == Errc::invalid);
}

TEST_CASE("large bodies have files that live as long as their message") {
  SpoolWorld world;
  REQUIRE(world.open());
  std::string octets(300'000, 'b');
  MessageId id = store_large(world, octets);
  REQUIRE(world.reopen());
  CHECK(world.text(id) == "Subject: " + id.text() + "\r\n\r\n" + octets);
  CHECK(files_in(world, "bodies") == 1);
  REQUIRE(world.finish(id));
  world.close();
  CHECK(files_in(world, "bodies") == 0);
}

TEST_CASE("a body that no message took is removed, also after a crash") {
  SpoolWorld world;
  REQUIRE(world.open());
  REQUIRE(world.wait(write_body(world, "dropped")));
  world.close();
  CHECK(files_in(world, "bodies") == 0);
  world.storage.replace("bodies/0000000000ABC", "left over");
  REQUIRE(world.open());
  CHECK(files_in(world, "bodies") == 0);
  CHECK(world.observer.count(SpoolEvent::orphan_removed) == 1);
}

TEST_CASE("scan visits everything unfinished, oldest first, and stops when told") {
  SpoolWorld world;
  REQUIRE(world.open());
  std::vector<MessageId> ids;
  for (int i = 0; i < 400; ++i) ids.push_back(world.stored(200));
  for (int i = 0; i < 400; i += 2) world.spool->record(SpoolWorld::change(ids[i], 0, RecipientState::delivered));
  REQUIRE(world.reopen());
  auto all = world.all();
  REQUIRE(all.size() == 200);
  for (size_t i = 0; i < all.size(); ++i) CHECK(all[i].envelope->id == ids[2 * i + 1]);
  int seen = 0;
  auto visit = [&seen](const StoredMessage&) { return ++seen < 5; };
  REQUIRE(world.wait(world.spool->scan(world.loop, visit)));
  CHECK(seen == 5);
}

TEST_CASE("finished segments go, mostly dead ones are emptied, and nothing returns") {
  SpoolWorld world;
  REQUIRE(world.open());
  std::vector<MessageId> kept;
  for (int i = 0; i < 300; ++i) {
    MessageId id = world.stored(1000, 2);
    REQUIRE(id);
    REQUIRE(world.finish(id, 0));
    if (i % 20 == 0)
      kept.push_back(id);
    else
      world.spool->record(SpoolWorld::change(id, 1, RecipientState::delivered));
  }
  REQUIRE(world.observer.wait_for(SpoolEvent::compacted, 3));
  REQUIRE(world.observer.wait_for(SpoolEvent::segment_removed, 3));
  for (int i = 0; i < 2; ++i) {
    auto all = world.all();
    REQUIRE(all.size() == kept.size());
    for (size_t n = 0; n < all.size(); ++n) {
      CHECK(all[n].envelope->id == kept[n]);
      CHECK(all[n].recipients[0].state == RecipientState::delivered);
      CHECK(all[n].recipients[1].state == RecipientState::queued);
      CHECK(world.text(kept[n]).value_or("").size() > 1000);
    }
    REQUIRE(world.reopen());
  }
}

TEST_CASE("a message larger than a segment is stored all the same") {
  SpoolWorld world;
  REQUIRE(world.open());
  world.stored(100);
  MessageId id = world.stored(200'000);
  world.stored(100);
  REQUIRE(world.reopen());
  CHECK(world.text(id).value_or("").size() > 200'000);
  CHECK(world.all().size() == 3);
}

TEST_CASE("pending stores are finished, and answered, when the spool ends; a task that is gone does not matter") {
  SpoolWorld world;
  REQUIRE(world.open());
  {
    Scope scope(world.loop);
    std::optional<Status> dropped;
    for (int i = 0; i < 50; ++i) scope.spawn(keep_answer(world.spool->store(world.loop, world.make(100)), dropped));
    scope.cancel();
  }
  REQUIRE(world.reopen());
  CHECK(world.all().size() == 50);
}

TEST_CASE("on a real file system; a second opener is refused and told who has it") {
  char path[] = "spool-test-XXXXXX";
  REQUIRE(mkdtemp(path));
  {
    auto storage = PosixStorage::open_directory(path);
    REQUIRE(storage);
    SpoolWorld world;
    world.options.segment_size = 1 << 20;
    auto opened = LogSpool::open(**storage, world.clock, world.options, world.observer);
    REQUIRE(opened);
    world.spool = std::move(*opened);
    MessageId id = world.stored(4096);
    std::string large(200'000, 'x');
    MessageId big = store_large(world, large);
    auto second = LogSpool::open(**storage, world.clock, world.options, world.observer);
    REQUIRE(!second);
    CHECK(second.error().code == Errc::busy);
    CHECK(second.error().text.find(std::to_string(getpid())) != std::string::npos);
    world.close();
    auto again = LogSpool::open(**storage, world.clock, world.options, world.observer);
    REQUIRE(again);
    world.spool = std::move(*again);
    CHECK(world.text(id).value_or("").size() > 4096);
    CHECK(world.text(big).value_or("").size() > large.size());
    world.close();
  }
  CHECK(std::system(("rm -r " + std::string(path)).c_str()) == 0);
}

}  // namespace veredus
