// Sender: the reports of days that are over, one domain after the other, at times spread over some hours. Runs on loop 0 only; what was sent
// is marked in core.kv, where other nodes with the same store see it too:
//   s/DAY/DOMAIN         whose it is, its report-id: "WRITER ID UNTIL"; put if absent
//   u/DAY/DOMAIN/N       address N: "trying", "sent", "failed"
#pragma once

#include <functional>
#include <set>

#include "collector.hpp"
#include "common/tasks.hpp"
#include "report.h"

namespace tls_report {

struct Options {
  Author author;
  std::string ca_file;
  milliseconds spread{4ll * 3'600'000};  // after midnight
  milliseconds check{60'000};            // how often it is looked whether something is due
  milliseconds give_up{86'400'000};      // after the end of the day
  milliseconds timeout{60'000};          // of one HTTPS request
};

struct Counters {
  vrd::Metric sessions, lost, sent, failed;
};

class Sender {
 public:
  using Tell = std::function<void(const std::string&)>;
  Sender(const vrd::Host& host, const Options& options, const Counters& counters, bool by_itself);

  // All reports of a day that were not sent, now; a line each to `tell`. Null of `tell`: those whose time has come.
  vrd::Task<void> send_day(std::string day, Tell tell);

 private:
  struct Outcome {
    bool settled = true;  // nothing is left to be tried
    std::string text;
  };
  void wait();
  vrd::Task<void> round();
  bool due(const std::string& day, const std::string& domain) const;
  vrd::Task<Outcome> send_domain(std::string day, std::string domain);
  vrd::Task<std::vector<std::string>> addresses(std::string domain, std::string* problem);
  vrd::Task<Summary> gather(std::string day, std::string domain);
  vrd::Task<Outcome> send_to(Report report, std::string json, std::string uri, std::string mark);
  vrd::Task<std::string> deliver(Report report, std::string json, std::string uri);

  const vrd::Host& host_;
  const Options& options_;
  const Counters& counters_;
  const std::string me_;
  std::set<std::string> done_;  // "DAY/DOMAIN" that nothing is to be done for any more
  bool busy_ = false;
  common::Tasks tasks_;
};

}  // namespace tls_report
