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

// What a message with it takes, by base64 and fields.
size_t report_mail_size(const std::string& gzip);

// XML in gzip. Rows of the fewest messages are left out until the message has at most `most` octets; the report then says so.
std::string packed_report(AggregateReport& report, size_t most);

}  // namespace mailauth
