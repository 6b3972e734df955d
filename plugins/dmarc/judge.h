// What is done with a message, and what is told of it: from the answer of the library, the settings, and who brought it. Values; any
// thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "mailauth/dmarc/aggregate.h"
#include "settings.h"

namespace dmarc {

struct Facts {
  std::string client;       // address
  std::string client_name;  // verified
  std::string sealer;       // a trusted one vouches, as the plugin arc found
  mailauth::DmarcInput input;
};

enum class Deed { next, hold, reject, tempfail };

struct Judgement {
  Deed deed = Deed::next;
  bool told = true;  // in Authentication-Results
  std::string rule, status, text;  // of the reply
  // For Authentication-Results.
  std::string result, reason;
  std::vector<std::pair<std::string, std::string>> properties;
  std::string wanted = "none";       // what the domain asks for: none, quarantine, reject
  std::string disposition = "none";  // what is done, in the words of reports: none, pass, quarantine, reject
  std::vector<mailauth::ReportReason> reasons;
};

// A From field that does not name one or a few domains.
Judgement judge_author(const mailauth::Author& author, const Options& options);
bool needs_check(const mailauth::Author& author);

Judgement judge(const mailauth::DmarcAnswer& answer, const Facts& facts, const Options& options);

// What reports tell of a message that passed or failed.
mailauth::ReportRow row_of(const mailauth::DmarcAnswer& answer, const Facts& facts, const Judgement& judgement,
                           const std::string& sender_domain);
mailauth::ReportPolicy policy_of(const mailauth::DmarcAnswer& answer);

}  // namespace dmarc
