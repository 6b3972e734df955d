// The promise: whatever was acknowledged is there after a power cut at any write or sync, byte for byte, and what was durably
// finished does not come back.
#include <doctest/doctest.h>

#include <set>

#include "spool/test_world.h"

namespace veredus {
namespace {

// What the outside world was told.
struct Told {
  std::map<MessageId, std::string> stored;         // acknowledged, with its octets
  std::set<MessageId> maybe_finished;              // asked for
  std::set<MessageId> finished;                    // acknowledged
  std::map<MessageId, std::set<uint32_t>> final;   // recipients acknowledged as final
  std::map<MessageId, std::string> amended;        // next hop of the first recipient
  std::map<MessageId, uint64_t> attempts;
};

std::string octets_of(const Message& message, const std::string& file) {
  return message.content.head + (message.content.memory ? *message.content.memory : file).substr(message.content.skip);
}

class Life {
 public:
  Life(SpoolWorld& world, Told& told) : world_(world), told_(told) {}

  // One life of the daemon; ends at the first refusal, which a power cut brings.
  void run(int rounds) {
    for (int round = 0; round < rounds && !world_.storage.off(); ++round) {
      store_many();
      store_large();
      deliver(round);
      amend();
    }
  }

 private:
  Task<void> store_one(size_t octets, size_t recipients) {
    std::shared_ptr<Message> message = world_.make(octets, recipients);
    Status stored = co_await world_.spool->store(world_.loop, message);
    if (stored) told_.stored[message->envelope.id] = octets_of(*message, {});
    // A refused message may still be there after a restart.
  }

  void store_many() {
    Scope scope(world_.loop);
    for (size_t i = 0; i < 4; ++i) scope.spawn(store_one(300 + i * 900, i % 3 + 1));
    while (scope.running()) world_.loop.run_turn(Millis(1000));
  }

  Task<void> write_large(std::string body) {
    Result<std::unique_ptr<BodyWriter>> writer = co_await world_.spool->create_body(world_.loop);
    if (!writer) co_return;
    for (size_t at = 0; at < body.size(); at += 3000) {
      Status appended = co_await (*writer.value()).append(body.substr(at, 3000));
      if (!appended) co_return;
    }
    Result<std::shared_ptr<LargeBody>> file = co_await (*writer.value()).finish();
    if (!file) co_return;
    std::shared_ptr<Message> message = world_.make(0, 1);
    message->content.memory = nullptr;
    message->content.file = *file;
    message->content.skip = 7;
    Status stored = co_await world_.spool->store(world_.loop, message);
    if (stored) told_.stored[message->envelope.id] = octets_of(*message, body);
  }

  void store_large() {
    Scope scope(world_.loop);
    scope.spawn(write_large(std::string(7000, 'L') + std::to_string(told_.stored.size())));
    while (scope.running()) world_.loop.run_turn(Millis(1000));
  }

  void deliver(int round) {
    int n = 0;
    for (const auto& [id, octets] : told_.stored) {
      if (told_.maybe_finished.count(id)) continue;
      switch (++n % 4) {
        case 0: break;
        case 1: finish(id, round); break;
        default: partly(id);
      }
    }
  }

  void finish(MessageId id, int round) {
    auto found = world_.wait(world_.spool->find(world_.loop, id));
    if (!found) return;
    told_.maybe_finished.insert(id);
    std::vector<StateChange> changes;
    for (uint32_t i = 0; i < found->recipients.size(); ++i)
      changes.push_back(SpoolWorld::change(id, i, RecipientState::delivered, "250 ok")[0]);
    if (round % 2) return world_.spool->record(changes);
    if (world_.wait(world_.spool->record_now(world_.loop, changes))) told_.finished.insert(id);
  }

  void partly(MessageId id) {
    auto found = world_.wait(world_.spool->find(world_.loop, id));
    if (!found || found->recipients.size() < 2) return;
    if (world_.finish(id, 0)) told_.final[id].insert(0);
  }

  void amend() {
    for (const auto& [id, octets] : told_.stored) {
      if (told_.maybe_finished.count(id) || told_.amended.count(id)) continue;
      auto found = world_.wait(world_.spool->find(world_.loop, id));
      if (!found) return;
      auto changed = std::make_shared<Envelope>(*found->envelope);
      changed->recipients[0].next_hop = "smtp://" + id.text();
      if (world_.wait(world_.spool->amend(world_.loop, changed))) told_.amended[id] = changed->recipients[0].next_hop;
      return;
    }
  }

  SpoolWorld& world_;
  Told& told_;
};

void check_one(SpoolWorld& world, const Told& told, MessageId id, const std::string& octets) {
  if (told.finished.count(id)) {
    CHECK_MESSAGE(!world.wait(world.spool->find(world.loop, id)), id.text());
    return;
  }
  if (told.maybe_finished.count(id)) return;
  bool same = world.text(id) == octets;
  CHECK_MESSAGE(same, std::string(id.text() + "\n" + world.observer.text()));
  auto found = world.wait(world.spool->find(world.loop, id));
  if (!found) FAIL(std::string(id.text() + ": " + found.error().text + "\n" + world.observer.text()));
  if (auto final = told.final.find(id); final != told.final.end())
    for (uint32_t recipient : final->second) CHECK(found->recipients.at(recipient).state == RecipientState::delivered);
  if (auto amended = told.amended.find(id); amended != told.amended.end())
    CHECK(found->envelope->recipients.at(0).next_hop == amended->second);
}

void check(SpoolWorld& world, const Told& told) {
  for (const auto& [id, octets] : told.stored) check_one(world, told, id, octets);
  CHECK(world.observer.count(SpoolEvent::damaged) == 0);
  CHECK(world.observer.count(SpoolEvent::missing) == 0);
}

// Two lives, the second one cut as well, then a third that must find everything.
void one_story(uint64_t first_cut, uint64_t second_cut, uint64_t seed, bool& reached) {
  SpoolWorld world;
  world.options.segment_size = 12 << 10;
  Told told;
  REQUIRE(world.open());
  world.storage.cut_at(first_cut);
  Life(world, told).run(5);
  reached = world.storage.off();
  world.close();
  world.storage.reboot(seed);
  world.storage.cut_at(second_cut);
  if (world.open()) {
    if (!world.storage.off()) Life(world, told).run(2);
    world.close();
  }
  world.storage.reboot(seed + 1);
  REQUIRE(world.open());
  check(world, told);
  Life(world, told).run(1);
  REQUIRE(world.reopen());
  check(world, told);
  INFO(world.observer.text());
}

}  // namespace

TEST_CASE("power cuts at every step") {
  bool reached = true;
  uint64_t step = 1;
  for (; reached; ++step) {
    CAPTURE(step);
    one_story(step, UINT64_MAX, step * 7919, reached);
  }
  MESSAGE("steps: ", step);
  CHECK(step > 100);
}

TEST_CASE("a second power cut while recovering or soon after") {
  bool reached = true;
  for (uint64_t step = 3; reached; step += 5) {
    CAPTURE(step);
    one_story(step, step % 37 + 1, step * 104729, reached);
  }
}

}  // namespace veredus
