// Whom to tell, when, and the marks before and after.
#include "common/reports/daily.h"

#include <cstdio>
#include <cstdlib>

#include "common/report.hpp"
#include "common/reports/days.h"

namespace common {

namespace {

constexpr uint32_t kPage = 500;
constexpr int64_t kClaim = 10 * 60'000;  // another that began and did not come back loses the report after this
constexpr milliseconds kRefusalKept{30ll * 86'400'000};
constexpr size_t kMostDone = 100'000;

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

std::string shown_address(const std::string& address) { return address.substr(0, 200); }

// What stands at a claim: "WRITER ID UNTIL".
struct Held {
  explicit Held(const std::string& text) {
    size_t first = text.find(' '), second = text.rfind(' ');
    done = first == text.npos || second == first;
    if (done) return;
    writer = text.substr(0, first);
    id = text.substr(first + 1, second - first - 1);
    until = std::strtoll(text.c_str() + second, nullptr, 10);
  }
  bool done;
  std::string writer, id;
  int64_t until = 0;
};

// Keeps a flag while a coroutine runs, however it ends.
class Busy {
 public:
  explicit Busy(bool& flag) : flag_(flag) { flag_ = true; }
  ~Busy() { flag_ = false; }
  Busy(const Busy&) = delete;

 private:
  bool& flag_;
};

}  // namespace

int64_t report_time(const std::string& submitter, const std::string& domain, const std::string& day, milliseconds spread) {
  int64_t end = day_start(day).value_or(0) + kDayMs;
  auto width = static_cast<uint64_t>(spread.count());
  return end + (width == 0 ? 0 : static_cast<int64_t>(hash_of(submitter + "/" + domain + "/" + day) % width));
}

vrd::Task<bool> each_row(const vrd::Host& host, std::string prefix, SeeRow see) {
  std::string after;
  for (;;) {
    vrd::KvListResult page = co_await host.kv_list(prefix, after, kPage, kKvPatience);
    if (!page.ok()) co_return false;
    if (page.entries.empty()) co_return true;
    for (const auto& [key, value] : page.entries) see(key, value);
    after = page.entries.back().first;
  }
}

DailyReports::DailyReports(const vrd::Host& host, std::unique_ptr<ReportKind> kind, std::string submitter, ReportTimes times,
                           Counters counters, bool by_itself)
    : host_(host),
      kind_(std::move(kind)),
      submitter_(std::move(submitter)),
      me_(submitter_ + "-" + std::to_string(host.wall_ms())),
      times_(times),
      counters_(counters),
      tasks_(host) {
  if (by_itself && host.interfaces().kv) wait();
}

void DailyReports::wait() {
  host_.after(times_.check).then([this](vrd::TimerResult rang) {
    if (!rang.ok()) return;
    wait();
    tasks_.spawn(round());
  });
}

vrd::Task<void> DailyReports::round() {
  int64_t now = host_.wall_ms();
  std::string yesterday = day_of(now - kDayMs), before = day_of(now - 2 * kDayMs);
  co_await send_day(before, nullptr);
  co_await send_day(yesterday, nullptr);
  std::erase_if(done_, [&](const std::string& name) { return name < before; });
}

bool DailyReports::due(const std::string& day, const std::string& domain) const {
  int64_t end = day_start(day).value_or(0) + kDayMs, now = host_.wall_ms();
  return now >= report_time(submitter_, domain, day, times_.spread) && now < end + times_.give_up.count();
}

vrd::Task<void> DailyReports::send_day(std::string day, Tell tell) {
  if (busy_) {
    if (tell) tell("busy: reports are being sent; try again later");
    co_return;
  }
  Busy busy(busy_);
  const Tell* told = tell ? &tell : nullptr;
  co_await send_listed(std::move(day), told);
}

vrd::Task<void> DailyReports::send_listed(std::string day, const Tell* tell) {
  std::string prefix = kind_->index() + "/" + day + "/", after;
  size_t count = 0;
  for (bool more = true; more;) {
    vrd::KvListResult page = co_await host_.kv_list(prefix, after, kPage, kKvPatience);
    more = page.ok() && !page.entries.empty();
    if (!page.ok() && tell) (*tell)("problem: core.kv does not answer");
    for (const auto& [key, value] : page.entries) {
      after = key;
      std::string domain = key.substr(prefix.size()), name = day + "/" + domain;
      if (!tell && (done_.contains(name) || !due(day, domain))) continue;
      Outcome outcome = co_await send_domain(day, domain, value);
      if (outcome.settled && done_.size() < kMostDone) done_.insert(name);
      ++count;
      if (tell) (*tell)(domain + ": " + outcome.text);
    }
  }
  if (tell && count == 0) (*tell)("none: nothing was seen on " + day + " that is reported");
}

// The claim names the report: whoever takes an abandoned one over sends it under the same report-id.
vrd::Task<DailyReports::Claim> DailyReports::claim(std::string name) {
  int64_t now = host_.wall_ms();
  Claim out;
  std::string id = hex(hash_of(name + me_)) + std::to_string(now), until = std::to_string(now + kClaim);
  vrd::KvResult claimed = co_await host_.kv(kKvPatience).put_if_absent("s/" + name, me_ + " " + id + " " + until, kReportKept);
  out.outcome = {false, "core.kv does not answer"};
  if (!claimed.ok()) co_return out;
  if (claimed.first().status != VRD_E_STATE) {
    out.id = std::move(id);
    co_return out;
  }
  Held held(claimed.first().value);
  bool ours = held.writer == me_ || held.until < now;
  if (held.done) out.outcome = {true, "was sent before"};
  else if (!ours) out.outcome = {false, "another process has begun to send it"};
  if (held.done || !ours) co_return out;
  vrd::KvResult renewed = co_await host_.kv(kKvPatience).put("s/" + name, me_ + " " + held.id + " " + until, kReportKept);
  if (renewed.ok()) out.id = std::move(held.id);
  co_return out;
}

vrd::Task<DailyReports::Outcome> DailyReports::send_domain(std::string day, std::string domain, std::string indexed) {
  Outcome out;
  std::string key = day + "/" + domain;
  Addressees to = co_await kind_->addressees(domain);
  if (!to.problem.empty()) {
    out = {!to.later, std::move(to.problem)};
    co_return out;
  }
  Claim claimed = co_await claim(key);
  if (claimed.id.empty()) co_return claimed.outcome;
  ReportName name{day, domain, claimed.id};
  Making made = co_await kind_->make(name, std::move(indexed));
  if (!made.report) {
    out = {false, std::move(made.problem)};
    co_return out;
  }
  for (Addressee& one : to.all) {
    Outcome sent = co_await send_to(made.report.get(), &name, std::move(one));
    out.settled = out.settled && sent.settled;
    out.text += (out.text.empty() ? "" : "; ") + sent.text;
  }
  if (out.settled) co_await host_.kv(kKvPatience).put("s/" + key, "done", kReportKept);
  co_return out;
}

vrd::Task<DailyReports::Outcome> DailyReports::send_to(MadeReport* report, const ReportName* name, Addressee to) {
  if (to.problem.empty() && to.most != 0 && report->mail_size() > to.most)
    to.problem = "it is larger than the " + std::to_string(to.most) + " octets that the record allows";
  if (!to.problem.empty()) {
    Outcome refused = co_await refuse(name, std::move(to));
    co_return refused;
  }
  std::string key = "u/" + name->day + "/" + name->domain + "/" + hex(hash_of(to.address)), shown = shown_address(to.address);
  Outcome marked = co_await mark(key, shown);
  if (!marked.text.empty()) co_return marked;
  std::string problem = co_await report->deliver(std::move(to.address));
  const char* outcome = problem.empty() ? "sent" : "failed";
  co_await host_.kv(kKvPatience).put(key, outcome, kReportKept);
  co_return finish(*report, *name, shown, problem);
}

// Told once, and again after a month: who wrote the record rarely mends it, and nobody reads the same line every day.
vrd::Task<DailyReports::Outcome> DailyReports::refuse(const ReportName* name, Addressee to) {
  std::string shown = shown_address(to.address);
  Outcome out{!to.later, "not sent to " + shown + ": " + to.problem};
  if (to.later) co_return out;
  std::string key = "n/" + name->domain + "/" + hex(hash_of(to.address + "\n" + to.problem));
  vrd::KvResult told = co_await host_.kv(kKvPatience).put_if_absent(key, name->day, kRefusalKept);
  if (!told.ok() || told.first().status == VRD_E_STATE) co_return out;
  host_.info("refused", {{"domain", name->domain}, {"day", name->day}, {"to", shown}, {"reason", to.problem}});
  co_return out;
}

// The mark "trying" that a crash left behind means that it may have been sent: it is not sent again. No text: go on.
vrd::Task<DailyReports::Outcome> DailyReports::mark(std::string key, std::string shown) {
  Outcome out;
  vrd::KvResult marked = co_await host_.kv(kKvPatience).put_if_absent(key, "trying", kReportKept);
  if (!marked.ok()) {
    out = {false, "core.kv does not answer"};
  } else if (marked.first().status == VRD_E_STATE) {
    const std::string value = marked.first().value;
    if (value == "sent") out.text = "was sent before to " + shown;
    else if (value == "trying") out.text = "was perhaps sent before to " + shown + ", and is not sent again";
    if (!out.text.empty()) co_return out;
    vrd::KvResult again = co_await host_.kv(kKvPatience).put(key, "trying", kReportKept);
    if (!again.ok()) out = {false, "core.kv does not answer"};
  }
  co_return out;
}

DailyReports::Outcome DailyReports::finish(const MadeReport& report, const ReportName& name, const std::string& shown,
                                           const std::string& problem) const {
  if (problem.empty()) {
    counters_.sent.add();
    host_.info("sent", {{"domain", name.domain}, {"day", name.day}, {"to", shown}, {"report", name.id}, {"rows", report.rows()}});
    return {true, "sent to " + shown};
  }
  counters_.failed.add();
  host_.warning("failed", {{"domain", name.domain}, {"day", name.day}, {"to", shown}, {"report", name.id}, {"reason", problem}});
  return {false, "not sent to " + shown + ": " + problem};
}

vrd::Task<void> DailyReports::send_now(std::string day, vrd::CommandCall call) {
  auto* output = &call;
  Tell tell = [output](const std::string& line) { output->write(printable(line) + "\n"); };
  co_await send_day(std::move(day), tell);
  call.finish(0);
}

void DailyReports::command(DailyReports* reports, const vrd::Host& host, const std::string& plugin, vrd::CommandCall call) {
  Words words(call.arguments);
  words.flag("--json");
  std::string day = words.option("--day", day_of(host.wall_ms() - kDayMs));
  if (!words.left.empty() || !day_start(day)) {
    call.error("usage: veredus " + plugin + " send [--day YYYY-MM-DD]\n").finish(64);
    return;
  }
  if (!reports) {
    call.error("veredus: the plugin is not running yet\n").finish(75);
    return;
  }
  reports->tasks_.spawn(reports->send_now(std::move(day), std::move(call)));
}

}  // namespace common
