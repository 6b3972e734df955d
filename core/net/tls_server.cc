// The server's side: which certificate a client gets, and the handshake. Certificates are kept in one immutable table that is replaced when a
// file has changed; handshakes under way go on with the one they have.
#include <gnutls/x509.h>

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/text.h"
#include "net/client_hello.h"
#include "net/tls_pair.h"
#include "net/tls_stream.h"

namespace veredus {

namespace {

constexpr const char* kPriority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:+AES-128-CCM:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE:%SAFE_RENEGOTIATION";
constexpr Millis kTablePatience{10'000};
constexpr Seconds kAskAgain{60};  // about a pair that was refused by who asked for it

using Pairs = std::vector<std::shared_ptr<const TlsPair>>;

// Names to credentials. "*.a.test" stands under ".a.test".
struct CertificateTable {
  Pairs pairs;
  std::unordered_map<std::string, TlsCredentials> by_name;
  TlsCredentials first;

  TlsCredentials find(const std::string& name) const {
    if (auto exact = by_name.find(name); exact != by_name.end()) return exact->second;
    size_t dot = name.find('.');
    auto wild = dot == std::string::npos ? by_name.end() : by_name.find(name.substr(dot));
    return wild == by_name.end() ? nullptr : wild->second;
  }
};

std::string key_of(std::string name) {
  name = lowered(name);
  return name.starts_with("*.") ? name.substr(1) : name;
}

// Pairs with the same name share credentials, so that a client gets the kind of key it can use.
Result<std::shared_ptr<const CertificateTable>> make_table(Pairs pairs, const std::string& client_ca) {
  auto out = std::make_shared<CertificateTable>();
  std::map<std::string, std::vector<size_t>> named;
  for (size_t i = 0; i < pairs.size(); ++i)
    for (const std::string& name : pairs[i]->info.names) {
      auto& list = named[key_of(name)];
      if (list.empty() || list.back() != i) list.push_back(i);
    }
  std::map<std::vector<size_t>, TlsCredentials> made;
  auto credentials_of = [&](const std::vector<size_t>& list) -> Result<TlsCredentials> {
    TlsCredentials& place = made[list];
    if (place) return place;
    Pairs some;
    for (size_t i : list) some.push_back(pairs[i]);
    auto fresh = make_credentials(std::move(some), client_ca);
    if (fresh) place = *fresh;
    return fresh;
  };
  for (const auto& [name, list] : named) {
    auto made_now = credentials_of(list);
    if (!made_now) return made_now.error();
    out->by_name[name] = *made_now;
  }
  if (!pairs.empty()) {
    std::vector<size_t> first{0};
    if (!pairs[0]->info.names.empty()) first = named[key_of(pairs[0]->info.names[0])];
    auto made_now = credentials_of(first);
    if (!made_now) return made_now.error();
    out->first = *made_now;
  }
  out->pairs = std::move(pairs);
  return std::shared_ptr<const CertificateTable>(std::move(out));
}

// Certificates of the table of tables, the least recently used go first.
class CertificateCache {
 public:
  explicit CertificateCache(size_t most) : most_(std::max<size_t>(most, 1)) {}

  struct Entry {
    std::string value;  // of the table, when it was read
    std::shared_ptr<const TlsPair> pair;
    TlsCredentials credentials;
  };
  // The files are looked at without the lock.
  TlsCredentials find(const std::string& name, const std::string& value) {
    Entry known = take_note(name);
    if (!known.pair || known.value != value) return nullptr;
    const TlsPair& pair = *known.pair;
    bool same = stamp_of(pair.cert_path) == pair.cert_stamp && stamp_of(pair.key_path) == pair.key_stamp;
    return same ? known.credentials : nullptr;
  }
  void put(const std::string& name, Entry entry) {
    std::lock_guard lock(mutex_);
    if (auto old = places_.find(name); old != places_.end()) {
      order_.erase(old->second);
      places_.erase(old);
    }
    order_.emplace_front(name, std::move(entry));
    places_[name] = order_.begin();
    if (order_.size() <= most_) return;
    places_.erase(order_.back().first);
    order_.pop_back();
  }

 private:
  Entry take_note(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto place = places_.find(name);
    if (place == places_.end()) return Entry();
    order_.splice(order_.begin(), order_, place->second);
    return place->second->second;
  }

  std::mutex mutex_;
  size_t most_;
  std::list<std::pair<std::string, Entry>> order_;
  std::unordered_map<std::string, decltype(order_)::iterator> places_;
};

// The key that tickets are made with; GnuTLS derives the keys in use from it, a new one each period. After some periods another one takes
// its place, so that nothing that could open old tickets is kept.
struct TicketKey {
  gnutls_datum_t data{};
  MonoTime made{};
  explicit TicketKey(MonoTime now) : made(now) { gnutls_session_ticket_key_generate(&data); }
  ~TicketKey() {
    gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
  }
};

struct Priority {
  gnutls_priority_t handle = nullptr;
  ~Priority() {
    if (handle) gnutls_priority_deinit(handle);
  }
};

Result<std::shared_ptr<Priority>> make_priority(const std::string& text, const char* fallback, const char* setting) {
  auto out = std::make_shared<Priority>();
  const char* wrong = nullptr;
  const char* wanted = text.empty() ? fallback : text.c_str();
  if (gnutls_priority_init2(&out->handle, wanted, &wrong, 0) < 0)
    return fail(Errc::invalid, std::string(setting) + ": GnuTLS does not understand it at \"" + printable(wrong ? wrong : wanted, 60) + "\"");
  return out;
}

}  // namespace

class FileTlsServer final : public TlsServer {
 public:
  FileTlsServer(TlsServerOptions options, TablePort* tables, Report report, const Clock& clock)
      : options(std::move(options)), tables(tables), report(std::move(report)), clock(clock), cache(this->options.cache) {}

