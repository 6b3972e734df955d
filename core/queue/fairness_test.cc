// Fairness between tenants, accounts and priorities; a dead destination beside healthy ones.
#include "queue/test_support.h"

using namespace veredus;
using namespace veredus::queue_test;

namespace {

// How many deliveries came before the first of this tenant, counted from `from`.
size_t waited_for(const World& world, const std::string& tenant, size_t from) {
  const auto& deliveries = world.courier->deliveries;
  for (size_t i = from; i < deliveries.size(); ++i)
    if (deliveries[i].tenant == tenant) return i - from;
  return SIZE_MAX;
}

}  // namespace

TEST_CASE("one tenant's many messages do not delay another's single one") {
  Settings settings = test_settings();
  settings.outbound.connections_per_destination = 2;
  World world(settings);
  world.spool.keep_changes = false;
  world.courier->latency = Millis(10);
  for (int i = 0; i < 20'000; ++i) world.add("one@a.test", "big");
  world.pass(Millis(50), Millis(10));
  size_t before = world.courier->deliveries.size();
  REQUIRE(before > 0);
  world.add("one@a.test", "small");
  world.pass(Millis(100), Millis(10));
  CHECK(waited_for(world, "small", before) <= 8);
}

TEST_CASE("the overall bound on connections is shared fairly") {
  Settings settings = test_settings();
  settings.outbound.connections = 4;
  World world(settings);
  world.courier->latency = Millis(10);
  for (int domain = 0; domain < 200; ++domain)
    for (int i = 0; i < 50; ++i) world.add("x@d" + std::to_string(domain) + ".mx", "big");
  world.pass(Millis(100), Millis(10));
  CHECK(world.courier->most_open <= 4);
  size_t before = world.courier->deliveries.size();
  REQUIRE(before > 0);
  world.add("x@other.mx", "small");
  world.pass(Millis(1000), Millis(10));
  // At most what the four connections finish before one of them has to make room.
  CHECK(waited_for(world, "small", before) <= 50);
  CHECK(world.courier->most_open <= 4);
}

TEST_CASE("a rate under a shared key is given out fairly") {
  Settings settings = test_settings();
  settings.providers.push_back({"large", {".large.test"}, {}});
  LimitSettings limit;
  limit.name = "large";
  limit.per = {"provider"};
  limit.rate = 600;  // ten a second
  settings.outbound_limits.push_back(limit);
  World world(settings);
  world.courier->tags = [](const Destination& to) {
    LeaseTags tags;
    tags.mx_host = to.name == "mx:free.mx" ? "mx.free.test" : "mx.large.test";
    return tags;
  };
  for (int domain = 0; domain < 20; ++domain)
    for (int i = 0; i < 50; ++i) world.add("x@d" + std::to_string(domain) + ".mx", "big");
  world.pass(Millis(3000), Millis(50));
  size_t before = world.courier->deliveries.size();
  CHECK(before >= 25);
  CHECK(before <= 45);
  world.add("x@mine.mx", "small");
  for (int i = 0; i < 30; ++i) world.add("x@free.mx", "big");
  world.pass(Millis(2000), Millis(50));
  CHECK(waited_for(world, "small", before) <= 30 + 8);
  size_t free = 0;
  for (const Delivery& d : world.courier->deliveries) free += d.destination == "mx:free.mx";
  CHECK(free == 30);  // what does not pass through the limit is not delayed by it
}

TEST_CASE("within a tenant accounts take turns and priority gives more of them") {
  Settings settings = test_settings();
  settings.outbound.connections_per_destination = 1;
  World world(settings);
  world.courier->latency = Millis(10);
  auto with = [&](const std::string& account, uint8_t priority) {
    auto message = world.message({"one@a.test"}, "t");
    message->envelope.origin.account = account;
    message->envelope.priority = priority;
    message->envelope.stream = account;
    return world.add(message);
  };
  std::map<MessageId, std::string> whose;
  for (int i = 0; i < 300; ++i) whose[with("first", 10)] = "first";
  for (int i = 0; i < 300; ++i) whose[with("urgent", 90)] = "urgent";
  world.pass(Millis(1200), Millis(10));
  std::map<std::string, int> got;
  for (size_t i = 0; i < std::min<size_t>(world.courier->deliveries.size(), 100); ++i)
    ++got[whose[world.courier->deliveries[i].id]];
  CHECK(got["urgent"] > 3 * got["first"]);
  CHECK(got["first"] > 5);
}

TEST_CASE("a full queue for a dead destination leaves the others their pace") {
  World world;
  world.spool.keep_changes = false;
  world.courier->refuse = [](const Destination& to) {
    return to.name == "mx:dead.mx" ? Reply{451, {4, 4, 1}, {"connection refused"}} : Reply{};
  };
  for (int i = 0; i < 20'000; ++i) world.add("x@dead.mx");
  world.turns();
  int tried = world.courier->refused["mx:dead.mx"];
  for (int i = 0; i < 1000; ++i) world.add("x@alive.mx");
  world.turns(200);
  CHECK(world.queue->counters().delivered == 1000);
  CHECK(world.courier->refused["mx:dead.mx"] == tried);
  CHECK(world.destination("mx:dead.mx").waiting == 20'000);
}
