// JSON, gzip, and the mail around them.
#include "report.h"

#include <nlohmann/json.hpp>

#include "common/reports/days.h"
#include "common/reports/gzip.h"
#include "common/reports/mail_parts.h"

namespace tls_report {

namespace {

using nlohmann::ordered_json;
constexpr int64_t kDaySeconds = common::kDayMs / 1000;

ordered_json policy_json(const Report& report, const PolicyKey& key, const Counts& counts) {
  ordered_json policy{{"policy-type", key.type}};
  if (!key.text.empty()) policy["policy-string"] = key.text;
  policy["policy-domain"] = report.domain;
  if (!key.mx.empty()) policy["mx-host"] = key.mx;
  ordered_json out{{"policy", policy}, {"summary", {{"total-successful-session-count", counts.good}, {"total-failure-session-count", counts.bad}}}};
  ordered_json details = ordered_json::array();
  for (const auto& [detail, number] : counts.details) {
    ordered_json one{{"result-type", detail.result}};
    if (!detail.source.empty()) one["sending-mta-ip"] = detail.source;
    if (!detail.host.empty()) one["receiving-mx-hostname"] = detail.host;
    if (!detail.address.empty()) one["receiving-ip"] = detail.address;
    one["failed-session-count"] = number;
    if (!detail.reason.empty()) one["failure-reason-code"] = detail.reason;
    details.push_back(std::move(one));
  }
  if (!details.empty()) out["failure-details"] = std::move(details);
  return out;
}

}  // namespace

std::string report_json(const Report& report) {
  ordered_json out{{"organization-name", report.author.organization},
                   {"date-range", {{"start-datetime", report.day + "T00:00:00Z"}, {"end-datetime", report.day + "T23:59:59Z"}}},
                   {"contact-info", report.author.contact},
                   {"report-id", report.id},
                   {"policies", ordered_json::array()}};
  for (const auto& [key, counts] : report.summary.policies) out["policies"].push_back(policy_json(report, key, counts));
  return out.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string report_name(const Report& report, bool with_gzip) {
  int64_t start = common::day_start(report.day).value_or(0) / 1000;
  return report.author.submitter + "!" + report.domain + "!" + std::to_string(start) + "!" + std::to_string(start + kDaySeconds - 1) + "!" + report.id +
         (with_gzip ? ".json.gz" : ".json");
}

std::string report_mail(const Report& report, const std::string& to, const std::string& json, const std::string& date) {
  const Author& author = report.author;
  std::string boundary = "=_tlsrpt_" + report.id;
  std::string id = "<" + report.id + "@" + author.submitter + ">", name = report_name(report, true);
  std::string out = "Date: " + date + "\r\nFrom: " + common::in_quotes(author.organization) + " <" + author.sender + ">\r\nTo: <" + to + ">\r\nMessage-ID: " + id +
                    "\r\nSubject: Report Domain: " + report.domain + "\r\n Submitter: " + author.submitter + "\r\n Report-ID: " + id +
                    "\r\nTLS-Report-Domain: " + report.domain + "\r\nTLS-Report-Submitter: " + author.submitter +
                    "\r\nTLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"" + boundary +
                    "\"\r\n\r\nThis is a report about TLS, for programs to read (RFC 8460).\r\n\r\n";
  out += "--" + boundary + "\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHow " + author.submitter + " secured its connections to the mail exchangers of\r\n" +
         report.domain + " on " + report.day + " (UTC). Questions: " + common::in_header(author.contact) + "\r\n\r\n";
  out += "--" + boundary + "\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"" + name + "\"\r\n\r\n";
  return out + common::base64_lines(common::gzipped(json)) + "\r\n--" + boundary + "--\r\n";
}

}  // namespace tls_report
