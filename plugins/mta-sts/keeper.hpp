// Keeper: what is known of domains: in memory, in core.kv, and on the way. One fetch a domain at a time. Belongs to one loop: the plugin is
// serial. Mail to a domain whose policy is kept and holds waits for nothing.
#pragma once

#include <map>
#include <optional>

#include "entry.h"
#include "fetch.hpp"
#include "common/tasks.hpp"

namespace mta_sts {

struct Options {
  Source source;
  milliseconds patience{8'000};     // how long a question may wait for a policy
  milliseconds refresh{86'400'000};  // policies that hold are fetched again so often
  milliseconds failure{300'000};    // no fetch sooner after one that failed; doubles
  size_t cache = 0;                 // domains in memory
  bool testing_as_enforce = false;
};

struct Counters {
  vrd::Metric answers, fetches, failures;
};

class Keeper {
 public:
  Keeper(const vrd::Host& host, const Options& options, const Counters& counters);

  void find(std::string domain, vrd::TlsPolicyAnswer answer);

 private:
  struct Domain {
    std::optional<Entry> entry;
    bool loaded = false;            // from core.kv
    bool busy = false;              // a coroutine is at work for it
    int64_t absent_until = 0;       // there is no record, or no policy could be had
    int64_t checked = 0;            // the record, last
    int64_t touched = 0;
    int64_t pause = 0;              // after the last failure
    std::string result, problem;    // of the last failure
    std::multimap<uint64_t, vrd::TlsPolicyAnswer> waiting;
  };
  using Place = std::map<std::string, Domain>::iterator;

  Domain& domain_of(const std::string& name);
  void make_room();
  void give(Domain& domain, vrd::TlsPolicyAnswer& answer) const;
  void give_all(Domain& domain);
  void impatient(const std::string& name, uint64_t number);
  vrd::Task<void> learn(std::string name);
  vrd::Task<void> load(std::string name);
  vrd::Task<void> update(std::string name, bool renew);
  void keep(const std::string& name, Domain& domain, const std::string& id, Policy policy);
  void note_failure(const std::string& name, Domain& domain, const Fetched& fetched);
  void store(const std::string& name, const Entry& entry) const;
  void wait_for_round();
  vrd::Task<void> round();
  vrd::Task<void> renewal(std::string name);

  const vrd::Host& host_;
  const Options& options_;
  const Counters& counters_;
  std::map<std::string, Domain> domains_;
  uint64_t next_number_ = 0;
  common::Tasks tasks_;
};

}  // namespace mta_sts
