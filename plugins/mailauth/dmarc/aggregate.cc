// XML, in the order of elements that RFC 7489 had and RFC 9990 allows.
#include "mailauth/dmarc/aggregate.h"

#include <nlohmann/json.hpp>

namespace mailauth {

namespace {

using nlohmann::json;
constexpr size_t kLongestText = 512, kMostSignatures = 20, kMostReasons = 8;

std::string clipped(std::string_view text) { return std::string(text.substr(0, kLongestText)); }

class Writer {
 public:
  Writer& open(const char* name) {
    out_ += std::string(depth_++ * 2, ' ') + "<" + name + ">\n";
    return *this;
  }
  Writer& close(const char* name) {
    out_ += std::string(--depth_ * 2, ' ') + "</" + name + ">\n";
    return *this;
  }
  Writer& text(const char* name, std::string_view value) {
    out_ += std::string(depth_ * 2, ' ') + "<" + name + ">" + escaped(value) + "</" + name + ">\n";
    return *this;
  }
  Writer& unless_empty(const char* name, std::string_view value) { return value.empty() ? *this : text(name, value); }
  Writer& raw(std::string_view octets) { return out_ += octets, *this; }
  std::string take() { return std::move(out_); }

 private:
  static std::string escaped(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, kLongestText)) {
      if (c == '<') out += "&lt;";
      else if (c == '>') out += "&gt;";
      else if (c == '&') out += "&amp;";
      else if (c == '"') out += "&quot;";
      else out += c >= ' ' && c < 0x7F ? c : '?';
    }
    return out;
  }
  std::string out_;
  size_t depth_ = 0;
};

void write_metadata(Writer& out, const AggregateReport& report) {
  out.open("report_metadata")
      .text("org_name", report.org)
      .text("email", report.email)
      .unless_empty("extra_contact_info", report.contact)
      .text("report_id", report.id);
  out.open("date_range").text("begin", std::to_string(report.begin)).text("end", std::to_string(report.end)).close("date_range");
  std::string errors;
  for (const std::string& one : report.errors) errors += (errors.empty() ? "" : "; ") + one;
  out.unless_empty("error", errors).unless_empty("generator", report.generator).close("report_metadata");
}

void write_policy(Writer& out, const ReportPolicy& policy) {
  out.open("policy_published")
      .text("domain", policy.domain)
      .unless_empty("adkim", policy.adkim)
      .unless_empty("aspf", policy.aspf)
      .text("p", policy.p.empty() ? "none" : policy.p);
  out.unless_empty("sp", policy.sp).unless_empty("np", policy.np).unless_empty("fo", policy.fo).unless_empty("testing", policy.testing);
  out.unless_empty("discovery_method", policy.method).close("policy_published");
}

void write_row(Writer& out, const ReportRow& row, uint64_t count) {
  out.open("record").open("row").text("source_ip", row.source).text("count", std::to_string(count));
  out.open("policy_evaluated")
      .text("disposition", row.disposition)
      .text("dkim", row.dkim ? "pass" : "fail")
      .text("spf", row.spf ? "pass" : "fail");
  for (const ReportReason& one : row.reasons)
    out.open("reason").text("type", one.type).unless_empty("comment", one.comment).close("reason");
  out.close("policy_evaluated").close("row");
  out.open("identifiers")
      .unless_empty("envelope_to", row.envelope_to)
      .text("envelope_from", row.envelope_from)
      .text("header_from", row.header_from)
      .close("identifiers");
  out.open("auth_results");
  for (const ReportDkim& one : row.signatures)
    out.open("dkim").text("domain", one.domain).text("selector", one.selector).text("result", one.result).close("dkim");
  if (!row.spf_result.empty())
    out.open("spf").text("domain", row.spf_domain).text("scope", "mfrom").text("result", row.spf_result).close("spf");
  out.close("auth_results").close("record");
}

template <typename Read>
auto from_json(std::string_view text, Read read) -> std::optional<decltype(read(json()))> {
  try {
    return read(json::parse(text));
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

std::string dumped(const json& value) { return value.dump(-1, ' ', true, json::error_handler_t::replace); }

}  // namespace

std::string encoded(const ReportRow& row) {
  json reasons = json::array(), signatures = json::array();
  for (size_t i = 0; i < row.reasons.size() && i < kMostReasons; ++i)
    reasons.push_back({clipped(row.reasons[i].type), clipped(row.reasons[i].comment)});
  for (size_t i = 0; i < row.signatures.size() && i < kMostSignatures; ++i)
    signatures.push_back({clipped(row.signatures[i].domain).substr(0, 255), clipped(row.signatures[i].selector).substr(0, 255),
                          clipped(row.signatures[i].result).substr(0, 20)});
  return dumped({clipped(row.source), row.disposition, row.dkim, row.spf, reasons, clipped(row.header_from), clipped(row.envelope_from),
                 clipped(row.envelope_to), signatures, clipped(row.spf_domain), clipped(row.spf_result)});
}

std::optional<ReportRow> decoded_row(std::string_view text) {
  return from_json(text, [](const json& in) {
    ReportRow out;
    in.at(0).get_to(out.source), in.at(1).get_to(out.disposition), in.at(2).get_to(out.dkim), in.at(3).get_to(out.spf);
    for (const json& one : in.at(4)) out.reasons.push_back({one.at(0).get<std::string>(), one.at(1).get<std::string>()});
    in.at(5).get_to(out.header_from), in.at(6).get_to(out.envelope_from), in.at(7).get_to(out.envelope_to);
    for (const json& one : in.at(8))
      out.signatures.push_back({one.at(0).get<std::string>(), one.at(1).get<std::string>(), one.at(2).get<std::string>()});
    in.at(9).get_to(out.spf_domain), in.at(10).get_to(out.spf_result);
    return out;
  });
}

std::string encoded(const ReportPolicy& policy) {
  return dumped({policy.domain, policy.p, policy.sp, policy.np, policy.adkim, policy.aspf, policy.fo, policy.testing, policy.method});
}

std::optional<ReportPolicy> decoded_policy(std::string_view text) {
  return from_json(text, [](const json& in) {
    auto at = [&](size_t i) { return in.at(i).get<std::string>(); };
    return ReportPolicy{at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8)};
  });
}

std::string report_xml(const AggregateReport& report) {
  Writer out;
  out.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback xmlns=\"" + std::string(kReportNamespace) +
          "\">\n<version>1.0</version>\n");
  write_metadata(out, report);
  write_policy(out, report.policy);
  for (const auto& [row, count] : report.rows) write_row(out, row, count);
  return out.raw("</feedback>\n").take();
}

std::string report_file_name(const AggregateReport& report, const std::string& receiver) {
  return receiver + "!" + report.policy.domain + "!" + std::to_string(report.begin) + "!" + std::to_string(report.end) + "!" + report.id +
         ".xml.gz";
}

}  // namespace mailauth
