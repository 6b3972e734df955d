// Collector: counts sessions of one loop, and writes what changed to core.kv while it goes on. Keys:
//   r/DAY/DOMAIN/WRITER  the summary of one writer (a loop of one run of the daemon)
//   i/DAY/DOMAIN         there is something to report
#pragma once

#include <map>
#include <memory>
#include <set>

#include <veredus/plugin.hpp>

#include "common/reports/daily.h"
#include "summary.h"

namespace tls_report {

using common::kKvPatience;
using vrd::milliseconds;
constexpr milliseconds kKeep = common::kReportKept;

class Collector {
 public:
  Collector(const vrd::Host& host, uint32_t loop, size_t most_domains);
  // False: there are too many domains today.
  bool add(Session session);
  size_t pending() const { return changed_.size(); }

 private:
  using Key = std::pair<std::string, std::string>;  // day, domain
  struct Kept {
    Summary summary;
    bool indexed = false;
  };
  void flush();
  void forget_old(const std::string& today);

  const vrd::Host& host_;
  const std::string writer_;
  const size_t most_;
  std::map<Key, Kept> kept_;
  std::set<Key> changed_;
  std::string today_;
  bool writing_ = false;
};

}  // namespace tls_report
