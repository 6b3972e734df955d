// Whom to tell, what, and the marks before and after.
#include "sender.hpp"

#include <algorithm>
#include <ctime>

#include "mailauth/dmarc/report_mail.h"

namespace dmarc {

namespace {

using mailauth::AggregateReport;
using mailauth::Destination;
constexpr milliseconds kDnsPatience{10'000};
constexpr int64_t kDay = 86'400'000;
constexpr uint32_t kPage = 500;
constexpr int64_t kClaim = 10 * 60'000;  // another that began and did not come back loses the report after this
constexpr size_t kMostRows = 50'000, kMostDone = 100'000;

uint64_t hash_of(std::string_view text) {
  uint64_t out = 14'695'981'039'346'656'037u;
  for (unsigned char c : text) out = (out ^ c) * 1'099'511'628'211u;
  return out;
}

std::string hex(uint64_t number) {
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(number));
  return out;
}

std::string mail_date(int64_t wall_ms) {
  std::time_t seconds = wall_ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char out[64];
  std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S +0000", &parts);
  return out;
}

}  // namespace

Sender::Sender(const vrd::Host& host, const Options& options, const Counters& counters)
    : host_(host),
      options_(options),
      counters_(counters),
      me_(options.reporter.submitter + "-" + std::to_string(host.wall_ms())),
      tasks_(host) {
  if (options.reports == Reports::send && host.interfaces().kv) wait();
}

void Sender::wait() {
  host_.after(options_.check).then([this](vrd::TimerResult rang) {
    if (rang.ok()) tasks_.spawn(round());
  });
}

vrd::Task<void> Sender::round() {
  int64_t now = host_.wall_ms();
  std::string yesterday = day_of(now - kDay), before = day_of(now - 2 * kDay);
  co_await send_day(before, nullptr);
  co_await send_day(yesterday, nullptr);
  std::erase_if(done_, [&](const std::string& name) { return name < before; });
  wait();
}

bool Sender::due(const std::string& day, const std::string& domain) const {
  int64_t end = day_start(day) + kDay, now = host_.wall_ms();
  auto spread = static_cast<uint64_t>(options_.spread.count());
  int64_t at = end + (spread == 0 ? 0 : static_cast<int64_t>(hash_of(options_.reporter.submitter + "/" + domain + "/" + day) % spread));
  return now >= at && now < end + options_.give_up.count();
}

vrd::Task<void> Sender::send_day(std::string day, Tell tell) {
  if (busy_) {
    if (tell) tell("busy: reports are being sent; try again later");
    co_return;
  }
  busy_ = true;
  std::string prefix = "p/" + day + "/", after;
  size_t count = 0;
  for (bool more = true; more;) {
    vrd::KvListResult page = co_await host_.kv_list(prefix, after, kPage, kKvPatience);
    more = page.ok() && !page.entries.empty();
    if (!page.ok() && tell) tell("problem: core.kv does not answer");
    for (const auto& [key, value] : page.entries) {
      after = key;
      std::string domain = key.substr(prefix.size()), name = day + "/" + domain;
      if (!tell && (done_.contains(name) || !due(day, domain))) continue;
      Outcome outcome = co_await send_domain(day, domain, value);
      if (outcome.settled && done_.size() < kMostDone) done_.insert(name);
      ++count;
      if (tell) tell(domain + ": " + outcome.text);
    }
  }
  busy_ = false;
  if (tell && count == 0) tell("none: no mail was seen on " + day + " of a domain that asks for reports");
}

vrd::Task<std::vector<Destination>> Sender::destinations(std::string domain, Outcome* problem) {
  mailauth::HostDns dns(host_, kDnsPatience);
  mailauth::Discovery discovery(dns, options_.suffixes);
  mailauth::RecordAt at = co_await discovery.record_at(domain);
  std::vector<Destination> out;
  if (at.failed) *problem = {false, "DNS does not tell now who wants the report"};
  else if (!at.record || at.record->rua.empty())
    *problem = {true, "not asked for: there is no address for reports in the record at _dmarc." + domain};
  if (!problem->text.empty()) co_return out;
  out = co_await mailauth::destinations_of(dns, discovery, std::move(at));
  co_return out;
}

// The claim names the report: whoever takes an abandoned one over sends it under the same report-id.
vrd::Task<Sender::Claim> Sender::claim(std::string name) {
  int64_t now = host_.wall_ms();
  Claim out;
  std::string id = hex(hash_of(name + me_)) + std::to_string(now), until = std::to_string(now + kClaim);
  vrd::KvResult claimed = co_await host_.kv(kKvPatience).put_if_absent("s/" + name, me_ + " " + id + " " + until, kKeep);
  out.outcome = {false, "core.kv does not answer"};
  if (!claimed.ok()) co_return out;
  if (claimed.first().status != VRD_E_STATE) {
    out.id = std::move(id);
    co_return out;
  }
  std::string held = claimed.first().value;
  size_t first = held.find(' '), second = held.rfind(' ');
  bool done = held == "done" || first == held.npos || second == first;
  bool mine = held.substr(0, first) == me_, over = done || std::strtoll(held.c_str() + second, nullptr, 10) < now;
  if (done) out.outcome = {true, "was sent before"};
  else if (!mine && !over) out.outcome = {false, "another process has begun to send it"};
  if (done || (!mine && !over)) co_return out;
  id = held.substr(first + 1, second - first - 1);
  vrd::KvResult renewed = co_await host_.kv(kKvPatience).put("s/" + name, me_ + " " + id + " " + until, kKeep);
  if (renewed.ok()) out.id = std::move(id);
  co_return out;
}

vrd::Task<bool> Sender::gather(std::string day, std::string domain, AggregateReport* into) {
  std::string prefix = "r/" + day + "/" + domain + "/", after;
  std::map<std::string, uint64_t> rows;
  uint64_t left_out = 0;
  for (bool more = true; more;) {
    vrd::KvListResult page = co_await host_.kv_list(prefix, after, kPage, kKvPatience);
    if (!page.ok()) co_return false;
    more = !page.entries.empty();
    for (const auto& [key, value] : page.entries) {
      after = key;
      size_t space = std::min(value.find(' '), value.size());
      uint64_t count = std::strtoull(value.c_str(), nullptr, 10);
      std::string text = value.substr(std::min(space + 1, value.size()));
      if (rows.contains(text) || rows.size() < kMostRows) rows[text] += count;
      else left_out += count;
    }
  }
  for (const auto& [text, count] : rows)
    if (auto row = mailauth::decoded_row(text)) into->rows.emplace_back(std::move(*row), count);
  if (left_out != 0) into->errors.push_back(std::to_string(left_out) + " messages are left out, there are too many different ones");
  co_return !into->rows.empty();
}

vrd::Task<Sender::Outcome> Sender::send_domain(std::string day, std::string domain, std::string policy) {
  Outcome out;
  std::string name = day + "/" + domain;
  std::vector<Destination> to = co_await destinations(domain, &out);
  if (!out.text.empty()) co_return out;
  Claim claimed = co_await claim(name);
  if (claimed.id.empty()) co_return claimed.outcome;
  AggregateReport report;
  report.org = options_.reporter.organization;
  report.email = options_.reporter.from;
  report.contact = options_.reporter.contact;
  report.id = claimed.id;
  report.generator = "Veredus " + std::string(host_.version());
  report.begin = day_start(day) / 1000;
  report.end = report.begin + kDay / 1000 - 1;
  report.policy = mailauth::decoded_policy(policy).value_or(mailauth::ReportPolicy());
  report.policy.domain = domain;
  bool there = co_await gather(day, domain, &report);
  if (!there) co_return Outcome{false, "what was counted cannot be read now"};
  std::string gzip = co_await packed(report);
  if (gzip.empty()) co_return Outcome{false, "the report cannot be made now"};
  for (size_t i = 0; i < to.size(); ++i) {
    Outcome one = co_await send_to(&report, &gzip, to[i], "u/" + name + "/" + hex(hash_of(to[i].address)));
    out.settled = out.settled && one.settled;
    out.text += (out.text.empty() ? "" : "; ") + one.text;
  }
  if (out.settled) co_await host_.kv(kKvPatience).put("s/" + name, "done", kKeep);
  co_return out;
}

// Much XML takes its time: not on the loop.
vrd::Task<std::string> Sender::packed(AggregateReport report) {
  size_t most = options_.report_size;
  auto work = host_.work([report = std::move(report), most]() mutable { return mailauth::packed_report(report, most); });
  vrd::WorkResult<std::string> done = co_await work;
  co_return done.value.value_or(std::string());
}

// The mark "trying" that a crash left behind means that it may have been sent: it is not sent again.
vrd::Task<Sender::Outcome> Sender::send_to(const AggregateReport* report, const std::string* gzip, Destination to, std::string mark) {
  std::string shown = to.address.substr(0, 200);
  if (to.problem.empty() && to.most != 0 && mailauth::report_mail_size(*gzip) > to.most)
    to.problem = "it is larger than the " + std::to_string(to.most) + " octets that the record allows";
  if (!to.problem.empty()) {
    if (!to.later) host_.info("refused", {{"domain", report->policy.domain}, {"to", shown}, {"reason", to.problem}});
    co_return Outcome{!to.later, "not sent to " + shown + ": " + to.problem};
  }
  vrd::KvResult marked = co_await host_.kv(kKvPatience).put_if_absent(mark, "trying", kKeep);
  if (!marked.ok()) co_return Outcome{false, "core.kv does not answer"};
  if (marked.first().status == VRD_E_STATE) {
    if (marked.first().value == "sent") co_return Outcome{true, "was sent before to " + shown};
    if (marked.first().value == "trying") co_return Outcome{true, "was perhaps sent before to " + shown + ", and is not sent again"};
    vrd::KvResult again = co_await host_.kv(kKvPatience).put(mark, "trying", kKeep);
    if (!again.ok()) co_return Outcome{false, "core.kv does not answer"};
  }
  std::string problem = co_await deliver(report, gzip, std::move(to));
  const char* outcome = problem.empty() ? "sent" : "failed";
  co_await host_.kv(kKvPatience).put(mark, outcome, kKeep);
  if (problem.empty()) {
    counters_.sent.add();
    host_.info("sent", {{"domain", report->policy.domain}, {"to", shown}, {"report", report->id}, {"rows", report->rows.size()}});
    co_return Outcome{true, "sent to " + shown};
  }
  counters_.failed.add();
  host_.warning("failed", {{"domain", report->policy.domain}, {"to", shown}, {"report", report->id}, {"reason", problem}});
  co_return Outcome{false, "not sent to " + shown + ": " + problem};
}

// Empty: it is done.
vrd::Task<std::string> Sender::deliver(const AggregateReport* report, const std::string* gzip, Destination to) {
  const Reporter& reporter = options_.reporter;
  mailauth::ReportMail mail{reporter.from, to.address, reporter.submitter, mail_date(host_.wall_ms())};
  vrd::NewMessage message;
  message.sender = reporter.from;
  message.recipients = {to.address};
  message.octets = mailauth::report_mail(*report, mail, *gzip);
  vrd::QueueResult queued = co_await host_.inject(std::move(message));
  co_return queued.ok() ? "" : "the queue refuses it with status " + std::to_string(queued.status);
}

}  // namespace dmarc
