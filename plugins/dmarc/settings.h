// Settings of the plugin dmarc, read once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/network.hpp"
#include "common/reports/daily.h"
#include "mailauth/dmarc/dmarc.h"

namespace dmarc {

enum class Action { accept, mark, tempfail, hold, reject };  // accept: nothing is told of it
enum class Reports : size_t { send, keep, off };

// Who reports, in the mails and in the XML.
struct Reporter {
  std::string organization, contact, submitter, from;
};

struct Options {
  explicit Options(const vrd::Setup& setup);
  Options() = default;

  // By result; of fail: by what the domain asks for, when that is enforced.
  struct Actions {
    Action none = Action::mark, pass = Action::mark, fail = Action::mark, quarantine = Action::hold, reject = Action::reject;
    Action temperror = Action::mark, permerror = Action::mark, bad_from = Action::reject;
  };

  bool enforce = false;
  Actions actions;
  bool arc = true;
  std::vector<common::NetworkPattern> trusted, forwarders;
  std::vector<common::DomainPattern> forwarder_domains, exempt;
  std::shared_ptr<const mailauth::PublicSuffixes> suffixes;
  vrd::milliseconds dns_timeout{5'000}, check_timeout{20'000};

  Reports reports = Reports::send;
  bool report_recipients = false;
  Reporter reporter;
  uint64_t memory = 32 << 20, report_size = 10 << 20;
  common::ReportTimes times;
};

}  // namespace dmarc
