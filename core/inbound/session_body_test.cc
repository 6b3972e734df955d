// The stage `body` and what is found out about a message: chunks as they arrive, rewriting, waiting, verdicts at the end; notes, and the
// one Authentication-Results field.
#include <functional>
#include <map>

#include "inbound/session.h"
#include "inbound/test_rig.h"

using namespace veredus;

namespace {

class FunctionHook final : public Hook {
 public:
  using Body = std::function<Verdict(HookCall&)>;
  FunctionHook(HookInfo info, Body body) : Hook(std::move(info)), body_(std::move(body)) {}
  Verdict call(HookCall& call) override { return body_(call); }
  void cancel(PendingToken) override { ++cancelled; }

  int cancelled = 0;

 private:
  Body body_;
};

struct BodyRig : Rig {
  explicit BodyRig(uint64_t inline_size = 1 << 20) : Rig([=](Settings& s) { s.spool.inline_size = inline_size; }) {}
  ~BodyRig() { scope.cancel(); }

  std::shared_ptr<FunctionHook> hook(Stage stage, uint32_t may, FunctionHook::Body body, FaultPolicy policy = FaultPolicy::tempfail,
                                     uint32_t needs = 0) {
    HookInfo info;
    info.plugin = "p" + std::to_string(hooks_.size());
    info.stage = stage;
    info.may = may;
    info.needs = needs;
    info.on_fault = policy;
    hooks_.push_back(std::make_shared<FunctionHook>(std::move(info), std::move(body)));
    runner.use(std::make_shared<const HookSet>(std::vector<std::shared_ptr<Hook>>(hooks_.begin(), hooks_.end())));
    return hooks_.back();
  }
  // What the body hooks saw, and how often `last` was said.
  void watch() {
    hook(Stage::body, 0, [this](HookCall& call) {
      CHECK(call.subject().chunk.size() <= kLongestChunk);
      CHECK(lasts == 0);
      seen += call.subject().chunk;
      lasts += call.subject().last;
      ++calls;
      return Verdict();
    });
  }
  void count_ends() {
    hook(Stage::transaction_end, 0, [this](HookCall&) { return ++ends, Verdict(); });
  }
  std::string octets(size_t index) {
    const Content& content = queue.added.at(index)->content;
    if (content.memory) return stored(index);
    std::string out;
    auto read = [](BodyRig* rig, std::shared_ptr<LargeBody> file, std::string* to, bool* done) -> Task<void> {
      Result<std::string> got = co_await rig->spool.read_body(rig->loop, file, 0, 1 << 26);
      if (got) *to = *got;
      *done = true;
    };
    bool done = false;
    scope.spawn(read(this, content.file, &out, &done));
    until([&] { return done; });
    return content.head + out.substr(content.skip);
  }

  std::string seen;
  int lasts = 0, calls = 0, ends = 0;

 private:
  std::vector<std::shared_ptr<FunctionHook>> hooks_;
};

Verdict answer(Action action) {
  Verdict out;
  out.action = action;
  out.rule = "rule";
  return out;
}

void hello(Rig::Client& client) {
  client.read(1);
  client.say("EHLO client.test\r\n");
}

std::string big_body(size_t lines) {
  std::string out;
  for (size_t i = 0; i < lines; ++i) out += "line " + std::to_string(i) + " with some text in it, so that it becomes long\r\n";
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

FunctionHook::Body shout() {
  return [](HookCall& call) { return call.emit(upper(call.subject().chunk)), Verdict(); };
}

size_t count_of(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++count;
  return count;
}

}  // namespace

TEST_CASE("body hooks see the octets of the body, dots unstuffed, and the end once; by DATA and BDAT, small and large") {
  for (uint64_t inline_size : {1 << 20, 100})
    for (size_t lines : {0, 1, 5000}) {
      BodyRig rig(inline_size);
      rig.watch();
      Rig::Client client(rig);
      hello(client);
      std::string body = (lines > 0 ? ".dot\r\n" : "") + big_body(lines);
      std::string stuffed = (lines > 0 ? "." : "") + body;
      CHECK(client.send_message("Subject: x\r\n\r\n" + stuffed).starts_with("250"));
      CHECK(rig.seen == body);
      CHECK(rig.lasts == 1);
      CHECK((lines < 5000 || rig.calls > 1));
      CHECK(rig.octets(0).ends_with("\r\n\r\n" + body));
      rig.seen.clear();
      rig.lasts = 0;
      client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
      std::string whole = "Subject: x\r\n\r\n" + body;
      std::string first = whole.substr(0, whole.size() / 2), second = whole.substr(whole.size() / 2);
      CHECK(client.say("BDAT " + std::to_string(first.size()) + "\r\n" + first).starts_with("250"));
      CHECK(client.say("BDAT " + std::to_string(second.size()) + " LAST\r\n" + second).starts_with("250"));
      CHECK(rig.seen == body);
      CHECK(rig.lasts == 1);
      CHECK(rig.octets(1).ends_with("\r\n\r\n" + body));
    }
}

TEST_CASE("a message without a body ends with an empty chunk") {
  BodyRig rig;
  rig.watch();
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message("Subject: no empty line\r\n").starts_with("250"));
  CHECK(rig.lasts == 1);
  CHECK(rig.seen.empty());
}

