// `veredus check dmarc`, `check orgdomain`, `dmarc report`: what is found out, and how it is told.
#pragma once

#include <string>

#include "mailauth/dmarc/dmarc.h"
#include "mailauth/spf/spf.h"

namespace dmarc {

struct CheckQuery {
  std::string message;
  std::string ip, helo, sender;  // without an IP address SPF is left out
  int64_t now = 0;
  std::shared_ptr<const mailauth::PublicSuffixes> suffixes;
};

struct Checked {
  mailauth::Author author;
  mailauth::DmarcInput input;
  mailauth::DmarcAnswer answer;
  std::string spf_problem;
  std::vector<std::string> dkim_reasons;  // one a signature
  bool spf_asked = false;
};

vrd::Task<Checked> check_message(mailauth::Dns& dns, CheckQuery query);
std::string checked_text(const Checked& checked);
std::string checked_json(const Checked& checked);

std::string org_text(const mailauth::OrgDomain& org);
std::string org_json(const mailauth::OrgDomain& org, const std::string& name);

// What a report file tells. `code`: 0, or 65 for input that is no report; `error` is then for standard error.
struct Told {
  int32_t code = 0;
  std::string text, error;
};
Told tell_reports(std::string_view octets, bool json);

}  // namespace dmarc
