// The bench: one fake world around the instances of one plugin: virtual time, requests under way, tokens, what was logged and counted.
// Runs on the thread that runs the script; what other threads may call says so.
#pragma once

#include <veredus/veredus.h>
#include <yaml-cpp/yaml.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "edits.h"
#include "kv_store.h"
#include "plan.h"
#include "settings.h"
#include "abi_strings.h"
#include "watch.h"

namespace veredus::ptest {

class Bench;

enum class Service : uint8_t { dns, http, stream, table, kv, helper, call, queue, work, timer };
std::string_view service_text(Service service);

struct MetricInfo {
  std::string name;
  uint32_t kind = 0;
  std::vector<std::string> labels;
};

// What the plugin sees as vrd_host. Never freed, so that late calls can be told.
struct Instance : vrd_host {
  Bench* bench = nullptr;
  const vrd_plugin* plugin = nullptr;
  std::string label, state_dir;
  std::unique_ptr<vrd_conf> conf;
  void* self = nullptr;
  void* shard = nullptr;
  bool creating = false, running = false, destroyed = false;
  bool stopping = false;  // its shard ends: requests are refused
  int refused = 0;        // of them
  std::vector<MetricInfo> metrics;
  std::vector<std::string> tables, helpers;
  std::map<std::string, std::string> core_values;  // of core.conf core(), asked for and kept
};

struct Logged {
  uint32_t level = 0;
  std::string event;
  std::map<std::string, std::string> values;
};

enum class TokenKind : uint8_t { hook, service, command };
enum class TokenState : uint8_t { open, answered, timed_out, aborted };

struct Token {
  std::string what;
  Bench* bench = nullptr;
  Instance* owner = nullptr;
  TokenKind kind = TokenKind::hook;
  TokenState state = TokenState::open;
  bool tried = false;  // the plugin answered, in time or late
  vrd_verdict verdict{};             // hook
  std::vector<Edit> edits;           // hook
  vrd_status status = VRD_OK;        // service; command: the exit code
  YAML::Node answer;                 // service
  std::function<bool(const void*, YAML::Node*)> read;  // service: the answer struct as a node; false: not allowed
  std::string output, error_output;  // command
  std::function<void()> ended;       // on the loop, once
};

// A request to a service of the host.
struct Request {
  Service service = Service::dns;
  std::string what;           // "dns A a.test"
  uint64_t timeout_ms = 0;    // 0: none
  int64_t delay_ms = 0;
  vrd_status status = VRD_OK;  // what the fake answers with
  std::function<void(vrd_status)> before;   // not on the loop; may be empty
  std::function<void(vrd_status)> deliver;
};

class Bench {
 public:
  Bench(const Plan& plan, YAML::Node fakes, int64_t wall_start, std::string directory);

  // Time. at() may be called on any thread.
  int64_t now() const { return now_; }
  int64_t wall() const { return wall_start_ + now_; }
  uint64_t at(int64_t when, std::function<void()> run, bool is_timeout = false);
  void drop(uint64_t event);
  void run_due();                                     // everything due now
  void run_for(int64_t ms);
  void drain();                                       // until no request is under way any more
  void run_into(const std::function<bool()>& done);   // a few events; nothing more need happen
  bool run_until(const std::function<bool()>& done);  // virtual time goes on; false: nothing more will happen

  // Requests.
  vrd_status ask(Instance& instance, Request request, vrd_op* op);
  bool refuses(Instance& instance);  // whether it is too late to ask for anything
  vrd_op new_op() { return 0x200000000u + ++ops_; }
  void track(vrd_op op, Instance& instance, Service service, std::string what, uint64_t event);
  bool forget(vrd_op op);  // false: stale
  bool is_open(vrd_op op) const { return requests_.contains(op); }
  void set_event(vrd_op op, uint64_t event) { requests_[op].event = event; }
  void shard_stopped(Instance& instance);  // ends what is still under way, as the host does
  void end_timers(Instance& instance);

  // Tokens. answer functions may be called on any thread.
  vrd_pending open_token(Token token, int64_t timeout_ms);
  void abort_token(vrd_pending token);
  void check_tokens();  // at the end: those that nobody answered

  const YAML::Node& fake(const char* service);  // "dns"; null when the script has none
  void note(std::string what);                    // what the plugin asked for; any thread
  void log(Logged logged);                        // any thread
  void count(const std::string& metric, const std::string& label, int64_t amount);  // any thread
  bool no_memory(Scarce what);  // any thread

  Plan plan;
  Chance chance;
  std::string directory;
  KvStore kv;
  std::vector<Logged> logs;
  std::vector<std::string> asked;
  std::map<std::string, std::map<std::string, int64_t>> metrics;
  std::set<std::string> ifaces;
  std::map<std::string, vrd_status> failing;  // by `fail:`; service -> status
  std::vector<std::unique_ptr<Instance>> instances;
  int deferrals = 0;
  bool dying = false;  // the script is over: services are no longer waited for

 private:
  struct Event {
    std::function<void()> run;
    bool is_timeout = false;
  };
  struct UnderWay {
    Instance* instance = nullptr;
    Service service = Service::dns;
    std::string what;
    uint64_t event = 0;
  };
  using Key = std::tuple<int64_t, uint64_t, uint64_t>;  // when, rank, number

  bool run_one(int64_t until, bool patient);
  bool only_timeouts_left();
  vrd_status chosen_status(const Request& request);
  int64_t chosen_delay(const Request& request);

  mutable std::recursive_mutex mutex_;
  int64_t now_ = 0;
  int64_t wall_start_;
  YAML::Node fakes_;
  std::map<std::string, YAML::Node> fake_cache_;
  uint64_t numbers_ = 0;
  uint64_t ops_ = 0;
  std::map<Key, Event> events_;
  std::map<uint64_t, Key> by_number_;
  std::map<vrd_op, UnderWay> requests_;
};

// Tokens of all benches; any thread.
Token* find_token(vrd_pending token);           // nullptr: never given out
bool end_token(vrd_pending token, TokenState state, const std::function<void(Token&)>& fill);  // false: somebody was first

// The gate of every function with a host argument: VRD_OK, or what the plugin gets, after noting the broken rule.
enum class Where : uint8_t { any, loop, create };
vrd_status gate(const vrd_host* host, const char* function, Where where, Instance** out);
bool on_loop(const char* function);  // for functions without a host argument

const void* iface(const vrd_host* host, const char* id);

}  // namespace veredus::ptest
