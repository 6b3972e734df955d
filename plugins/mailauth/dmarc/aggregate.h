// AggregateReport: what receivers tell a domain about mail in its name (RFC 9990), written by us and read from others. Values; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mailauth {

constexpr std::string_view kReportNamespace = "urn:ietf:params:xml:ns:dmarc-2.0";

struct ReportDkim {
  std::string domain, selector, result;
  auto operator<=>(const ReportDkim&) const = default;
};
struct ReportReason {
  std::string type;  // local_policy, mailing_list, other, policy_test_mode, trusted_forwarder
  std::string comment;
  auto operator<=>(const ReportReason&) const = default;
};

// What is the same of many messages.
struct ReportRow {
  std::string source;       // address
  std::string disposition;  // none, pass, quarantine, reject
  bool dkim = false, spf = false;  // aligned, and passed
  std::vector<ReportReason> reasons;
  std::string header_from, envelope_from, envelope_to;
  std::vector<ReportDkim> signatures;
  std::string spf_domain, spf_result;  // empty: there is none
  auto operator<=>(const ReportRow&) const = default;
};
std::string encoded(const ReportRow& row);  // for a store; below 32 KiB
std::optional<ReportRow> decoded_row(std::string_view text);

// As it applied; "" where the domain says nothing.
struct ReportPolicy {
  std::string domain, p, sp, np, adkim, aspf, fo, testing, method;
  auto operator<=>(const ReportPolicy&) const = default;
};
std::string encoded(const ReportPolicy& policy);
std::optional<ReportPolicy> decoded_policy(std::string_view text);

struct AggregateReport {
  std::string org, email, contact, id, generator;
  std::vector<std::string> errors;
  int64_t begin = 0, end = 0;  // seconds since 1970
  ReportPolicy policy;
  std::vector<std::pair<ReportRow, uint64_t>> rows;  // with the number of messages
};

std::string report_xml(const AggregateReport& report);

// "mx.a.test!b.test!1764201600!1764287999!ID.xml.gz"
std::string report_file_name(const AggregateReport& report, const std::string& receiver);

}  // namespace mailauth