TEST_CASE("what a hook with the right emits is what later hooks see and what is stored; the 8-bit flag is that of the stored octets") {
  for (uint64_t inline_size : {1 << 20, 100}) {
    BodyRig rig(inline_size);
    rig.hook(Stage::body, kMayBody, shout());
    rig.watch();
    rig.hook(Stage::body, kMayBody, [](HookCall& call) {
      call.emit(call.subject().chunk);
      if (call.subject().last) call.emit("-- \r\nfooter of \xC3\xBC\r\n");
      return Verdict();
    });
    Rig::Client client(rig);
    hello(client);
    std::string body = big_body(4000);
    CHECK(client.send_message("Subject: x\r\n\r\n" + body).starts_with("250"));
    CHECK(rig.seen == upper(body));
    CHECK(rig.lasts == 1);
    CHECK(rig.octets(0).ends_with("\r\n\r\n" + upper(body) + "-- \r\nfooter of \xC3\xBC\r\n"));
    CHECK(rig.queue.added.at(0)->envelope.content_8bit);
  }
  BodyRig rig;
  rig.hook(Stage::body, kMayBody, [](HookCall& call) { return call.emit(call.subject().last ? "plain\r\n" : ""), Verdict(); });
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message("Subject: x\r\n\r\n\xC3\xBC\r\n").starts_with("250"));
  CHECK(rig.stored(0).ends_with("\r\n\r\nplain\r\n"));
  CHECK_FALSE(rig.queue.added.at(0)->envelope.content_8bit);
}

TEST_CASE("who needs the message as it was received is shown it, whatever was rewritten before") {
  const std::string header = "Subject: x\r\n\r\n";
  for (uint64_t inline_size : {1 << 20, 100})
    for (uint32_t needs : {0u, uint32_t{kNeedsReceived}}) {
      BodyRig rig(inline_size);
      std::string received[3];
      uint64_t start = 0;
      auto see = [&](std::string& into) {
        return [&](HookCall& call) {
          const AsReceived* original = call.view()->subject().original;
          REQUIRE(original);
          start = original->body_start;
          const Content& content = original->content;
          CHECK(content.head.empty());
          into = content.memory ? *content.memory : content.file->read(0, 1 << 26).value();
          return Verdict();
        };
      };
      rig.hook(Stage::headers, kMayHeaders, [](HookCall& call) { return call.edits().push_back(ReplaceHeader{"Subject", 1, "y"}), Verdict(); });
      rig.hook(Stage::headers, 0, see(received[0]));
      rig.hook(Stage::body, kMayBody, shout());
      rig.hook(Stage::message, 0, see(received[1]), FaultPolicy::tempfail, needs);
      rig.hook(Stage::seal, 0, see(received[2]));
      Rig::Client client(rig);
      hello(client);
      std::string body = big_body(4000);
      CHECK(client.send_message(header + body).starts_with("250"));
      CHECK(received[0] == header);
      CHECK(received[1] == header + (needs ? body : upper(body)));
      CHECK(received[2] == received[1]);
      CHECK(start == header.size());
      CHECK(rig.octets(0).ends_with("\r\nSubject: y\r\n\r\n" + upper(body)));
    }
}

