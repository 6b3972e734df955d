// Collector: counts the messages that one loop has seen by policy domain, day and what was found, and writes what changed to core.kv while
// it goes on. Bounded in octets: beyond them less is told of a message, then it is not counted. Keys:
//   p/DAY/DOMAIN           the policy as it applied last; there is something to report
//   r/DAY/DOMAIN/WRITER/N  "COUNT ROW": row N of one writer, a loop of one run of the daemon
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <veredus/plugin.hpp>

#include "common/reports/daily.h"
#include "mailauth/dmarc/aggregate.h"

namespace dmarc {

using common::kKvPatience;
using vrd::milliseconds;
constexpr milliseconds kKeep = common::kReportKept;

class Collector {
 public:
  Collector(const vrd::Host& host, uint32_t loop, uint64_t memory);
  // False: there is no room.
  bool add(const mailauth::ReportPolicy& policy, mailauth::ReportRow row);

 private:
  struct Row {
    uint64_t count = 0;
    size_t number = 0;
    bool changed = false;
  };
  using Rows = std::map<std::string, Row>;  // by their encoded form
  struct Domain {
    Rows rows;
    std::vector<Rows::value_type*> changed_rows;
    std::string policy;    // as written, or to be
    bool changed = false;  // the policy
  };
  using Key = std::pair<std::string, std::string>;  // day, domain
  struct Written;

  Rows::value_type* find_row(Domain& domain, const mailauth::ReportRow& row);
  Rows::value_type* make_row(Domain& domain, std::string text);
  static void mark(Domain& domain, Rows::value_type& row);
  void flush();
  void settle(const std::vector<Written>& written, bool good);
  void forget_old(const std::string& today);

  const vrd::Host& host_;
  const std::string writer_;
  const uint64_t memory_;
  uint64_t used_ = 0;
  std::map<Key, Domain> kept_;
  std::set<Key> changed_;
  std::string today_;
  bool writing_ = false;
};

}  // namespace dmarc
