// JSON, gzip, and the mail around them.
#include "report.h"

#include <zlib.h>

#include <nlohmann/json.hpp>

namespace tls_report {

namespace {

using nlohmann::ordered_json;
constexpr int64_t kDaySeconds = 86'400;
constexpr size_t kBase64Line = 76;

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

std::string base64_lines(std::string_view octets) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  size_t column = 0;
  for (size_t i = 0; i < octets.size(); i += 3) {
    uint32_t group = 0;
    size_t count = std::min<size_t>(3, octets.size() - i);
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<unsigned char>(octets[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    column += 4;
    if (column < kBase64Line) continue;
    out += "\r\n";
    column = 0;
  }
  return column > 0 ? out + "\r\n" : out;
}

std::string in_header(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 200)) out += c >= ' ' && c < 0x7F ? c : '?';
  return out;
}

// Names may need quotes in a From field.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : in_header(text)) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

struct Stream {
  z_stream z{};
};

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
  int64_t start = day_start(report.day).value_or(0) / 1000;
  return report.author.submitter + "!" + report.domain + "!" + std::to_string(start) + "!" + std::to_string(start + kDaySeconds - 1) + "!" + report.id +
         (with_gzip ? ".json.gz" : ".json");
}

std::string zipped(std::string_view text) {
  Stream stream;
  if (deflateInit2(&stream.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(deflateBound(&stream.z, text.size()), '\0');
  stream.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.z.avail_in = static_cast<uInt>(text.size());
  stream.z.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.z.avail_out = static_cast<uInt>(out.size());
  int end = deflate(&stream.z, Z_FINISH);
  out.resize(end == Z_STREAM_END ? stream.z.total_out : 0);
  deflateEnd(&stream.z);
  return out;
}

std::string unzipped(std::string_view text, size_t most) {
  Stream stream;
  if (inflateInit2(&stream.z, 15 + 16) != Z_OK) return {};
  std::string out;
  char buffer[16'384];
  stream.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.z.avail_in = static_cast<uInt>(text.size());
  int end = Z_OK;
  while (end == Z_OK && out.size() <= most) {
    stream.z.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.z.avail_out = sizeof buffer;
    end = inflate(&stream.z, Z_NO_FLUSH);
    out.append(buffer, sizeof buffer - stream.z.avail_out);
  }
  inflateEnd(&stream.z);
  return end == Z_STREAM_END && out.size() <= most ? out : std::string();
}

std::string report_mail(const Report& report, const std::string& to, const std::string& json, const std::string& date) {
  const Author& author = report.author;
  std::string boundary = "=_tlsrpt_" + report.id;
  std::string id = "<" + report.id + "@" + author.submitter + ">", name = report_name(report, true);
  std::string out = "Date: " + date + "\r\nFrom: " + in_quotes(author.organization) + " <" + author.sender + ">\r\nTo: <" + to + ">\r\nMessage-ID: " + id +
                    "\r\nSubject: Report Domain: " + report.domain + "\r\n Submitter: " + author.submitter + "\r\n Report-ID: " + id +
                    "\r\nTLS-Report-Domain: " + report.domain + "\r\nTLS-Report-Submitter: " + author.submitter +
                    "\r\nTLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"" + boundary +
                    "\"\r\n\r\nThis is a report about TLS, for programs to read (RFC 8460).\r\n\r\n";
  out += "--" + boundary + "\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHow " + author.submitter + " secured its connections to the mail exchangers of\r\n" +
         report.domain + " on " + report.day + " (UTC). Questions: " + in_header(author.contact) + "\r\n\r\n";
  out += "--" + boundary + "\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"" + name + "\"\r\n\r\n";
  return out + base64_lines(zipped(json)) + "\r\n--" + boundary + "--\r\n";
}

}  // namespace tls_report