TEST_CASE("a body hook that thinks stops the reading; its late answer carries what it rewrote; too late is a fault") {
  BodyRig rig;
  std::vector<PendingToken> waiting;
  std::vector<std::string> chunks;
  rig.hook(Stage::body, kMayBody, [&](HookCall& call) {
    chunks.emplace_back(call.view()->subject().chunk);
    waiting.push_back(call.defer(Seconds(60)));
    return answer(Action::pending);
  });
  rig.count_ends();
  Rig::Client client(rig);
  hello(client);
  client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
  client.say("DATA\r\n");
  client.send("Subject: x\r\n\r\n" + big_body(4000) + ".\r\n");
  CHECK(rig.until([&] { return waiting.size() == 1; }));
  for (int i = 0; i < 50; ++i) rig.turn();
  CHECK(waiting.size() == 1);
  std::string all;
  for (size_t i = 0; i < waiting.size(); ++i) {
    all += chunks[i];
    HookAnswer late;
    late.body = upper(chunks[i]);
    CHECK(rig.runner.pending().complete(waiting[i], std::move(late)) == Completion::taken);
    CHECK(rig.until([&] { return waiting.size() > i + 1 || rig.queue.added.size() == 1; }));
  }
  CHECK(client.read(1).starts_with("250"));
  CHECK(all == big_body(4000));
  CHECK(waiting.size() > 2);
  CHECK(rig.stored(0).ends_with(upper(all)));
  waiting.clear();
  client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
  client.say("DATA\r\n");
  client.send("Subject: x\r\n\r\nbody\r\n.\r\n");
  CHECK(rig.until([&] { return waiting.size() == 1; }));
  rig.pass(Seconds(61));
  CHECK(client.read(1).starts_with("451"));
  CHECK(rig.queue.added.size() == 1);
  CHECK(rig.ends == 2);
}

TEST_CASE("a session that ends while a body hook thinks cancels it once, and its transaction ends once") {
  for (bool large : {false, true}) {
    BodyRig rig(large ? 100 : 1 << 20);
    PendingToken token = 0;
    auto hook = rig.hook(Stage::body, large ? kMayBody : 0, [&](HookCall& call) {
      token = call.defer(Seconds(60));
      return answer(Action::pending);
    });
    rig.count_ends();
    Rig::Client client(rig);
    hello(client);
    client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
    client.say("DATA\r\n");
    client.send("Subject: x\r\n\r\n" + big_body(large ? 4000 : 1) + ".\r\n");
    CHECK(rig.until([&] { return token != 0; }));
    rig.scope.cancel();
    CHECK(hook->cancelled == 1);
    CHECK(rig.ends == 1);
    CHECK(rig.runner.pending().open_count() == 0);
    CHECK(rig.queue.added.empty());
  }
}

TEST_CASE("a transaction ends once when the client goes away in the body, resets a chunk, or sends too much") {
  for (const char* ending : {"", "RSET\r\n", "QUIT\r\n", "EHLO again.test\r\n"}) {
    BodyRig rig;
    rig.watch();
    rig.count_ends();
    Rig::Client client(rig);
    hello(client);
    client.say("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@here.test>\r\n", 2);
    client.say("BDAT 20\r\nSubject: x\r\n\r\nabcdef");
    if (*ending) client.say(ending);
    client.hang_up();
    CHECK(rig.until([&] { return rig.scope.running() == 0; }));
    CHECK(rig.ends == 1);
    CHECK(rig.lasts == 0);
    CHECK(rig.spool.message_count() == 0);
  }
}