  bool offers_tls() const override { return !options.certificates.empty() || !options.table.empty(); }
  std::vector<CertificateInfo> certificates() const override {
    std::vector<CertificateInfo> out;
    for (const auto& pair : table()->pairs) out.push_back(pair->info);
    return out;
  }
  bool files_changed() const override {
    Pairs pairs = table()->pairs;
    return key_is_old() || std::any_of(pairs.begin(), pairs.end(), [&](const auto& pair) { return wants_look(*pair); });
  }
  void look_for_changes(const Accept& accept) override;

  std::shared_ptr<const CertificateTable> table() const {
    std::lock_guard lock(mutex_);
    return table_;
  }
  void use(std::shared_ptr<const CertificateTable> fresh) {
    std::lock_guard lock(mutex_);
    table_ = std::move(fresh);
  }
  std::shared_ptr<TicketKey> tickets() const {
    std::lock_guard lock(mutex_);
    return tickets_;
  }
  bool key_is_old() const {
    constexpr int kPeriodsOfKey = 8;
    auto key = tickets();
    return key && clock.mono() - key->made > options.tickets * kPeriodsOfKey;
  }
  void use(std::shared_ptr<TicketKey> fresh) {
    std::lock_guard lock(mutex_);
    tickets_ = std::move(fresh);
  }
  Task<Result<TlsCredentials>> choose(Loop& loop, std::string name);
  Task<Result<TlsCredentials>> from_table(Loop& loop, std::string name, std::string value);

  const TlsServerOptions options;
  TablePort* const tables;
  const Report report;
  const Clock& clock;
  std::shared_ptr<Priority> priority;
  CertificateCache cache;

