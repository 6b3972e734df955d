// Limits under overlapping keys, suspension, and changes of the settings while connections are open.
#include "queue/test_support.h"

using namespace veredus;
using namespace veredus::queue_test;

namespace {

Settings with_limit(std::vector<std::string> per, uint32_t connections, uint32_t rate = 0,
                    uint32_t messages = 0) {
  Settings settings = test_settings();
  LimitSettings limit;
  limit.name = "test";
  limit.per = std::move(per);
  limit.connections = connections;
  limit.rate = rate;
  limit.messages_per_connection = messages;
  settings.outbound_limits.push_back(limit);
  return settings;
}

size_t delivered_to(const World& world, const std::string& destination) {
  size_t count = 0;
  for (const Delivery& d : world.courier->deliveries) count += d.destination == destination;
  return count;
}

}  // namespace

TEST_CASE("connections of one destination are limited by its domain") {
  World world(with_limit({"domain"}, 2));
  world.courier->latency = Millis(100);
  for (int i = 0; i < 100; ++i) world.add("x@one.mx");
  world.pass(Millis(1000), Millis(20));
  CHECK(world.courier->most_open == 2);
  world.pass(Millis(6000), Millis(20));
  CHECK(world.queue->counters().delivered == 100);
}

TEST_CASE("a tenant's full limit delays nothing of others in the same queue") {
  World world(with_limit({"tenant"}, 1));
  world.courier->latency = Millis(100);
  for (int i = 0; i < 50; ++i) world.add("x@a.test", "full");
  for (int i = 0; i < 5; ++i) world.add("x@a.test", "t" + std::to_string(i));
  world.turns(60);
  std::map<std::string, int> in_hand;
  for (const Delivery& d : world.courier->deliveries) ++in_hand[d.tenant];
  CHECK(in_hand["full"] == 1);
  CHECK(in_hand.size() == 6);
  world.pass(Millis(6000), Millis(20));
  CHECK(world.queue->counters().delivered == 55);
}

