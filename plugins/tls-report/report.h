// The report of RFC 8460: its JSON, the mail around it, the record that asks for it, and the reading of reports of others. Values; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "summary.h"

namespace tls_report {

struct Author {
  std::string organization, contact, submitter;  // submitter: our host name
  std::string sender;                            // of the mail
};

struct Report {
  std::string domain, day, id;
  Author author;
  Summary summary;
};

std::string report_json(const Report& report);  // RFC 8460 4.4
std::string report_name(const Report& report, bool zipped);  // "mx.a.test!b.test!1700000000!1700086399!1.json.gz"
// A message of multipart/report (RFC 8460 5.3); lines end with CRLF.
std::string report_mail(const Report& report, const std::string& to, const std::string& json, const std::string& date);

// "v=TLSRPTv1; rua=mailto:a@b.test,https://b.test/"
struct Request {
  bool valid = false;
  std::vector<std::string> uris;  // as given, mailto: and https: only
  std::string problem;
};
bool begins_as_request(std::string_view text);
Request read_request(std::string_view text);
std::string mail_address(std::string_view uri);  // of "mailto:..."; empty: not usable

struct Finding {
  size_t line = 0;
  std::string text;
};
struct Checked {
  std::vector<Finding> problems;
  std::vector<std::pair<std::string, std::string>> facts;
  bool valid() const { return problems.empty(); }
};
Checked check_report(std::string_view text);  // JSON, or JSON in gzip

}  // namespace tls_report