TEST_CASE("verdicts of body hooks are answered at the end of the message") {
  struct Case {
    Action action;
    const char* code;
    size_t stored;
  };
  for (const Case& one : {Case{Action::reject, "550", 0}, Case{Action::tempfail, "451", 0}, Case{Action::discard, "250", 0},
                          Case{Action::hold, "250", 1}, Case{Action::ok, "250", 1}, Case{Action::fault, "451", 0}})
    for (uint64_t inline_size : {1 << 20, 100}) {
      BodyRig rig(inline_size);
      int asked = 0;
      rig.hook(Stage::body, 0, [&](HookCall&) { return ++asked, answer(one.action); });
      rig.watch();
      rig.count_ends();
      Rig::Client client(rig);
      hello(client);
      std::string body = big_body(4000);
      CHECK(client.send_message("Subject: x\r\n\r\n" + body).substr(0, 3) == one.code);
      CHECK(rig.queue.added.size() == one.stored);
      CHECK(rig.spool.message_count() == one.stored);
      CHECK(rig.ends == 1);
      if (one.action == Action::hold) CHECK(rig.queue.added.at(0)->envelope.held);
      if (one.action != Action::hold) CHECK(asked == 1);
      if (one.stored > 0) CHECK(rig.seen == body);  // an ok ends nobody else's asking
      if (one.stored == 0) CHECK(rig.seen.empty());
    }
}

TEST_CASE("emitting without the right is a fault; so is a hook that fails in the middle of what it rewrites") {
  BodyRig rig;
  rig.hook(Stage::body, 0, shout(), FaultPolicy::next);
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message("Subject: x\r\n\r\nbody\r\n").starts_with("250"));
  CHECK(rig.stored(0).ends_with("\r\nbody\r\n"));
  CHECK(rig.until([&] { return rig.sink.count("hook.fault") == 1; }));
  for (bool at_once : {true, false}) {
    BodyRig half;
    int calls = 0;
    half.hook(
        Stage::body, kMayBody, [&](HookCall&) { return answer(++calls > (at_once ? 0 : 1) ? Action::fault : Action::next); }, FaultPolicy::next);
    Rig::Client other(half);
    hello(other);
    std::string body = big_body(4000);
    CHECK(other.send_message("Subject: x\r\n\r\n" + body).starts_with(at_once ? "250" : "451"));
    if (at_once) CHECK(half.stored(0).ends_with("\r\n\r\n" + body));
    CHECK(calls == (at_once ? 1 : 2));
  }
}

TEST_CASE("notes of the connection and of the transaction reach later stages and the spool, and die with what they belong to") {
  BodyRig rig;
  std::map<Stage, Notes> shown;
  int round = 0;
  for (Stage stage : {Stage::connect, Stage::helo, Stage::mail, Stage::rcpt, Stage::data, Stage::headers, Stage::body, Stage::message})
    rig.hook(stage, kMayNotes, [&shown, &round](HookCall& call) {
      std::string key(stage_info(call.stage()).name);
      shown[call.stage()] = call.subject().notes();
      if (round == 0 || call.stage() < Stage::mail) call.edits().push_back(AddNote{key, "1"});
      if (round == 0) call.edits().push_back(AddNote{"same", key});
      return Verdict();
    });
  Rig::Client client(rig);
  hello(client);
  CHECK(shown[Stage::helo] == Notes{{"connect", "1"}, {"same", "connect"}});
  CHECK(client.send_message("Subject: x\r\n\r\nbody\r\n").starts_with("250"));
  CHECK(shown[Stage::body].size() == 7);
  const Notes& first = rig.queue.added.at(0)->envelope.notes;
  CHECK(first.size() == 9);
  CHECK(*find_note(first, "same") == "message");
  CHECK(find_note(first, "rcpt"));
  round = 1;
  CHECK(client.send_message("Subject: x\r\n\r\nbody\r\n").starts_with("250"));
  CHECK(rig.queue.added.at(1)->envelope.notes == Notes{{"connect", "1"}, {"same", "helo"}, {"helo", "1"}});
  client.say("EHLO other.test\r\n");
  CHECK(shown[Stage::helo] == Notes{{"connect", "1"}, {"same", "connect"}});  // what was said of the greeting before is gone
}

