// Reading the reports of others, strictly (RFC 8460 4.4).
#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/reports/days.h"
#include "common/reports/gzip.h"

#include "report.h"

namespace tls_report {

namespace {

using nlohmann::json;
constexpr size_t kMostReport = 64 << 20, kMostFindings = 50;
constexpr std::string_view kResults[] = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted", "validation-failure", "tlsa-invalid", "dnssec-invalid",
                                         "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"};

bool is_time(const std::string& text) {
  if (text.size() < 20 || !common::day_start(text.substr(0, 10)) || (text[10] != 'T' && text[10] != 't')) return false;
  auto digits = [&](size_t at) { return text[at] >= '0' && text[at] <= '9' && text[at + 1] >= '0' && text[at + 1] <= '9'; };
  if (!digits(11) || text[13] != ':' || !digits(14) || text[16] != ':' || !digits(17)) return false;
  return text.substr(11, 2) < "24" && text.substr(14, 2) < "60" && text.substr(17, 2) < "61" && (text.back() == 'Z' || text.back() == 'z' || text.find_first_of("+-", 19) != text.npos);
}

class Reader {
 public:
  Checked read(const json& report) {
    if (!report.is_object()) {
      problem("the report is no JSON object");
      return std::move(out_);
    }
    text(report, "organization-name", "", true);
    text(report, "contact-info", "", false);
    text(report, "report-id", "", true);
    range(report);
    auto policies = report.find("policies");
    if (policies == report.end() || !policies->is_array()) problem("'policies' is missing, or no list");
    else if (policies->empty()) problem("'policies' is empty");
    else
      for (size_t i = 0; i < policies->size(); ++i) policy((*policies)[i], "policies[" + std::to_string(i) + "]");
    return std::move(out_);
  }

 private:
  void problem(std::string text) {
    if (out_.problems.size() < kMostFindings) out_.problems.push_back({0, std::move(text)});
  }
  void fact(std::string name, std::string text) {
    if (out_.facts.size() < 4 * kMostFindings) out_.facts.emplace_back(std::move(name), std::move(text));
  }
  std::string text(const json& in, const char* key, const std::string& where, bool told) {
    auto found = in.find(key);
    std::string place = where.empty() ? std::string("'") + key + "'" : where + ": '" + key + "'";
    if (found == in.end()) return problem(place + " is missing"), "";
    if (!found->is_string() || found->get_ref<const std::string&>().empty()) return problem(place + " is no text, or empty"), "";
    if (told) fact(key, found->get<std::string>());
    return found->get<std::string>();
  }
  void range(const json& report) {
    auto found = report.find("date-range");
    if (found == report.end() || !found->is_object()) return problem("'date-range' is missing, or no object");
    std::string start = text(*found, "start-datetime", "date-range", false), end = text(*found, "end-datetime", "date-range", false);
    for (const std::string& one : {start, end})
      if (!one.empty() && !is_time(one)) problem("date-range: '" + one + "' is no time as in 2026-01-01T00:00:00Z");
    if (is_time(start) && is_time(end) && end < start) problem("date-range: it ends before it begins");
    if (!start.empty() && !end.empty()) fact("date-range", start + " to " + end);
  }
  uint64_t number(const json& in, const char* key, const std::string& where) {
    auto found = in.find(key);
    if (found == in.end()) return problem(where + ": '" + key + "' is missing"), 0;
    if (!found->is_number_unsigned()) return problem(where + ": '" + key + "' is no number from 0 on"), 0;
    return found->get<uint64_t>();
  }
  void texts(const json& in, const char* key, const std::string& where) {
    auto found = in.find(key);
    if (found == in.end()) return;
    bool good = found->is_array() && std::all_of(found->begin(), found->end(), [](const json& one) { return one.is_string(); });
    if (!good) problem(where + ": '" + key + "' is no list of texts");
  }
  void policy(const json& one, const std::string& where) {
    if (!one.is_object()) return problem(where + " is no object");
    auto policy = one.find("policy"), summary = one.find("summary"), details = one.find("failure-details");
    std::string type, domain;
    if (policy == one.end() || !policy->is_object()) problem(where + ": 'policy' is missing, or no object");
    else {
      type = text(*policy, "policy-type", where, false);
      domain = text(*policy, "policy-domain", where, false);
      if (!type.empty() && type != "tlsa" && type != "sts" && type != "no-policy-found") problem(where + ": 'policy-type' is none of tlsa, sts, no-policy-found");
      texts(*policy, "policy-string", where);
      texts(*policy, "mx-host", where);
    }
    if (summary == one.end() || !summary->is_object()) return problem(where + ": 'summary' is missing, or no object");
    uint64_t good = number(*summary, "total-successful-session-count", where), bad = number(*summary, "total-failure-session-count", where), detailed = 0;
    fact("policy", domain + " (" + type + "): " + std::to_string(good) + " sessions succeeded, " + std::to_string(bad) + " failed");
    if (details == one.end()) return;
    if (!details->is_array()) return problem(where + ": 'failure-details' is no list");
    for (size_t i = 0; i < details->size(); ++i) detailed += detail((*details)[i], where + ".failure-details[" + std::to_string(i) + "]");
    if (detailed > bad) problem(where + ": the details count more failures (" + std::to_string(detailed) + ") than the summary (" + std::to_string(bad) + ")");
  }
  uint64_t detail(const json& one, const std::string& where) {
    if (!one.is_object()) return problem(where + " is no object"), 0;
    std::string result = text(one, "result-type", where, false);
    uint64_t count = number(one, "failed-session-count", where);
    for (const char* key : {"sending-mta-ip", "receiving-mx-hostname", "receiving-mx-helo", "receiving-ip", "additional-information", "failure-reason-code"})
      if (one.contains(key) && !one[key].is_string()) problem(where + ": '" + key + "' is no text");
    if (result.empty()) return count;
    if (std::find(std::begin(kResults), std::end(kResults), result) == std::end(kResults)) fact("warning", where + ": the result type '" + result + "' is not one of RFC 8460");
    std::string host = one.contains("receiving-mx-hostname") && one["receiving-mx-hostname"].is_string() ? one["receiving-mx-hostname"].get<std::string>() : "";
    fact("failure", result + (host.empty() ? "" : " at " + host) + ": " + std::to_string(count) + " sessions");
    return count;
  }
  Checked out_;
};

}  // namespace

Checked check_report(std::string_view text) {
  std::string plain;
  Checked out;
  if (text.starts_with("\x1F\x8B")) {
    std::string problem;
    plain = common::gunzipped(text, {kMostReport, common::InflateLimits().ratio}, problem).value_or(std::string());
    text = plain;
    if (plain.empty()) out.problems.push_back({0, "the report is damaged: " + (problem.empty() ? "it is empty" : problem)});
    if (plain.empty()) return out;
  }
  try {
    return Reader().read(json::parse(text));
  } catch (const json::parse_error& error) {
    size_t at = std::min(error.byte, text.size());
    size_t line = 1 + static_cast<size_t>(std::count(text.begin(), text.begin() + static_cast<long>(at), '\n'));
    out.problems.push_back({line, "the report is no JSON"});
  } catch (const json::exception&) {  // a number that no program can hold
    out.problems.push_back({0, "the report is JSON with a number that is too large"});
  }
  return out;
}

}  // namespace tls_report
