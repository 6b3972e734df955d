// The mail that carries a report (RFC 9990). Values; any thread.
#pragma once

#include <string>

#include "mailauth/dmarc/aggregate.h"

namespace mailauth {

struct ReportMail {
  std::string from, to;  // addresses
  std::string receiver;  // our domain, in names and in Submitter
  std::string date;      // as in a Date field
};

// Lines end with CRLF. The gzip is an attachment of application/gzip beside a text for people.
std::string report_mail(const AggregateReport& report, const ReportMail& mail, const std::string& gzip);

}  // namespace mailauth
