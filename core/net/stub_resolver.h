// StubResolver: the Resolver of one loop. Asks recursive resolvers by UDP and TCP, several in turn, remembers answers within bounds, and asks
// once for what several want at the same time. Askers may go away at any moment; they must not outlive the loop.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "log/log.h"
#include "loop/scope.h"
#include "net/dns_cache.h"
#include "net/dns_message.h"
#include "net/hosts_table.h"
#include "net/resolver.h"

namespace veredus {

enum class BogusCheck : uint8_t { never, tlsa, always };  // whether SERVFAIL is asked again with CD, to tell bogus from broken

struct ResolverOptions {
  ResolverOptions() = default;
  explicit ResolverOptions(std::vector<Endpoint> s) : servers(std::move(s)) {}

  std::vector<Endpoint> servers;                         // in order of preference
  std::map<std::string, std::vector<IpAddress>> hosts;   // answered before DNS
  std::vector<Network> trusted = {*Network::parse("127.0.0.0/8"), *Network::parse("::1/128")};  // whose AD bit is believed
  unsigned tries = 3;                // datagrams for one question, over all servers; at least one a server
  Millis try_timeout{1500};          // of the first try; later tries wait longer by half each
  Millis tcp_timeout{5000};
  Millis total_timeout{15000};       // of one question, whatever its askers would wait
  Millis bad_server_rest{30000};     // a server that did not answer is asked last for so long
  size_t cache_entries = 20000;
  size_t cache_octets = 16 << 20;
  Seconds min_ttl{5}, max_ttl{86400};            // bounds for what is there
  Seconds min_negative_ttl{1}, max_negative_ttl{3600};
  Seconds failure_ttl{2};            // how long a failure is not asked again
  size_t max_concurrent = 1000;      // questions on the wire (one descriptor each); more wait their turn
  BogusCheck bogus_check = BogusCheck::tlsa;
  Log* log = nullptr;  // of the loop; null = silent
};

class StubResolver final : public Resolver {
 public:
  StubResolver(Loop& loop, ResolverOptions options);
  ~StubResolver() override;

  Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) override;
  void forget() { cache_.clear(); }  // after a reload

  struct Counts {
    uint64_t asked = 0, from_cache = 0, joined = 0, on_the_wire = 0, by_tcp = 0, failed = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  using Answer = std::shared_ptr<const DnsAnswer>;
  struct Lookup;
  struct Server {
    Endpoint where;
    bool trusted = false;
    MonoTime bad_until{};
    bool down = false;  // as last logged
  };

  Task<void> run(std::shared_ptr<Lookup> lookup);
  Task<DnsAnswer> ask(std::string name, DnsType type, DnsQueryFlags flags, Deadline deadline);
  Task<Result<DnsReply>> ask_server(Server& server, std::string name, DnsType type, DnsQueryFlags flags, Deadline deadline, Deadline total);
  std::vector<Server*> order();
  void note_failure(Server& server, const Error& error);
  void note_answer(Server& server, const DnsReply& reply);
  void write_log(const EventDef& event, std::initializer_list<Field> fields);
  void start(std::shared_ptr<Lookup> lookup);
  void start_waiting();
  void finish(const std::shared_ptr<Lookup>& lookup, DnsAnswer answer);
  uint32_t bounded_ttl(const DnsAnswer& answer) const;

  Loop& loop_;
  ResolverOptions options_;
  HostsTable hosts_;
  std::vector<Server> servers_;
  DnsCache cache_;
  std::unordered_map<std::string, std::shared_ptr<Lookup>> lookups_;
  std::deque<std::shared_ptr<Lookup>> waiting_;
  size_t active_ = 0;
  bool starting_ = false;
  Counts counts_;
  Scope scope_;
};

std::unique_ptr<Resolver> make_resolver(Loop& loop, ResolverOptions options);

}  // namespace veredus
