// The record that asks for reports, the report from what is in the store, and its two ways out.
#include "sender.hpp"

#include "common/reports/gzip.h"
#include "common/reports/mail_parts.h"

namespace tls_report {

namespace {

constexpr milliseconds kDnsPatience{10'000};
constexpr size_t kMostDetailsSent = 1'000;

class Made : public common::MadeReport {
 public:
  Made(const vrd::Host& host, const Options& options, Report report)
      : host_(host), options_(options), report_(std::move(report)), json_(report_json(report_)) {}
  size_t rows() const override { return report_.summary.policies.size(); }
  vrd::Task<std::string> deliver(std::string uri) override;

 private:
  vrd::Task<std::string> mail(std::string to);
  vrd::Task<std::string> post(std::string uri);

  const vrd::Host& host_;
  const Options& options_;
  const Report report_;
  const std::string json_;
};

vrd::Task<std::string> Made::mail(std::string to) {
  vrd::NewMessage message;
  message.sender = report_.author.sender;
  message.recipients = {to};
  message.octets = report_mail(report_, to, json_, common::mail_date(host_.wall_ms()));
  vrd::QueueResult queued = co_await host_.inject(std::move(message));
  co_return queued.ok() ? "" : "the queue refuses it with status " + std::to_string(queued.status);
}

vrd::Task<std::string> Made::post(std::string uri) {
  auto request = host_.http("POST", uri);
  request.header("Content-Type", "application/tlsrpt+gzip").header("User-Agent", "veredus").body(common::gzipped(json_));
  request.timeout(options_.timeout).ca_file(options_.ca_file);
  vrd::HttpResult result = co_await request;
  if (!result.ok()) co_return result.error.empty() ? "no answer, status " + std::to_string(result.status) : result.error;
  co_return result.code >= 200 && result.code < 300 ? "" : "HTTP " + std::to_string(result.code);
}

vrd::Task<std::string> Made::deliver(std::string uri) {
  std::string problem, to = mail_address(uri);
  bool https = uri.starts_with("https://") || uri.starts_with("HTTPS://");
  if (https) problem = co_await post(std::move(uri));
  else if (to.empty()) problem = "this is no address of mail";
  else problem = co_await mail(std::move(to));
  co_return problem;
}

}  // namespace

vrd::Task<common::Addressees> ReportKind::addressees(std::string domain) {
  common::Addressees out;
  vrd::DnsResult found = co_await host_.dns("_smtp._tls." + domain, VRD_DNS_TXT, kDnsPatience);
  std::vector<std::string> meant;
  for (const vrd::DnsRecord& record : found.records)
    if (begins_as_request(record.text)) meant.push_back(record.text);
  out.later = !found.ok();
  if (out.later) out.problem = "DNS does not tell now who wants the report";
  else if (meant.empty()) out.problem = "not asked for: there is no TLSRPT record at _smtp._tls." + domain;
  else if (meant.size() > 1) out.problem = "not asked for: there are several TLSRPT records, which count as none";
  if (!out.problem.empty()) co_return out;
  Request request = read_request(meant.front());
  if (!request.valid) out.problem = "not asked for: " + request.problem;
  for (std::string& uri : request.uris) out.all.push_back({std::move(uri), 0, "", false});
  co_return out;
}

vrd::Task<common::Making> ReportKind::make(common::ReportName name, std::string) {
  common::Making out;
  Report report{name.domain, name.day, name.id, options_.author, {}};
  auto* summary = &report.summary;
  common::SeeRow see = [summary](const std::string&, const std::string& value) {
    if (auto one = decoded(value)) summary->merge(*one, kMostDetailsSent);
  };
  bool whole = co_await common::each_row(host_, "r/" + name.day + "/" + name.domain + "/", std::move(see));
  if (!whole || summary->empty()) out.problem = "what was counted cannot be read now";
  else out.report = std::make_unique<Made>(host_, options_, std::move(report));
  co_return out;
}

}  // namespace tls_report
