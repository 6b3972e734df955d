// The report from rows in the store, and the mail around it.
#include "sender.hpp"

#include <algorithm>
#include <map>

#include "common/reports/days.h"
#include "common/reports/mail_parts.h"
#include "mailauth/dmarc/report_mail.h"

namespace dmarc {

namespace {

using mailauth::AggregateReport;
constexpr milliseconds kDnsPatience{10'000};
constexpr size_t kMostRows = 50'000;

class Made : public common::MadeReport {
 public:
  Made(const vrd::Host& host, const Reporter& reporter, AggregateReport report, std::string gzip)
      : host_(host), reporter_(reporter), report_(std::move(report)), gzip_(std::move(gzip)) {}
  size_t rows() const override { return report_.rows.size(); }
  size_t mail_size() const override { return mailauth::report_mail_size(gzip_); }
  vrd::Task<std::string> deliver(std::string address) override;

 private:
  const vrd::Host& host_;
  const Reporter& reporter_;
  const AggregateReport report_;
  const std::string gzip_;
};

vrd::Task<std::string> Made::deliver(std::string address) {
  mailauth::ReportMail mail{reporter_.from, address, reporter_.submitter, common::mail_date(host_.wall_ms())};
  vrd::NewMessage message;
  message.sender = reporter_.from;
  message.recipients = {address};
  message.octets = mailauth::report_mail(report_, mail, gzip_);
  vrd::QueueResult queued = co_await host_.inject(std::move(message));
  co_return queued.ok() ? "" : "the queue refuses it with status " + std::to_string(queued.status);
}

// Rows by what they say, as far as there is room.
struct Counted {
  std::map<std::string, uint64_t> rows;
  uint64_t left_out = 0;

  void add(const std::string& value) {
    size_t space = std::min(value.find(' '), value.size());
    uint64_t count = std::strtoull(value.c_str(), nullptr, 10);
    std::string text = value.substr(std::min(space + 1, value.size()));
    if (rows.contains(text) || rows.size() < kMostRows) rows[text] += count;
    else left_out += count;
  }
};

}  // namespace

vrd::Task<common::Addressees> ReportKind::addressees(std::string domain) {
  common::Addressees out;
  mailauth::HostDns dns(host_, kDnsPatience);
  mailauth::Discovery discovery(dns, options_.suffixes);
  mailauth::RecordAt at = co_await discovery.record_at(domain);
  out.later = at.failed;
  if (at.failed) out.problem = "DNS does not tell now who wants the report";
  else if (!at.record || at.record->rua.empty())
    out.problem = "not asked for: there is no address for reports in the record at _dmarc." + domain;
  if (!out.problem.empty()) co_return out;
  std::vector<mailauth::Destination> found = co_await mailauth::destinations_of(dns, discovery, std::move(at));
  for (mailauth::Destination& one : found) out.all.push_back({std::move(one.address), one.most, std::move(one.problem), one.later});
  co_return out;
}

vrd::Task<bool> ReportKind::gather(std::string prefix, AggregateReport* into) {
  Counted counted;
  auto* rows = &counted;
  common::SeeRow see = [rows](const std::string&, const std::string& value) { rows->add(value); };
  bool whole = co_await common::each_row(host_, std::move(prefix), std::move(see));
  if (!whole) co_return false;
  for (const auto& [text, count] : counted.rows)
    if (auto row = mailauth::decoded_row(text)) into->rows.emplace_back(std::move(*row), count);
  if (counted.left_out != 0)
    into->errors.push_back(std::to_string(counted.left_out) + " messages are left out, there are too many different ones");
  co_return !into->rows.empty();
}

vrd::Task<common::Making> ReportKind::make(common::ReportName name, std::string policy) {
  common::Making out;
  AggregateReport report;
  report.org = options_.reporter.organization;
  report.email = options_.reporter.from;
  report.contact = options_.reporter.contact;
  report.id = name.id;
  report.generator = "Veredus " + std::string(host_.version());
  report.begin = common::day_start(name.day).value_or(0) / 1000;
  report.end = report.begin + common::kDayMs / 1000 - 1;
  report.policy = mailauth::decoded_policy(policy).value_or(mailauth::ReportPolicy());
  report.policy.domain = name.domain;
  bool there = co_await gather("r/" + name.day + "/" + name.domain + "/", &report);
  if (there) out.report = co_await packed(std::move(report));
  if (!out.report) out.problem = there ? "the report cannot be made now" : "what was counted cannot be read now";
  co_return out;
}

// Much XML takes its time: not on the loop. Null: it cannot be made now.
vrd::Task<std::unique_ptr<common::MadeReport>> ReportKind::packed(AggregateReport report) {
  auto shared = std::make_shared<AggregateReport>(std::move(report));  // packing leaves rows out that do not fit
  size_t most = options_.report_size;
  auto work = host_.work([shared, most] { return mailauth::packed_report(*shared, most); });
  vrd::WorkResult<std::string> done = co_await work;
  std::unique_ptr<common::MadeReport> out;
  std::string gzip = done.value.value_or(std::string());
  if (!gzip.empty()) out = std::make_unique<Made>(host_, options_.reporter, std::move(*shared), std::move(gzip));
  co_return out;
}

}  // namespace dmarc
