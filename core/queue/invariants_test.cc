// Random lives: whatever connections, reports, restarts and administrators do, every recipient ends in
// exactly one logged state and accepted = finished + queued holds after every turn (World::turns checks it;
// the fake spool refuses a second final state).
#include "queue/test_support.h"

using namespace veredus;
using namespace veredus::queue_test;

namespace {

class RandomLife {
 public:
  explicit RandomLife(unsigned seed) : random_(seed), world_(settings()) {
    world_.courier->refuse = [this](const Destination&) {
      return one_in(4) ? Reply{static_cast<uint16_t>(one_in(20) ? 556 : 451), {}, {"no"}} : Reply{};
    };
    world_.courier->outcome = [this](const Attempt&, uint32_t) { return any_outcome(); };
    world_.courier->latency = Millis(20);
    world_.courier->tags = [this](const Destination&) {
      LeaseTags tags;
      tags.source = one_in(2) ? "s1" : "s2";
      tags.mx_host = one_in(2) ? "mx.large.test" : "mx.small.test";
      return tags;
    };
    world_.queue->on_finished([this](const FinishedRecipient& f) {
      auto key = std::make_pair(f.envelope.id, f.recipient);
      CHECK(finished_.insert(key).second);
    });
  }

  void run() {
    for (int step = 0; step < 300; ++step) act();
    calm();
    for (int i = 0; i < 200 && world_.queue->counters().queued > 0; ++i)
      world_.pass(Millis(20'000), Millis(2000));
    QueueCounters counters = world_.queue->counters();
    CHECK(counters.queued == 0);
    CHECK(counters.messages == 0);
    CHECK(counters.held == 0);
    CHECK(finished_.size() == accepted_);
    CHECK(world_.spool.messages.empty());
  }

 private:
  static Settings settings() {
    Settings settings = test_settings();
    settings.queue.retry = {Millis(1000), Millis(3000)};
    settings.queue.jitter = 30;
    settings.queue.expire = Millis(60'000);
    settings.queue.expire_bounce = Millis(20'000);
    settings.queue.delay_warning = Millis(10'000);
    settings.queue.memory = 20'000;
    settings.outbound.connections = 6;
    settings.outbound.connections_per_destination = 3;
    settings.outbound.messages_per_connection = 7;
    settings.providers.push_back({"large", {".large.test"}, {}});
    settings.outbound_limits.push_back(limit({"tenant"}, 3, 0));
    settings.outbound_limits.push_back(limit({"provider"}, 2, 0));
    settings.outbound_limits.push_back(limit({"source", "account"}, 2, 1200));
    settings.outbound_limits.push_back(limit({"domain"}, 0, 1200));
    return settings;
  }
  static LimitSettings limit(std::vector<std::string> per, uint32_t connections, uint32_t rate) {
    LimitSettings out;
    out.per = std::move(per);
    out.connections = connections;
    out.rate = rate;
    return out;
  }

  bool one_in(unsigned n) { return random_() % n == 0; }

  RecipientOutcome any_outcome() {
    switch (random_() % 12) {
      case 0:
        return outcome_of(Outcome::permanent, 550, "no");
      case 1:
        return outcome_of(Outcome::discarded, 250, "dropped");
      case 2:
        return outcome_of(Outcome::held, 450, "hold");
      case 3:
        return {};
      case 4:
      case 5:
      case 6:
        return outcome_of(Outcome::temporary, 450, "later");
      default:
        return outcome_of(Outcome::delivered, 250, "ok");
    }
  }

  void add_one() {
    std::vector<std::string> recipients;
    for (size_t i = 0, n = 1 + random_() % 5; i < n; ++i)
      recipients.push_back("r" + std::to_string(i) + "@d" + std::to_string(random_() % 6) +
                           (one_in(2) ? ".mx" : ".test"));
    auto message = world_.message(recipients, "t" + std::to_string(random_() % 3));
    message->envelope.origin.account = "a" + std::to_string(random_() % 3);
    if (one_in(5)) message->envelope.sender = Address();
    if (one_in(10)) message->envelope.held = true;
    message->envelope.priority = static_cast<uint8_t>(random_() % 101);
    accepted_ += recipients.size();
    world_.add(message);
  }

  void act() {
    switch (random_() % 14) {
      case 0:
        world_.act(any_filter(), static_cast<QueueAction>(random_() % 5));
        break;
      case 1:
        world_.queue->suspend("d" + std::to_string(random_() % 6) + ".test", "x");
        break;
      case 2:
        world_.queue->resume("*");
        break;
      case 3:
        world_.reporter.failing = 3;
        break;
      case 4:
        world_.queue->reconfigure(std::make_shared<const Settings>(settings_with_route()));
        break;
      case 5:
        world_.list(any_filter());
        break;
      case 6:
      case 7:
      case 8:
        world_.pass(Millis(random_() % 3000), Millis(100));
        break;
      default:
        add_one();
    }
    world_.turns(1 + static_cast<int>(random_() % 5));
  }

  Settings settings_with_route() {
    Settings out = settings();
    if (one_in(2)) out.routes.push_back({"*", {}, std::to_string(random_()), IpPreference::system});
    if (one_in(2)) out.outbound_limits.pop_back();
    return out;
  }

  QueueFilter any_filter() {
    QueueFilter filter;
    if (one_in(2)) filter.domain = "d" + std::to_string(random_() % 6) + ".test";
    if (one_in(3)) filter.tenant = "t1";
    if (one_in(3)) filter.state = one_in(2) ? RecipientState::held : RecipientState::queued;
    if (one_in(3)) filter.destination = "mx:*";
    if (one_in(4)) filter.recipient = "r0@*";
    return filter;
  }

  void calm() {
    world_.queue->resume("*");
    world_.courier->refuse = nullptr;
    world_.courier->outcome = nullptr;
    world_.reporter.failing = 0;
    world_.turns(100);
    QueueFilter held;
    held.state = RecipientState::held;
    for (int i = 0; i < 100 && world_.queue->counters().held > 0; ++i) {
      world_.act(held, QueueAction::release);
      world_.pass(Millis(1000), Millis(100));
    }
  }

  std::minstd_rand random_;
  World world_;
  std::set<std::pair<MessageId, uint32_t>> finished_;
  size_t accepted_ = 0;
};

}  // namespace

TEST_CASE("every recipient reaches exactly one final state") {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    RandomLife(seed).run();
  }
}
