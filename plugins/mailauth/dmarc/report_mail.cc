// Fields are built from what we and the policy domain are called: names of DNS, and settings made printable.
#include "mailauth/dmarc/report_mail.h"

#include <algorithm>

#include "common/reports/gzip.h"
#include "common/reports/mail_parts.h"

namespace mailauth {

size_t report_mail_size(const std::string& gzip) { return gzip.size() / 57 * 78 + 4'096; }

std::string packed_report(AggregateReport& report, size_t most) {
  std::stable_sort(report.rows.begin(), report.rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  size_t left_out = 0;
  for (;;) {
    std::string gzip = common::gzipped(report_xml(report));
    if (report_mail_size(gzip) <= most || report.rows.size() < 2) return gzip;
    if (left_out != 0) report.errors.pop_back();
    left_out += report.rows.size() - report.rows.size() / 2;
    report.rows.resize(report.rows.size() / 2);
    report.errors.push_back(std::to_string(left_out) + " records are left out, the report would be too large");
  }
}

std::string report_mail(const AggregateReport& report, const ReportMail& mail, const std::string& gzip) {
  std::string boundary = "=_dmarc_" + report.id, name = report_file_name(report, mail.receiver);
  std::string out = "Date: " + mail.date + "\r\nFrom: " + common::in_quotes(report.org) + " <" + mail.from + ">\r\nTo: <" + mail.to +
                    ">\r\nMessage-ID: <" + report.id + "@" + mail.receiver + ">\r\nSubject: Report Domain: " + report.policy.domain +
                    "\r\n Submitter: " + mail.receiver + "\r\n Report-ID: <" + report.id +
                    ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"" +
                    boundary + "\"\r\n\r\nThis is a report about DMARC, for programs to read (RFC 9990).\r\n\r\n";
  out += "--" + boundary + "\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nWhat " +
         mail.receiver + " saw of mail in the name of\r\n" + report.policy.domain +
         ",\r\nfor which its DMARC record asks. 'veredus dmarc report FILE' reads it.\r\n\r\n";
  out += "--" + boundary + "\r\nContent-Type: application/gzip;\r\n name=\"" + name +
         "\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"" + name + "\"\r\n\r\n";
  return out + common::base64_lines(gzip) + "\r\n--" + boundary + "--\r\n";
}

}  // namespace mailauth
