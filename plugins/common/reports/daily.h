// DailyReports: sends the reports of days that are over, one domain after the other, each at its own time within some hours. What is counted
// and how a report looks is the plugin's (ReportKind); whom, when, once and by whom is here. Runs on loop 0 only; what was sent is marked in
// core.kv, where other nodes with the same store see it too:
//   INDEX/DAY/DOMAIN     there is something to report (ReportKind::index, the plugin writes it)
//   s/DAY/DOMAIN         whose it is, its report-id: "WRITER ID UNTIL", put if absent; "done"
//   u/DAY/DOMAIN/N       address N: "trying", "sent", "failed"
//   n/DOMAIN/N           it was told that an address cannot be used
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/tasks.hpp"

namespace common {

using vrd::milliseconds;
constexpr milliseconds kKvPatience{5'000};
constexpr milliseconds kReportKept{14ll * 86'400'000};  // what is not sent by then is forgotten

struct ReportTimes {
  milliseconds spread{0};            // after midnight
  milliseconds check{60'000};        // how often it is looked whether something is due
  milliseconds give_up{86'400'000};  // after the end of the day
};

struct Addressee {
  std::string address;  // as it is told and marked
  uint64_t most = 0;    // octets of a message; 0: no limit
  std::string problem;  // not empty: nothing is sent there, and why
  bool later = false;   // ask again later
};
struct Addressees {
  std::vector<Addressee> all;
  std::string problem;  // not empty: there are none, and why
  bool later = false;
};

struct ReportName {
  std::string day, domain, id;
};

// One report, ready to be sent. Lives until the last address was tried.
class MadeReport {
 public:
  virtual ~MadeReport() = default;
  virtual size_t rows() const = 0;  // how many lines of counts it has, for the log
  virtual size_t mail_size() const { return 0; }
  // What went wrong; empty: it is done.
  virtual vrd::Task<std::string> deliver(std::string address) = 0;
};
struct Making {
  std::unique_ptr<MadeReport> report;
  std::string problem;  // why there is none now
};

class ReportKind {
 public:
  virtual ~ReportKind() = default;
  virtual std::string index() const = 0;  // the first part of keys that say that there is something
  virtual vrd::Task<Addressees> addressees(std::string domain) = 0;
  virtual vrd::Task<Making> make(ReportName name, std::string indexed) = 0;  // indexed: the value at the key
};

class DailyReports {
 public:
  using Tell = std::function<void(const std::string&)>;
  struct Counters {
    vrd::Metric sent, failed;
  };
  // by_itself: every day; else only when send_day() is called.
  DailyReports(const vrd::Host& host, std::unique_ptr<ReportKind> kind, std::string submitter, ReportTimes times, Counters counters,
               bool by_itself);

  // All reports of a day that were not sent, now; a line each to `tell`. Null of `tell`: those whose time has come.
  vrd::Task<void> send_day(std::string day, Tell tell);
  // The same as the command "PLUGIN send [--day YYYY-MM-DD]".
  static void command(DailyReports* reports, const vrd::Host& host, const std::string& plugin, vrd::CommandCall call);

 private:
  struct Outcome {
    bool settled = true;  // nothing is left to be tried
    std::string text;
  };
  struct Claim {
    std::string id;  // of the report; empty: it is not ours to send
    Outcome outcome;
  };
  void wait();
  vrd::Task<void> round();
  vrd::Task<void> send_listed(std::string day, const Tell* tell);
  vrd::Task<void> send_now(std::string day, vrd::CommandCall call);
  bool due(const std::string& day, const std::string& domain) const;
  vrd::Task<Outcome> send_domain(std::string day, std::string domain, std::string indexed);
  vrd::Task<Claim> claim(std::string name);
  vrd::Task<Outcome> send_to(MadeReport* report, const ReportName* name, Addressee to);
  vrd::Task<Outcome> refuse(const ReportName* name, Addressee to);
  vrd::Task<Outcome> mark(std::string key, std::string shown);
  Outcome finish(const MadeReport& report, const ReportName& name, const std::string& shown, const std::string& problem) const;

  const vrd::Host& host_;
  const std::unique_ptr<ReportKind> kind_;
  const std::string submitter_, me_;
  const ReportTimes times_;
  const Counters counters_;
  std::set<std::string> done_;  // "DAY/DOMAIN" for which nothing is to be done any more
  bool busy_ = false;
  Tasks tasks_;
};

// When a report of a day of a domain is to be sent: everyone who reports spreads domains in another way.
int64_t report_time(const std::string& submitter, const std::string& domain, const std::string& day, milliseconds spread);

// Every key and value below a prefix, in pages. False: the store does not answer; what was seen is not all.
using SeeRow = std::function<void(const std::string& key, const std::string& value)>;
vrd::Task<bool> each_row(const vrd::Host& host, std::string prefix, SeeRow see);

}  // namespace common
