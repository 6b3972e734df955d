// Ten thousand sessions at once, each waiting for a hook that answers later: they are answered, time out, or are cancelled, each once; and
// one of them costs little memory. The hook is of the core; core/main/suspended_plugin_test.cc does the same with a plugin.
#include "inbound/session.h"
#include "inbound/suspended_support.h"
#include "inbound/test_rig.h"

using namespace veredus;

namespace {

constexpr size_t kMostOctets = 20 * 1024;

class Slow final : public Hook {
 public:
  using Hook::Hook;
  Verdict call(HookCall& call) override {
    Millis patience = tokens.size() % 3 == 2 ? Seconds(600) : Seconds(60);
    tokens.push_back(call.defer(patience));
    Verdict out;
    out.action = Action::pending;
    return out;
  }
  void cancel(PendingToken) override { ++cancelled; }

  std::vector<PendingToken> tokens;
  size_t cancelled = 0;
};

std::shared_ptr<Slow> slow_hook() {
  HookInfo info;
  info.plugin = "slow";
  info.stage = Stage::rcpt;
  return std::make_shared<Slow>(std::move(info));
}

class Counting final : public Hook {
 public:
  using Hook::Hook;
  Verdict call(HookCall&) override { return ++calls, Verdict(); }
  size_t calls = 0;
};

std::shared_ptr<Counting> counting_hook(Stage stage) {
  HookInfo info;
  info.plugin = "counting";
  info.stage = stage;
  return std::make_shared<Counting>(std::move(info));
}

}  // namespace

TEST_CASE("ten thousand suspended sessions") {
  size_t count = session_count();
  REQUIRE(count >= 3);
  Rig rig;
  auto slow = slow_hook();
  auto ends = counting_hook(Stage::transaction_end), goodbyes = counting_hook(Stage::disconnect);
  rig.runner.use(std::make_shared<const HookSet>(std::vector<std::shared_ptr<Hook>>{slow, ends, goodbyes}));
  slow->tokens.reserve(count);
  std::vector<std::unique_ptr<Rig::Client>> clients;
  clients.reserve(count);
  rig.turn();
  size_t before = allocated_octets();
  for (size_t i = 0; i < count; ++i) clients.push_back(std::make_unique<Rig::Client>(rig));
  for (auto& client : clients) CHECK(client->read(1).starts_with("220"));
  for (auto& client : clients) client->send("EHLO client.test\r\n");
  for (auto& client : clients) CHECK(client->read(1).starts_with("250"));
  for (auto& client : clients) client->send("MAIL FROM:<somebody@sender.example>\r\nRCPT TO:<b@here.test>\r\n");
  REQUIRE(rig.until([&] { return slow->tokens.size() == count; }));
  size_t each = (allocated_octets() - before) / count;
  MESSAGE(count << " sessions, " << each << " octets each");
  CHECK(each < kMostOctets);

  size_t answered = (count + 2) / 3, late = (count + 1) / 3;
  Verdict no;
  no.action = Action::reject;
  for (size_t i = 0; i < count; i += 3) CHECK(rig.runner.pending().complete(slow->tokens[i], HookAnswer{no, {}, {}}) == Completion::taken);
  CHECK(rig.until([&] { return rig.runner.pending().open_count() == count - answered; }));
  rig.pass(Seconds(61));
  CHECK(rig.until([&] { return rig.runner.pending().open_count() == count - answered - late; }));
  size_t refused = 0, told_later = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i % 3 == 2) continue;
    std::string replies = clients[i]->read(2);
    refused += replies.find("\r\n550 5.7.1") != replies.npos;
    told_later += replies.find("\r\n451 4.7.1") != replies.npos;
  }
  CHECK(refused == answered);
  CHECK(told_later == late);
  CHECK(slow->cancelled == 0);
  rig.scope.cancel();
  CHECK(slow->cancelled == count - answered - late);
  CHECK(rig.runner.pending().open_count() == 0);
  CHECK(ends->calls == count);
  CHECK(goodbyes->calls == count);
  for (PendingToken token : slow->tokens) CHECK(rig.runner.pending().complete(token, {}) == Completion::late);
}
