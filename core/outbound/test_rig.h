// For the tests of outbound: one loop with real sockets on loopback, scripted next hops, DNS from a table, and a queue that hands out the
// attempts a test gives it.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <deque>
#include <functional>
#include <optional>

#include "base/text.h"
#include "net/fake_resolver.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tls.h"
#include "outbound/delivery.h"
#include "outbound/route_table.h"
#include "spool/memory_spool.h"

namespace veredus::outbound_test {

// A next hop. answer() gets each command, "DOT" at the end of the content ("DOT <address>" for LMTP), and says what to send; nullopt: the
// usual. "CLOSE" closes the connection, "" says nothing.
class NextHopServer {
 public:
  // An address, or the path of a Unix socket for LMTP.
  NextHopServer(Loop& loop, const std::string& place, uint16_t wanted = 0) : lmtp(place.starts_with('/')), loop_(loop), scope_(loop) {
    Result<int> fd = fail(Errc::invalid, "");
    if (lmtp)
      fd = bind_unix(place, 0600);
    else
      fd = bind_listener(Endpoint{*IpAddress::parse(place), wanted});
    REQUIRE(fd.ok());
    sockaddr_in name{};
    socklen_t size = sizeof name;
    if (!lmtp && getsockname(*fd, reinterpret_cast<sockaddr*>(&name), &size) == 0) port = ntohs(name.sin_port);
    listen_on(*fd);
  }