 private:
  mutable std::mutex mutex_;  // for the moment of taking the pointer
  std::shared_ptr<const CertificateTable> table_;
  std::shared_ptr<TicketKey> tickets_;
  struct Refused {  // as the files were then
    FileStamp cert, key;
    MonoTime again;  // not looked at before, unless the files change
  };
  static bool same_files(const Refused& refused, const FileStamp& cert, const FileStamp& key) { return refused.cert == cert && refused.key == key; }
  bool wants_look(const TlsPair& pair) const;
  void refuse(const std::string& file, Refused refused, const std::string& why);
  Result<std::shared_ptr<const TlsPair>> renewed(const TlsPair& pair, const Accept& accept, Refused& refused) const;
  std::map<std::string, Refused> refused_;
};

Result<std::shared_ptr<TlsServer>> TlsServer::make(TlsServerOptions options, TablePort* tables, Report report, const Clock& clock, const TlsServer* before) {
  auto out = std::make_shared<FileTlsServer>(std::move(options), tables, std::move(report), clock);
  auto priority = make_priority(out->options.priority, kPriority, "tls.priority");
  if (!priority) return priority.error();
  out->priority = std::move(*priority);
  Pairs pairs;
  for (const TlsServerOptions::Pair& wanted : out->options.certificates) {
    auto pair = read_pair(wanted.cert, wanted.key, clock.wall());
    if (!pair) return fail(pair.error().code, (wanted.place.empty() ? "" : wanted.place + ": ") + pair.error().text);
    if (!(*pair)->warning.empty() && out->report) out->report(false, (*pair)->warning);
    pairs.push_back(std::move(*pair));
  }
  auto table = make_table(std::move(pairs), out->options.client_ca);
  if (!table) return table.error();
  out->use(std::move(*table));
  const auto* old = static_cast<const FileTlsServer*>(before);
  if (out->options.tickets.count() > 0) out->use(old && old->tickets() ? old->tickets() : std::make_shared<TicketKey>(clock.mono()));
  return std::shared_ptr<TlsServer>(std::move(out));
}

bool FileTlsServer::wants_look(const TlsPair& pair) const {
  FileStamp cert = stamp_of(pair.cert_path), key = stamp_of(pair.key_path);
  if (cert == pair.cert_stamp && key == pair.key_stamp) return false;
  auto known = refused_.find(pair.cert_path);
  return known == refused_.end() || !same_files(known->second, cert, key) || clock.mono() >= known->second.again;
}

// Reports once as long as the files stay as they are.
void FileTlsServer::refuse(const std::string& file, Refused refused, const std::string& why) {
  auto known = refused_.find(file);
  bool told = known != refused_.end() && same_files(known->second, refused.cert, refused.key);
  refused_[file] = refused;
  if (!told && report) report(true, why + " (the one before it stays in use)");
}

Result<std::shared_ptr<const TlsPair>> FileTlsServer::renewed(const TlsPair& pair, const Accept& accept, Refused& refused) const {
  refused = {stamp_of(pair.cert_path), stamp_of(pair.key_path), MonoTime::max()};
  auto fresh = read_pair(pair.cert_path, pair.key_path, clock.wall());
  Status accepted;
  if (fresh && accept) accepted = accept((*fresh)->info);
  if (!accepted) refused.again = clock.mono() + kAskAgain;
  if (!accepted) return accepted.error();
  return fresh;
}

void FileTlsServer::look_for_changes(const Accept& accept) {
  if (key_is_old()) use(std::make_shared<TicketKey>(clock.mono()));
  Pairs pairs = table()->pairs;
  bool changed = false;
  for (auto& pair : pairs) {
    if (!wants_look(*pair)) continue;
    Refused refused;
    auto fresh = renewed(*pair, accept, refused);
    if (!fresh) {
      refuse(pair->cert_path, refused, fresh.error().text);
      continue;
    }
    refused_.erase(pair->cert_path);
    if (!(*fresh)->warning.empty() && report) report(false, (*fresh)->warning);
    pair = std::move(*fresh);
    changed = true;
  }
  if (!changed) return;
  if (auto made = make_table(std::move(pairs), options.client_ca)) use(std::move(*made));
  else if (report) report(true, made.error().text);
}

Task<Result<TlsCredentials>> FileTlsServer::choose(Loop& loop, std::string name) {
  auto here = table();
  if (TlsCredentials found = name.empty() ? nullptr : here->find(name)) co_return found;
  if (!options.table.empty() && tables && !name.empty()) {
    TableAnswer answer = co_await tables->look_up(loop, options.table, name, Deadline::in(loop, kTablePatience));
    if (answer.kind == TableAnswer::Kind::temporary)
      co_return fail(Errc::busy, "tls.certificate_table cannot be asked for " + printable(name, 255) + ": " + answer.problem);
    if (answer.kind == TableAnswer::Kind::found) co_return co_await from_table(loop, std::move(name), std::move(answer.value));
  }
  if (!here->first) co_return fail(Errc::not_found, "there is no certificate for " + (name.empty() ? std::string("a client that names no server") : printable(name, 255)));
  co_return here->first;
}

Task<Result<TlsCredentials>> FileTlsServer::from_table(Loop& loop, std::string name, std::string value) {
  if (TlsCredentials known = cache.find(name, value)) co_return known;
  size_t space = value.find(' ');
  if (space == std::string::npos || space == 0 || value.find(' ', space + 1) != std::string::npos)
    co_return fail(Errc::invalid, "tls.certificate_table: the value for " + printable(name, 255) + " is not the path of a certificate and the path of a key, parted by a space");
  std::string cert = value.substr(0, space), key = value.substr(space + 1), ca = options.client_ca;
  WallTime now = clock.wall();
  using Made = CertificateCache::Entry;
  std::function<Result<Made>()> work = [cert, key, ca, value, now]() -> Result<Made> {
    auto pair = read_pair(cert, key, now);
    if (!pair) return pair.error();
    auto credentials = make_credentials({*pair}, ca);
    if (!credentials) return credentials.error();
    return Made{value, std::move(*pair), std::move(*credentials)};
  };
  Result<Made> made = fail(Errc::busy, "not read");
  if (options.pool) made = co_await run_on<Made>(loop, *options.pool, std::move(work));
  else made = work();
  if (!made) {
    if (report) report(true, "tls.certificate_table: " + made.error().text);
    co_return made.error();
  }
  TlsCredentials out = made->credentials;
  cache.put(name, std::move(*made));
  co_return out;
}

namespace {

// What lives as long as a session.
struct ServerHolds {
  std::shared_ptr<FileTlsServer> server;
  TlsCredentials credentials;
};

void configure(TlsStream& stream, ServerHolds& holds) {
  gnutls_session_t session = stream.session();
  const FileTlsServer& server = *holds.server;
  static unsigned char smtp[] = "smtp";
  gnutls_datum_t protocol{smtp, 4};
  gnutls_priority_set(session, server.priority->handle);
  gnutls_alpn_set_protocols(session, &protocol, 1, GNUTLS_ALPN_MANDATORY);
  if (auto tickets = server.tickets()) {
    gnutls_db_set_cache_expiration(session, static_cast<int>(std::chrono::duration_cast<Seconds>(server.options.tickets).count()));
    gnutls_session_ticket_enable_server(session, &tickets->data);
  }
  bool ask = server.options.ask_client || !server.options.client_ca.empty();
  gnutls_certificate_server_set_request(session, ask ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
  if (ask) gnutls_certificate_send_x509_rdn_sequence(session, 1);  // clients show whatever certificate they have
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, holds.credentials.get());
  stream.attach();
}

void judge_client(TlsStream& stream, const FileTlsServer& server) {
  unsigned status = 0;
  if (stream.facts().peer_chain.empty() || server.options.client_ca.empty()) return;
  stream.facts().peer_trusted = gnutls_certificate_verify_peers2(stream.session(), &status) >= 0 && status == 0;
}

// The alert of somebody who has not begun the handshake yet: a record of two octets.
void refuse(Stream& wire, unsigned char alert) {
  const char record[] = {21, 3, 3, 0, 2, 2, static_cast<char>(alert)};
  std::string_view octets(record, sizeof record);
  (void)wire.try_write({&octets, 1});
}

// Waits for a whole ClientHello without taking it. GnuTLS chooses the certificate as soon as it has seen the hello, and cannot wait there
// for a table; so the hello is looked at before.
Task<Result<TlsHello>> await_hello(Stream& wire, Deadline deadline) {
  for (;;) {
    HelloRead read = read_client_hello(wire.buffered());
    if (read.state != HelloRead::State::incomplete) co_return std::move(read.hello);
    auto filled = co_await wire.fill(deadline);
    std::string who = "TLS with " + wire.peer().text() + ": ";
    if (!filled && filled.error().code == Errc::timeout) co_return fail(Errc::timeout, who + "the handshake was not finished in time");
    if (!filled) co_return filled.error();
    if (*filled == 0) co_return fail(Errc::closed, who + "the peer closed the connection in the middle of the handshake");
  }
}

constexpr unsigned char kInternalError = 80, kAccessDenied = 49;

}  // namespace

Task<Result<std::unique_ptr<Stream>>> tls_accept(Loop& loop, std::unique_ptr<Stream> plain, std::shared_ptr<TlsServer> server, OnTlsHello on_hello,
                                                 Deadline deadline) {
  auto holds = std::make_shared<ServerHolds>();
  holds->server = std::static_pointer_cast<FileTlsServer>(server);
  auto hello = co_await await_hello(*plain, deadline);
  if (!hello) co_return hello.error();
  std::string sni = hello->sni;
  if (on_hello) {
    Status allowed = co_await on_hello(std::move(*hello));
    if (!allowed) {
      refuse(*plain, kAccessDenied);
      co_return allowed.error();
    }
  }
  auto chosen = co_await holds->server->choose(loop, sni);
  if (!chosen) {
    refuse(*plain, kInternalError);
    co_return chosen.error();
  }
  holds->credentials = std::move(*chosen);
  auto stream = std::make_unique<TlsStream>(std::move(plain), GNUTLS_SERVER);
  configure(*stream, *holds);
  stream->hold(holds);
  Status done = co_await stream->handshake(deadline);
  if (!done) co_return done.error();
  stream->note_facts();
  stream->facts().sni = std::move(sni);
  judge_client(*stream, *holds->server);
  co_return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace veredus
