// Settings of the plugin dmarc, read once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/network.hpp"
#include "mailauth/dmarc/dmarc.h"

namespace dmarc {

enum class Action : size_t { mark, hold, reject };
enum class Reports : size_t { send, keep, off };

// Who reports, in the mails and in the XML.
struct Reporter {
  std::string organization, contact, submitter, from;
};

struct Options {
  explicit Options(const vrd::Setup& setup);
  Options() = default;

  bool enforce = false;
  Action on_reject = Action::reject, on_quarantine = Action::hold, bad_from = Action::reject;
  bool temperror_waits = false;
  bool arc = true;
  std::vector<common::NetworkPattern> trusted, forwarders;
  std::vector<common::DomainPattern> forwarder_domains, exempt;
  std::shared_ptr<const mailauth::PublicSuffixes> suffixes;
  vrd::milliseconds dns_timeout{5'000}, check_timeout{20'000};

  Reports reports = Reports::send;
  Reporter reporter;
  uint64_t memory = 32 << 20, report_size = 10 << 20;
  vrd::milliseconds spread{0}, check{60'000}, give_up{86'400'000};
};

}  // namespace dmarc