TEST_CASE("every limit that applies must have room") {
  Settings settings = with_limit({"tenant", "account"}, 3);
  LimitSettings second;
  second.name = "second";
  second.per = {"destination"};
  second.match["destination"] = "mx:one.mx";
  second.connections = 2;
  settings.outbound_limits.push_back(second);
  World world(settings);
  world.courier->latency = Millis(1000);
  for (int i = 0; i < 20; ++i) world.add("x@one.mx", "t");
  for (int i = 0; i < 20; ++i) world.add("x@two.mx", "t");
  world.turns(80);
  CHECK(world.courier->deliveries.size() == 3);
  CHECK(delivered_to(world, "mx:one.mx") <= 2);
  world.pass(Millis(15'000), Millis(100));
  CHECK(world.queue->counters().delivered == 40);
}

TEST_CASE("a limit on a pair of tenant and provider is exact") {
  Settings settings = with_limit({"tenant", "provider"}, 1);
  settings.providers.push_back({"large", {".large.test"}, {}});
  World world(settings);
  world.courier->tags = [](const Destination& to) {
    LeaseTags tags;
    tags.mx_host = to.name == "mx:free.mx" ? "mx.free.test" : "mx.large.test";
    return tags;
  };
  world.courier->latency = Millis(1000);
  for (int i = 0; i < 4; ++i)
    for (const char* domain : {"one.mx", "two.mx", "free.mx"})
      for (const char* tenant : {"a", "b"}) world.add(std::string("x@") + domain, tenant);
  world.turns(100);
  std::map<std::string, int> large, free;
  for (const Delivery& d : world.courier->deliveries)
    ++(d.destination == "mx:free.mx" ? free : large)[d.tenant];
  CHECK(large["a"] == 1);
  CHECK(large["b"] == 1);
  CHECK(free["a"] == 4);
  world.pass(Millis(20'000), Millis(100));
  CHECK(world.queue->counters().delivered == 24);
}

TEST_CASE("a full pair of tenant and provider does not keep another tenant waiting") {
  Settings settings = with_limit({"tenant", "provider"}, 0, 1);  // one a minute
  settings.providers.push_back({"large", {".large.test"}, {}});
  World world(settings);
  world.courier->tags = [](const Destination&) {
    LeaseTags tags;
    tags.mx_host = "mx.large.test";
    return tags;
  };
  for (int i = 0; i < 10; ++i) world.add("x@one.mx", "a");
  world.pass(Millis(20'000), Millis(500));
  CHECK(world.courier->deliveries.size() == 1);
  CHECK(world.courier->opened["mx:one.mx"] <= 2);
  world.add("x@one.mx", "b");
  world.turns(40);
  REQUIRE(world.courier->deliveries.size() == 2);
  CHECK(world.courier->deliveries[1].tenant == "b");
  world.pass(Millis(600'000), Millis(1000));
  CHECK(world.queue->counters().delivered == 11);
}

TEST_CASE("connections per address are refused at admission and come when there is room") {
  World world(with_limit({"mx_address"}, 1));
  world.courier->tags = [](const Destination&) {
    LeaseTags tags;
    tags.mx_address = *IpAddress::parse("192.0.2.1");
    return tags;
  };
  world.courier->latency = Millis(50);
  for (int domain = 0; domain < 20; ++domain) world.add("x@d" + std::to_string(domain) + ".mx");
  world.turns(60);
  CHECK(world.courier->most_open == 1);
  world.pass(Millis(20'000), Millis(50));
  CHECK(world.courier->most_open == 1);
  CHECK(world.queue->counters().delivered == 20);
}

TEST_CASE("a rate is kept over time") {
  World world(with_limit({"destination"}, 0, 60));  // one a second
  MonoTime begun = world.clock.mono();
  for (int i = 0; i < 30; ++i) world.add("x@one.mx");
  world.turns();
  world.pass(Millis(20'000), Millis(100));
  size_t count = world.courier->deliveries.size();
  CHECK(count >= 18);
  CHECK(count <= 22);
  for (size_t i = 1; i < count; ++i) {
    Millis gap = world.courier->deliveries[i].when - world.courier->deliveries[i - 1].when;
    CHECK(gap >= Millis(900));
  }
  CHECK(world.courier->deliveries[0].when == begun);
  CHECK(world.courier->opened["mx:one.mx"] <= 25);  // no connection without a message to send
}

TEST_CASE("messages per connection are counted") {
  World world(with_limit({}, 0, 0, 3));
  for (int i = 0; i < 10; ++i) world.add("x@one.mx");
  world.turns(200);
  world.pass(Millis(5000), Millis(100));
  std::map<LeaseId, int> of_lease;
  for (const Delivery& d : world.courier->deliveries) ++of_lease[d.lease];
  for (auto& [lease, count] : of_lease) CHECK(count <= 3);
  CHECK(world.queue->counters().delivered == 10);
}

TEST_CASE("a suspended destination keeps its messages, others flow") {
  World world;
  CHECK(world.queue->suspend("one.mx", "anna") == 0);
  world.add("x@one.mx");
  world.add("x@two.mx");
  world.turns(40);
  CHECK(delivered_to(world, "mx:one.mx") == 0);
  CHECK(delivered_to(world, "mx:two.mx") == 1);
  CHECK(world.destination("mx:one.mx").suspended);
  CHECK(world.destination("mx:one.mx").suspended_by == "anna");
  CHECK(world.queue->resume("one.mx") == 1);
  world.turns(40);
  CHECK(delivered_to(world, "mx:one.mx") == 1);
  CHECK(world.queue->resume("one.mx") == 0);
}

TEST_CASE("a domain behind a shared next hop is suspended alone") {
  World world;
  world.courier->refuse = [](const Destination&) { return Reply{451, {}, {"not yet"}}; };
  world.add("x@stop.test");
  world.turns();
  CHECK(world.queue->suspend("stop.test", "anna") == 1);
  world.courier->refuse = nullptr;
  world.add(world.message({"x@go.test", "y@stop.test"}));
  world.turns();
  world.pass(Millis(130'000));
  CHECK(world.queue->counters().delivered == 1);
  CHECK(world.queue->resume("*") == 1);
  world.turns(40);
  CHECK(world.queue->counters().delivered == 3);
}

TEST_CASE("new settings take effect on what waits and what is open") {
  World world(with_limit({"tenant"}, 1));
  world.courier->latency = Millis(1000);
  for (int i = 0; i < 30; ++i) world.add("x@a.test", "t");
  world.turns(40);
  CHECK(world.courier->deliveries.size() == 1);
  world.queue->reconfigure(std::make_shared<const Settings>(test_settings()));
  world.turns(60);
  CHECK(world.courier->deliveries.size() >= 10);
  world.queue->reconfigure(std::make_shared<const Settings>(with_limit({"tenant"}, 2)));
  world.pass(Millis(30'000), Millis(100));
  CHECK(world.queue->counters().delivered == 30);
}

TEST_CASE("new routes hold for what waits") {
  World world;
  world.courier->refuse = [](const Destination& to) {
    return to.name == "smtp://old" ? Reply{451, {4, 4, 1}, {"connection refused"}} : Reply{};
  };
  world.router.static_names["a.test"] = "smtp://old";
  for (int i = 0; i < 50; ++i) world.add("x@a.test");
  world.turns();
  world.router.static_names["a.test"] = "smtp://new";
  Settings settings = test_settings();
  settings.routes.push_back({"a.test", {}, "", IpPreference::system});
  world.queue->reconfigure(std::make_shared<const Settings>(settings));
  world.turns(60);
  CHECK(world.queue->counters().delivered == 50);
  CHECK(world.destination("smtp://old").waiting == 0);
}
