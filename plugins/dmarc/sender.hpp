// Sender: the reports of days that are over, one domain after the other, each at its own time within some hours. Runs on loop 0 only; what
// was sent is marked in core.kv, where other nodes with the same store see it too:
//   s/DAY/DOMAIN         whose it is, its report-id: "WRITER ID UNTIL", put if absent; "done"
//   u/DAY/DOMAIN/N       address N: "trying", "sent", "failed"
#pragma once

#include <functional>
#include <set>

#include "collector.hpp"
#include "common/tasks.hpp"
#include "mailauth/dmarc/destinations.h"
#include "settings.h"

namespace dmarc {

struct Counters {
  vrd::Metric counted, lost, sent, failed;
};

class Sender {
 public:
  using Tell = std::function<void(const std::string&)>;
  Sender(const vrd::Host& host, const Options& options, const Counters& counters);

  // All reports of a day that were not sent, now; a line each to `tell`. Null of `tell`: those whose time has come.
  vrd::Task<void> send_day(std::string day, Tell tell);

 private:
  struct Outcome {
    bool settled = true;  // nothing is left to be tried
    std::string text;
  };
  struct Claim {
    std::string id;       // of the report; empty: it is not ours to send
    Outcome outcome;
  };
  void wait();
  vrd::Task<void> round();
  bool due(const std::string& day, const std::string& domain) const;
  vrd::Task<Outcome> send_domain(std::string day, std::string domain, std::string policy);
  vrd::Task<std::vector<mailauth::Destination>> destinations(std::string domain, Outcome* problem);
  vrd::Task<Claim> claim(std::string name);
  vrd::Task<bool> gather(std::string day, std::string domain, mailauth::AggregateReport* into);
  vrd::Task<std::string> packed(mailauth::AggregateReport report);
  vrd::Task<Outcome> send_to(const mailauth::AggregateReport* report, const std::string* gzip, mailauth::Destination to, std::string mark);
  vrd::Task<std::string> deliver(const mailauth::AggregateReport* report, const std::string* gzip, mailauth::Destination to);

  const vrd::Host& host_;
  const Options& options_;
  const Counters& counters_;
  const std::string me_;
  std::set<std::string> done_;  // "DAY/DOMAIN" for which nothing is to be done any more
  bool busy_ = false;
  common::Tasks tasks_;
};

}  // namespace dmarc
