// How a question becomes an answer: table, cache, a question already on its way, then the servers in turn.
#include "net/stub_resolver.h"

#include <algorithm>

#include "log/events.h"
#include "net/dns_exchange.h"
#include "net/dns_name.h"
#include "net/dns_text.h"

namespace veredus {

// A question on its way and everybody who waits for its answer. Held by its askers, so it outlives the resolver if it must.
struct StubResolver::Lookup {
  Lookup(Loop& loop, std::string k, std::string n, DnsType t) : key(std::move(k)), name(std::move(n)), type(t), done(loop) {}
  std::string key, name;
  DnsType type;
  Answer answer;
  size_t askers = 0;
  Event done;
};

namespace {

using Answer = std::shared_ptr<const DnsAnswer>;

std::string key_of(const std::string& name, DnsType type) { return std::to_string(static_cast<unsigned>(type)) + " " + name; }

DnsAnswer without_answer(const std::string& name, DnsStatus status, std::string problem) {
  DnsAnswer out;
  out.status = status;
  out.canonical = name;
  out.problem = std::move(problem);
  return out;
}

Answer shared(DnsAnswer answer) { return std::make_shared<const DnsAnswer>(std::move(answer)); }

DnsStatus status_of(const Error& error) {
  switch (error.code) {
    case Errc::timeout: return DnsStatus::timeout;
    case Errc::corrupt: return DnsStatus::malformed;
    default: return DnsStatus::server_failure;
  }
}

// Counts an asker for as long as its coroutine lives.
template <typename L>
struct Asker {
  explicit Asker(std::shared_ptr<L> l) : lookup(std::move(l)) { ++lookup->askers; }
  Asker(const Asker&) = delete;
  ~Asker() { --lookup->askers; }
  std::shared_ptr<L> lookup;
};

}  // namespace

StubResolver::StubResolver(Loop& loop, ResolverOptions options)
    : loop_(loop), options_(std::move(options)), hosts_(options_.hosts), cache_(options_.cache_entries, options_.cache_octets), scope_(loop) {
  for (const Endpoint& where : options_.servers) servers_.push_back(Server{where, contains(options_.trusted, where.ip), {}});
  for (const Server& server : servers_)
    write_log(events::kDnsConfigured, {{"server", server.where.text()}, {"trusted", server.trusted}});
}

StubResolver::~StubResolver() {
  scope_.cancel();
  for (auto& [key, lookup] : lookups_) {
    lookup->answer = shared(without_answer(lookup->name, DnsStatus::server_failure, "the resolver was closed"));
    lookup->done.set();
  }
}

Task<Answer> StubResolver::query(std::string name, DnsType type, Deadline deadline) {
  ++counts_.asked;
  auto ascii = to_query_name(name);
  if (!ascii) co_return shared(without_answer(name, DnsStatus::no_name, ascii.error().text));
  if (auto known = hosts_.answer(*ascii, type)) co_return shared(std::move(*known));
  std::string key = key_of(*ascii, type);
  if (auto cached = cache_.find(key, loop_.now())) {
    ++counts_.from_cache;
    co_return cached;
  }
  auto& slot = lookups_[key];
  bool fresh = !slot;
  if (fresh) slot = std::make_shared<Lookup>(loop_, key, *ascii, type);
  else ++counts_.joined;
  Asker<Lookup> asker(slot);
  if (fresh) start(asker.lookup);
  bool answered = co_await asker.lookup->done.wait(deadline);  // from here on the resolver may be gone
  if (answered) co_return asker.lookup->answer;
  co_return shared(without_answer(*ascii, DnsStatus::timeout, "no answer for " + *ascii + " in time"));
}

void StubResolver::start(std::shared_ptr<Lookup> lookup) {
  if (active_ >= options_.max_concurrent) {
    waiting_.push_back(std::move(lookup));
    return;
  }
  ++active_;
  scope_.spawn(run(std::move(lookup)));
}

Task<void> StubResolver::run(std::shared_ptr<Lookup> lookup) {
  Deadline deadline = Deadline::in(loop_, options_.total_timeout);
  DnsQueryFlags flags;
  flags.dnssec_ok = lookup->type == DnsType::tlsa;
  DnsAnswer answer = co_await ask(lookup->name, lookup->type, flags, deadline);
  bool check = options_.bogus_check == BogusCheck::always || (options_.bogus_check == BogusCheck::tlsa && lookup->type == DnsType::tlsa);
  if (check && answer.status == DnsStatus::server_failure && !answer.server.empty()) {
    flags.checking_disabled = true;
    DnsAnswer unchecked = co_await ask(lookup->name, lookup->type, flags, deadline);
    answer.bogus = !unchecked.temporary();
    if (answer.bogus) answer.problem += "; without validation it answers: the zone's signatures are wrong";
  }
  finish(lookup, std::move(answer));
}

void StubResolver::finish(const std::shared_ptr<Lookup>& lookup, DnsAnswer answer) {
  if (answer.temporary()) ++counts_.failed;
  write_log(answer.temporary() ? events::kDnsFailed : events::kDnsQuery,
            {{"name", lookup->name}, {"type", text_of(lookup->type)}, {"status", text_of(answer.status)}, {"server", answer.server},
             {"problem", answer.problem}});
  answer.ttl = bounded_ttl(answer);
  lookup->answer = shared(std::move(answer));
  cache_.put(lookup->key, lookup->answer, loop_.now() + Seconds(lookup->answer->ttl));
  lookups_.erase(lookup->key);
  lookup->done.set();
  --active_;
  start_waiting();
}

// Lookups that end at once must not start each other deeper and deeper.
void StubResolver::start_waiting() {
  if (std::exchange(starting_, true)) return;
  while (!waiting_.empty() && active_ < options_.max_concurrent) {
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    if (next->askers > 0) start(std::move(next));
    else lookups_.erase(next->key);
  }
  starting_ = false;
}

uint32_t StubResolver::bounded_ttl(const DnsAnswer& answer) const {
  Seconds ttl(answer.ttl);
  if (answer.temporary()) ttl = options_.failure_ttl;
  else if (answer.status == DnsStatus::ok) ttl = std::clamp(ttl, options_.min_ttl, options_.max_ttl);
  else ttl = std::clamp(ttl, options_.min_negative_ttl, options_.max_negative_ttl);
  return static_cast<uint32_t>(ttl.count());
}

std::vector<StubResolver::Server*> StubResolver::order() {
  std::vector<Server*> out;
  for (Server& server : servers_) out.push_back(&server);
  std::stable_partition(out.begin(), out.end(), [this](Server* server) { return server->bad_until <= loop_.now(); });
  return out;
}

void StubResolver::note_failure(Server& server, const Error& error) {
  server.bad_until = loop_.now() + options_.bad_server_rest;
  if (std::exchange(server.down, true)) return;
  write_log(events::kDnsServerDown, {{"server", server.where.text()}, {"reason", error.text}});
}

void StubResolver::note_answer(Server& server, const DnsReply& reply) {
  if (std::exchange(server.down, false)) write_log(events::kDnsServerUp, {{"server", server.where.text()}});
  if (reply.answer.status == DnsStatus::malformed)
    write_log(events::kDnsMalformed, {{"server", server.where.text()}, {"reason", reply.answer.problem}});
}

void StubResolver::write_log(const EventDef& event, std::initializer_list<Field> fields) {
  if (options_.log) options_.log->write(event, fields);
}

Task<DnsAnswer> StubResolver::ask(std::string name, DnsType type, DnsQueryFlags flags, Deadline deadline) {
  DnsAnswer worst = without_answer(name, DnsStatus::server_failure, "no resolver is configured");
  auto servers = order();
  size_t tries = std::max<size_t>(options_.tries, servers.size());
  std::vector<bool> done(servers.size());  // servers that said no; silence may be asked again
  Millis patience = options_.try_timeout;
  for (size_t i = 0; !servers.empty() && i < tries && loop_.now() < deadline.when; ++i) {
    Server& server = *servers[i % servers.size()];
    if (done[i % servers.size()]) continue;
    auto reply = co_await ask_server(server, name, type, flags, Deadline::in(loop_, patience).sooner(deadline), deadline);
    if (reply) note_answer(server, *reply);
    else note_failure(server, reply.error());
    if (reply && reply->believable) co_return std::move(reply->answer);
    if (reply) {
      worst = std::move(reply->answer);
    } else {
      if (worst.server.empty()) worst = without_answer(name, status_of(reply.error()), reply.error().text);
    }
    done[i % servers.size()] = reply.ok() || reply.error().code != Errc::timeout;
    if (i % servers.size() + 1 == servers.size()) patience += options_.try_timeout / 2;
  }
  co_return worst;
}

Task<Result<DnsReply>> StubResolver::ask_server(Server& server, std::string name, DnsType type, DnsQueryFlags flags, Deadline deadline,
                                                Deadline total) {
  auto made = make_query(name, type, flags);
  if (!made) co_return made.error();
  auto query = std::make_shared<const DnsQuery>(std::move(*made));
  ++counts_.on_the_wire;
  auto message = co_await ask_by_udp(loop_, server.where, query, deadline);
  bool by_tcp = message.ok() ? is_truncated(*message) : message.error().code == Errc::limit;
  if (by_tcp) {
    ++counts_.by_tcp;
    message = co_await ask_by_tcp(loop_, server.where, query, Deadline::in(loop_, options_.tcp_timeout).sooner(total));
  }
  if (!message) co_return message.error();
  DnsReply reply = read_reply(*query, *message);
  constexpr uint8_t kFormatError = 1;
  if (reply.rcode == kFormatError && flags.edns) {  // an old server: once more without EDNS
    flags.edns = false;
    co_return co_await ask_server(server, std::move(name), type, flags, Deadline::in(loop_, options_.try_timeout).sooner(total), total);
  }
  reply.answer.server = server.where.text();
  reply.answer.authentic = reply.answer.authentic && server.trusted;
  co_return reply;
}

std::unique_ptr<Resolver> make_resolver(Loop& loop, ResolverOptions options) {
  return std::make_unique<StubResolver>(loop, std::move(options));
}

}  // namespace veredus