TEST_CASE("too many notes, or results, are refused and logged, and the message goes on") {
  BodyRig rig;
  int more = 0;
  rig.hook(Stage::mail, kMayNotes | kMayAuthResults, [&](HookCall& call) {
    for (int i = 0; i < 64 + more; ++i) call.edits().push_back(AddNote{"k" + std::to_string(i), "v"});
    return Verdict();
  });
  rig.hook(Stage::message, kMayNotes, [](HookCall& call) { return call.edits().push_back(AddNote{"k0", "again"}), Verdict(); });
  Rig::Client client(rig);
  hello(client);
  CHECK(client.send_message("Subject: x\r\n\r\nbody\r\n").starts_with("250"));
  CHECK(rig.queue.added.at(0)->envelope.notes.size() == 64);
  CHECK(*find_note(rig.queue.added.at(0)->envelope.notes, "k0") == "again");
  more = 1;
  CHECK(client.send_message("Subject: x\r\n\r\nbody\r\n").starts_with("250"));
  CHECK(rig.queue.added.at(1)->envelope.notes.size() == 1);
  CHECK(rig.until([&] { return rig.sink.count("hook.fault") == 1; }));
}

TEST_CASE("one field tells all results above our own Received, and forged ones are gone before the seal") {
  for (uint64_t inline_size : {1 << 20, 10}) {
    BodyRig rig(inline_size);
    auto add = [&rig](Stage stage, AuthResult result) {
      rig.hook(stage, kMayAuthResults, [result](HookCall& call) { return call.edits().push_back(AddAuthResult(result)), Verdict(); });
    };
    add(Stage::connect, {"iprev", "pass", "", {{"policy.iprev", "127.0.0.1"}}});
    add(Stage::helo, {"spf", "none", "", {{"smtp.helo", "client.test"}}});
    add(Stage::mail, {"spf", "fail", "", {{"smtp.mailfrom", "a\r\nX-Evil: 1"}}});
    size_t known = 0;
    rig.hook(Stage::message, kMayAuthResults, [&](HookCall& call) {
      known = call.subject().auth_results->size();
      call.edits().push_back(AddAuthResult{"dkim", "pass", "", {{"header.d", "a.test"}}});
      return Verdict();
    });
    std::string sealed;
    rig.hook(Stage::seal, kMayHeaders, [&](HookCall& call) {
      sealed = call.subject().content->head;
      call.edits().push_back(InsertHeader{0, "X-Seal", "1"});
      return Verdict();
    });
    Rig::Client client(rig);
    hello(client);
    std::string rest = "Authentication-Results: other.test; none\r\nSubject: x\r\n\r\nAuthentication-Results: mx.test; body\r\n";
    for (int round = 0; round < 2; ++round) {
      CHECK(client.send_message("authentication-results: (c) MX.TEST 1;\r\n\tdmarc=pass\r\n" + rest).starts_with("250"));
      std::string octets = rig.octets(static_cast<size_t>(round));
      CHECK(known == 3);
      CHECK(sealed.starts_with("Authentication-Results: mx.test;\r\n\tiprev=pass policy.iprev=127.0.0.1;\r\n\tspf=none smtp.helo=client.test;\r\n"
                               "\tspf=fail smtp.mailfrom=\"a  X-Evil: 1\";\r\n\tdkim=pass header.d=a.test\r\nReceived: from "));
      CHECK(octets.starts_with("X-Seal: 1\r\nAuthentication-Results: mx.test;"));
      CHECK(octets.ends_with(rest));
      CHECK(octets.find("dmarc") == octets.npos);
      CHECK(count_of(octets, "Authentication-Results:") == 3);
    }
  }
}

TEST_CASE("forged results go also when there is nothing to tell, and when nobody composes any; what others found stays") {
  const std::string others = "Authentication-Results: other.test; spf=fail\r\nARC-Authentication-Results: i=1; mx.test; none\r\nSubject: x\r\n\r\n";
  for (bool composes : {true, false})
    for (bool hooked : {true, false})
      for (uint64_t inline_size : {1 << 20, 100}) {
        if (composes && !hooked) continue;
        BodyRig rig(inline_size);
        if (hooked) rig.hook(Stage::message, composes ? uint32_t{kMayAuthResults} : 0u, [](HookCall&) { return Verdict(); });
        Rig::Client client(rig);
        hello(client);
        std::string body = big_body(200);
        CHECK(client.send_message("authentication-results:\r\n (x) MX.test; spf=pass\r\n" + others + body).starts_with("250"));
        std::string octets = rig.octets(0);
        CHECK(octets.find("spf=pass") == std::string::npos);
        CHECK(octets.starts_with("Received: "));
        CHECK(octets.ends_with("\r\n" + others + body));
      }
}