  std::string greeting = "220 sink ESMTP\r\n";
  std::vector<std::string> features = {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"};
  std::vector<std::string> inside;         // features after STARTTLS
  std::shared_ptr<TlsServer> certificates;  // takes STARTTLS
  std::vector<TlsFacts> handshakes;         // what they settled
  std::function<std::optional<std::string>(const std::string&)> answer;
  uint16_t port = 0;
  bool lmtp;
  int connections = 0;
  std::vector<std::string> commands, contents, clients;
  void close_all() { scope_.cancel(); }
  bool saw(std::string_view command) const {
    return std::any_of(commands.begin(), commands.end(), [&](const std::string& c) { return c.starts_with(command); });
  }
  size_t count(std::string_view command) const {
    return static_cast<size_t>(
        std::count_if(commands.begin(), commands.end(), [&](const std::string& c) { return c.starts_with(command); }));
  }

 private:
  struct Session {
    std::unique_ptr<Stream> stream;
    std::vector<std::string> accepted;
    std::string content;
    bool encrypted = false;
  };

  void listen_on(int fd) {
    listener_.emplace(loop_, fd, [this](int client, Endpoint peer) {
      ++connections;
      clients.push_back(peer.ip.text());
      auto stream = adopt_stream(loop_, client);
      REQUIRE(stream.ok());
      scope_.spawn(serve(std::move(*stream)));
    });
  }
  Deadline patience() const { return Deadline::in(loop_, Millis(10'000)); }
  std::string usual(const std::string& line, std::string reply) const {
    std::optional<std::string> wanted;
    if (answer) wanted = answer(line);
    return wanted ? *wanted : reply;
  }

  Task<void> serve(std::unique_ptr<Stream> stream) {
    Session session{std::move(stream), {}, {}, false};
    bool open = co_await say(session, greeting);
    while (open) {
      auto line = co_await until(session, "\r\n");
      if (!line) co_return;
      open = co_await obey(session, *line);
    }
  }
  Task<bool> say(Session& session, std::string reply) {
    if (reply == "CLOSE") co_return false;
    if (reply.empty()) co_return true;
    auto sent = co_await session.stream->write(std::move(reply), patience());
    co_return sent.ok();
  }
  Task<std::optional<std::string>> until(Session& session, std::string end) {
    for (;;) {
      std::string_view here = session.stream->buffered();
      if (size_t place = here.find(end); place != std::string_view::npos) {
        std::string out(here.substr(0, place));
        session.stream->consume(place + end.size());
        co_return out;
      }
      auto filled = co_await session.stream->fill(patience());
      if (!filled.ok() || *filled == 0) co_return std::nullopt;
    }
  }
  Task<bool> obey(Session& session, std::string line) {
    commands.push_back(line);
    std::string verb = line.substr(0, 4);
    if (verb == "EHLO" || verb == "LHLO") {
      std::string reply = "250-sink\r\n";
      for (const std::string& feature : session.encrypted ? inside : features) reply += "250-" + feature + "\r\n";
      co_return co_await say(session, usual(line, reply + "250 HELP\r\n"));
    }
    if (line == "STARTTLS" && certificates) co_return co_await take_tls(session);
    if (verb == "DATA") co_return co_await take_data(session);
    if (verb == "BDAT") co_return co_await take_chunk(session, line);
    if (verb == "MAIL") session.accepted.clear();
    std::string reply = usual(line, verb == "QUIT" ? "221 bye\r\n" : "250 ok\r\n");
    if (verb == "RCPT" && reply[0] == '2') session.accepted.push_back(line.substr(8));
    bool open = co_await say(session, std::move(reply));
    co_return open && verb != "QUIT";
  }
  Task<bool> take_tls(Session& session) {
    std::string reply = usual("STARTTLS", "220 go on\r\n");
    bool go = reply == "220 go on\r\n";
    bool open = co_await say(session, std::move(reply));
    if (!open || !go) co_return open;
    auto secured = co_await tls_accept(loop_, std::move(session.stream), certificates, OnTlsHello(), patience());
    if (!secured) co_return false;
    session.stream = std::move(*secured);
    session.encrypted = true;
    handshakes.push_back(session.stream->tls()->facts());
    co_return true;
  }
  Task<bool> take_data(Session& session) {
    std::string reply = usual("DATA", "354 go on\r\n");
    bool go = reply.starts_with("354");
    bool open = co_await say(session, std::move(reply));
    if (!open || !go) co_return open;
    auto content = co_await until(session, "\r\n.\r\n");
    if (!content) co_return false;
    contents.push_back(*content + "\r\n");
    co_return co_await answer_dot(session);
  }
  Task<bool> take_chunk(Session& session, std::string line) {
    size_t size = *parse_uint(split(line, ' ')[1]);
    while (session.stream->buffered().size() < size) {
      auto filled = co_await session.stream->fill(patience());
      if (!filled.ok() || *filled == 0) co_return false;
    }
    session.content += session.stream->buffered().substr(0, size);
    session.stream->consume(size);
    if (!line.ends_with("LAST")) co_return co_await say(session, "250 ok\r\n");
    contents.push_back(std::exchange(session.content, {}));
    co_return co_await answer_dot(session);
  }
  Task<bool> answer_dot(Session& session) {
    if (!lmtp) co_return co_await say(session, usual("DOT", "250 2.0.0 taken\r\n"));
    for (const std::string& recipient : session.accepted) {
      bool open = co_await say(session, usual("DOT " + recipient, "250 2.0.0 stored\r\n"));
      if (!open) co_return false;
    }
    co_return true;
  }

  Loop& loop_;
  Scope scope_;
  std::optional<Listener> listener_;
};

struct Lines final : LogSink {
  void write(std::string_view lines) override { text += lines; }
  bool has(std::string_view part) const { return text.find(part) != std::string::npos; }
  std::string text;
};

class ScriptedHook final : public Hook {
 public:
  using Answer = std::function<Verdict(HookCall&)>;
  ScriptedHook(Stage stage, Answer answer) : Hook(info_for(stage)), answer_(std::move(answer)) {}
  Verdict call(HookCall& call) override { return answer_(call); }

 private:
  static HookInfo info_for(Stage stage) {
    HookInfo info;
    info.plugin = "test";
    info.stage = stage;
    info.may = UINT32_MAX;
    return info;
  }
  Answer answer_;
};

class Rig final : public QueuePort {
 public:
  Rig() {
    settings = default_settings();
    settings.hostname = "mx.example.test";
    settings.outbound.idle = Millis(200);
    settings.outbound.ip = IpPreference::ipv4_only;
  }
  ~Rig() override {
    scope.cancel();
    if (context) context->scope.cancel();
    turns(4);
  }

  // QueuePort
  Task<bool> admit(Loop&, LeaseId, LeaseTags tags) override {
    admitted.push_back(tags.mx_host);
    co_return true;
  }
  Task<std::optional<Attempt>> next(Loop&, LeaseId, std::optional<AttemptResult> previous, Deadline idle) override {
    take(std::move(previous));
    if (before_next) before_next();
    if (waiting.empty() && lingers) co_await more.wait(idle);
    if (waiting.empty()) co_return std::nullopt;
    Attempt out = std::move(waiting.front());
    waiting.pop_front();
    co_return out;
  }
  void end(LeaseId, LeaseEnd how, Reply why, std::optional<AttemptResult> last) override {
    take(std::move(last));
    ended = how;
    failure = std::move(why);
  }

  void turns(int count) {
    for (int i = 0; i < count; ++i) loop.run_turn(Millis(1));
    log.flush();
  }
  void hook(Stage stage, ScriptedHook::Answer answer) {
    std::vector<std::shared_ptr<Hook>> one = {std::make_shared<ScriptedHook>(stage, std::move(answer))};
    runner.use(std::make_shared<const HookSet>(std::move(one)));
  }
  std::shared_ptr<Message> message(std::vector<std::string> recipients, std::string octets = "Subject: x\r\n\r\nbody\r\n") {
    auto out = std::make_shared<Message>();
    out->envelope.id = ids.next();
    out->envelope.sender = Address::make("sender", "from.test");
    for (const std::string& text : recipients) {
      Recipient recipient;
      recipient.address = *Address::parse(text);
      out->envelope.recipients.push_back(std::move(recipient));
    }
    out->content.memory = std::make_shared<const std::string>(std::move(octets));
    return out;
  }
  void give(std::shared_ptr<const Message> message) {
    Attempt attempt;
    attempt.item = ++items_;
    for (uint32_t i = 0; i < message->envelope.recipients.size(); ++i) attempt.recipients.push_back(i);
    attempt.message = std::move(message);
    waiting.push_back(std::move(attempt));
  }
  void give(const std::string& recipient) { give(message({recipient})); }

  // One lease for where the routes send this domain, until it ends.
  void deliver_to(const std::string& domain) {
    begin_delivery(domain);
    MonoTime most = clock.mono() + Millis(8000);
    while (!ended && clock.mono() < most) loop.run_turn(Millis(20));
    log.flush();
    REQUIRE(ended.has_value());
    turns(3);
  }
  void begin_delivery(const std::string& domain) {
    SettingsPtr shared = std::make_shared<const Settings>(settings);
    Lease lease;
    lease.id = 1;
    lease.settings = shared;
    lease.destination = std::make_shared<const Destination>(RouteTable(shared).find(domain, ""));
    if (!context)
      context = std::make_unique<OutboundContext>(loop, dns, spool, log, *this, runner, OwnAddresses({*IpAddress::parse("127.0.0.1")}));
    ended.reset();
    failure = {};
    if (prepare) prepare(*context);
    context->scope.spawn(deliver(*context, std::move(lease)));
  }
  void route(const std::string& to) {
    RouteSettings row;
    row.match = "*";
    for (std::string_view entry : split(to, ',')) {
      row.to.emplace_back();
      for (std::string_view hop : split(entry, '|')) row.to.back().push_back(*NextHop::parse(hop));
    }
    settings.routes = {row};
  }
  void route(const NextHopServer& server) { route("smtp://127.0.0.1:" + std::to_string(server.port)); }
  Outcome outcome(size_t i = 0) const { return outcomes.at(i).outcome; }
  std::string reply(size_t i = 0) const { return outcomes.at(i).reply.joined(); }

  RealClock clock;
  Loop loop{clock};
  Lines lines;
  Log log{clock, lines, Severity::debug};
  MemorySpool spool{loop};
  FakeResolver dns{loop};
  Runner runner{loop, log, std::make_shared<const HookSet>()};
  IdGenerator ids{clock, 0};
  Scope scope{loop};
  Event more{loop};
  Settings settings;
  std::unique_ptr<OutboundContext> context;
  std::deque<Attempt> waiting;
  std::vector<RecipientOutcome> outcomes;
  std::vector<std::string> admitted;
  std::function<void()> before_next;
  std::function<void(OutboundContext&)> prepare;
  std::optional<LeaseEnd> ended;
  Reply failure;
  bool lingers = false;

 private:
  void take(std::optional<AttemptResult> result) {
    if (!result) return;
    for (RecipientOutcome& one : result->outcomes) outcomes.push_back(std::move(one));
  }
  uint64_t items_ = 0;
};

}  // namespace veredus::outbound_test
