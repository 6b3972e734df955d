// Whom to tell (RFC 8460 3), what, and the marks before and after.
#include "sender.hpp"

#include <ctime>

namespace tls_report {

namespace {

constexpr milliseconds kDnsPatience{10'000};
constexpr int64_t kDay = 86'400'000;
constexpr uint32_t kPage = 500;
constexpr int64_t kClaim = 10 * 60'000;  // another that began and did not come back loses the report after this
constexpr size_t kMostDetailsSent = 1'000;

uint64_t hash_of(std::string_view text) {
  uint64_t out = 14'695'981'039'346'656'037u;
  for (unsigned char c : text) out = (out ^ c) * 1'099'511'628'211u;
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

std::string shown_uri(const std::string& uri) { return uri.substr(0, 200); }

}  // namespace

Sender::Sender(const vrd::Host& host, const Options& options, const Counters& counters, bool by_itself)
    : host_(host), options_(options), counters_(counters), me_(options.author.submitter + "-" + std::to_string(host.wall_ms())), tasks_(host) {
  if (by_itself && host.interfaces().kv) wait();
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
  int64_t end = day_start(day).value_or(0) + kDay, now = host_.wall_ms();
  auto spread = static_cast<uint64_t>(options_.spread.count());
  int64_t at = end + (spread == 0 ? 0 : static_cast<int64_t>(hash_of(options_.author.submitter + "/" + domain + "/" + day) % spread));
  return now >= at && now < end + options_.give_up.count();
}

vrd::Task<void> Sender::send_day(std::string day, Tell tell) {
  if (busy_) {
    if (tell) tell("busy: reports are being sent; try again later");
    co_return;
  }
  busy_ = true;
  std::string prefix = "i/" + day + "/", after;
  size_t count = 0;
  for (bool more = true; more;) {
    vrd::KvListResult page = co_await host_.kv_list(prefix, after, kPage, kKvPatience);
    more = page.ok() && !page.entries.empty();
    if (!page.ok() && tell) tell("problem: core.kv does not answer");
    for (const auto& [key, value] : page.entries) {
      after = key;
      std::string domain = key.substr(prefix.size()), name = day + "/" + domain;
      if (!tell && (done_.contains(name) || !due(day, domain))) continue;
      Outcome outcome = co_await send_domain(day, domain);
      if (outcome.settled) done_.insert(name);
      ++count;
      if (tell) tell(domain + ": " + outcome.text);
    }
  }
  busy_ = false;
  if (tell && count == 0) tell("none: nothing was seen on " + day);
}

vrd::Task<std::vector<std::string>> Sender::addresses(std::string domain, std::string* problem) {
  vrd::DnsResult found = co_await host_.dns("_smtp._tls." + domain, VRD_DNS_TXT, kDnsPatience);
  std::vector<std::string> meant;
  for (const vrd::DnsRecord& record : found.records)
    if (begins_as_request(record.text)) meant.push_back(record.text);
  std::vector<std::string> out;
  if (!found.ok()) *problem = "later";
  else if (meant.empty()) *problem = "not asked for: there is no TLSRPT record at _smtp._tls." + domain;
  else if (meant.size() > 1) *problem = "not asked for: there are several TLSRPT records, which count as none";
  if (!problem->empty()) co_return out;
  Request request = read_request(meant.front());
  if (!request.valid) *problem = "not asked for: " + request.problem;
  co_return std::move(request.uris);
}

vrd::Task<Summary> Sender::gather(std::string day, std::string domain) {
  Summary out;
  std::string prefix = "r/" + day + "/" + domain + "/", after;
  for (bool more = true; more;) {
    vrd::KvListResult page = co_await host_.kv_list(prefix, after, kPage, kKvPatience);
    more = page.ok() && !page.entries.empty();
    for (const auto& [key, value] : page.entries) {
      after = key;
      if (auto one = decoded(value)) out.merge(*one, kMostDetailsSent);
    }
  }
  co_return out;
}

// The claim names the report: whoever takes an abandoned one over sends it under the same report-id.
vrd::Task<Sender::Outcome> Sender::send_domain(std::string day, std::string domain) {
  std::string problem, name = day + "/" + domain;
  std::vector<std::string> uris = co_await addresses(domain, &problem);
  bool later = problem == "later";
  if (!problem.empty()) co_return Outcome{!later, later ? "DNS does not tell now who wants the report" : problem};
  Report report;
  report.domain = domain;
  report.day = day;
  report.author = options_.author;
  report.id = std::to_string(hash_of(name + me_)) + "." + std::to_string(host_.wall_ms());
  int64_t now = host_.wall_ms();
  std::string claim = me_ + " " + report.id + " " + std::to_string(now + kClaim);
  vrd::KvResult claimed = co_await host_.kv(kKvPatience).put_if_absent("s/" + name, claim, kKeep);
  if (!claimed.ok()) co_return Outcome{false, "core.kv does not answer"};
  if (claimed.first().status == VRD_E_STATE) {
    std::string held = claimed.first().value;
    size_t first = held.find(' '), second = held.rfind(' ');
    if (held == "done" || first == held.npos || second == first) co_return Outcome{true, "was sent before"};
    bool mine = held.substr(0, first) == me_, over = std::strtoll(held.c_str() + second, nullptr, 10) < now;
    if (!mine && !over) co_return Outcome{false, "another process has begun to send it"};
    report.id = held.substr(first + 1, second - first - 1);
    vrd::KvResult renewed = co_await host_.kv(kKvPatience).put("s/" + name, me_ + " " + report.id + " " + std::to_string(now + kClaim), kKeep);
    if (!renewed.ok()) co_return Outcome{false, "core.kv does not answer"};
  }
  report.summary = co_await gather(day, domain);
  if (report.summary.empty()) co_return Outcome{false, "what was counted cannot be read now"};
  std::string json = report_json(report), told;
  bool settled = true;
  for (size_t i = 0; i < uris.size(); ++i) {
    Outcome one = co_await send_to(report, json, uris[i], "u/" + name + "/" + std::to_string(hash_of(uris[i])));
    settled = settled && one.settled;
    told += (told.empty() ? "" : "; ") + one.text;
  }
  if (settled) co_await host_.kv(kKvPatience).put("s/" + name, "done", kKeep);
  co_return Outcome{settled, told};
}

// The mark "trying" that a crash left behind means that it may have been sent: it is not sent again.
vrd::Task<Sender::Outcome> Sender::send_to(Report report, std::string json, std::string uri, std::string mark) {
  vrd::KvResult marked = co_await host_.kv(kKvPatience).put_if_absent(mark, "trying", kKeep);
  if (!marked.ok()) co_return Outcome{false, "core.kv does not answer"};
  if (marked.first().status == VRD_E_STATE) {
    if (marked.first().value == "sent") co_return Outcome{true, "was sent before to " + shown_uri(uri)};
    if (marked.first().value == "trying") co_return Outcome{true, "was perhaps sent before to " + shown_uri(uri) + ", and is not sent again"};
    vrd::KvResult again = co_await host_.kv(kKvPatience).put(mark, "trying", kKeep);
    if (!again.ok()) co_return Outcome{false, "core.kv does not answer"};
  }
  std::string problem = co_await deliver(report, std::move(json), uri);
  const char* outcome = problem.empty() ? "sent" : "failed";
  co_await host_.kv(kKvPatience).put(mark, outcome, kKeep);
  if (problem.empty()) {
    counters_.sent.add();
    host_.info("sent", {{"domain", report.domain}, {"day", report.day}, {"to", shown_uri(uri)}, {"report", report.id}});
    co_return Outcome{true, "sent to " + shown_uri(uri)};
  }
  counters_.failed.add();
  host_.warning("failed", {{"domain", report.domain}, {"day", report.day}, {"to", shown_uri(uri)}, {"reason", problem}});
  co_return Outcome{false, "not sent to " + shown_uri(uri) + ": " + problem};
}

// Empty: it is done.
vrd::Task<std::string> Sender::deliver(Report report, std::string json, std::string uri) {
  if (!uri.starts_with("https://") && !uri.starts_with("HTTPS://")) {
    std::string to = mail_address(uri);
    if (to.empty()) co_return "this is no address of mail";
    vrd::NewMessage message;
    message.sender = report.author.sender;
    message.recipients = {to};
    message.octets = report_mail(report, to, json, mail_date(host_.wall_ms()));
    vrd::QueueResult queued = co_await host_.inject(std::move(message));
    co_return queued.ok() ? "" : "the queue refuses it with status " + std::to_string(queued.status);
  }
  auto request = host_.http("POST", uri);
  request.header("Content-Type", "application/tlsrpt+gzip").header("User-Agent", "veredus").body(zipped(json)).timeout(options_.timeout).ca_file(options_.ca_file);
  vrd::HttpResult result = co_await request;
  if (!result.ok()) co_return result.error.empty() ? "no answer, status " + std::to_string(result.status) : result.error;
  co_return result.code >= 200 && result.code < 300 ? "" : "HTTP " + std::to_string(result.code);
}

}  // namespace tls_report
