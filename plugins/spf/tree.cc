// Goes through a record and all that it includes or redirects to. Terms with macros depend on the mail and are counted, not followed.
#include "tree.h"

#include <algorithm>
#include <vector>

#include "check.h"
#include "mailauth/spf/record.h"

namespace spf {

namespace {

using mailauth::spf::Mechanism;
using mailauth::spf::Record;
using mailauth::spf::Term;

constexpr uint32_t kMostLookups = 10, kMostQuestions = 100;

struct Walk {
  mailauth::Dns& dns;
  common::Report& report;
  std::vector<std::string> path;  // from the domain to the record in hand
  uint32_t lookups = 0, questions = 0;
  std::string word = "valid", summary;

  std::string indent() const { return std::string(2 * (path.size() - 1), ' '); }
  void problem(std::string kind, const std::string& text) {
    report.line("problem", text);
    if (word == "valid") word = std::move(kind), summary = text;
  }
};

vrd::Task<vrd::DnsResult> ask(Walk& walk, std::string name, uint32_t type) {
  if (++walk.questions > kMostQuestions) co_return vrd::DnsResult(VRD_E_BUSY);
  co_return co_await walk.dns.ask(std::move(name), type);
}

std::string name_of(std::string_view spec, const std::string& domain) {
  if (spec.empty()) return domain;
  std::string out(spec);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

bool has_records(const vrd::DnsResult& found, uint32_t type) {
  return std::any_of(found.records.begin(), found.records.end(), [&](const vrd::DnsRecord& record) { return record.type == type; });
}

// Whether the name of an `a` or `mx` has what it is asked for.
vrd::Task<void> look_at_hosts(Walk& walk, const Term& term, const std::string& domain) {
  std::string name = name_of(term.domain, domain);
  uint32_t type = term.mechanism == Mechanism::mx ? VRD_DNS_MX : VRD_DNS_A;
  vrd::DnsResult found = co_await ask(walk, name, type);
  bool there = has_records(found, type);
  if (found.ok() && !there && type == VRD_DNS_A) {
    found = co_await ask(walk, name, VRD_DNS_AAAA);
    there = has_records(found, VRD_DNS_AAAA);
  }
  if (found.ok() && !there) walk.report.line("warning", domain + ": '" + std::string(term.text) + "' finds nothing: remove it or mend it");
  auto hosts = std::count_if(found.records.begin(), found.records.end(), [](const vrd::DnsRecord& record) { return record.type == VRD_DNS_MX; });
  if (hosts > kMostLookups) walk.problem("invalid", domain + ": '" + std::string(term.text) + "' leads to " + std::to_string(hosts) + " mail exchangers; 10 are the most");
}

vrd::Task<void> look_at(Walk& walk, std::string domain);

vrd::Task<void> look_at_term(Walk& walk, const Term& term, const std::string& domain) {
  if (!term.asks_dns()) co_return;
  ++walk.lookups;
  if (term.domain.find('%') != term.domain.npos) co_return;
  if (term.mechanism == Mechanism::a || term.mechanism == Mechanism::mx) co_await look_at_hosts(walk, term, domain);
  if (term.mechanism == Mechanism::include) co_await look_at(walk, name_of(term.domain, domain));
}

// The one record of a domain as text; empty: there is none that holds, and it is told.
vrd::Task<std::string> find_record(Walk& walk, const std::string& domain) {
  vrd::DnsResult found = co_await ask(walk, domain, VRD_DNS_TXT);
  bool first = walk.path.size() == 1;
  std::erase_if(found.records, [](const vrd::DnsRecord& record) { return record.type != VRD_DNS_TXT || !mailauth::spf::is_record(record.text); });
  if (!found.ok()) walk.problem("unknown", "the TXT records of " + domain + " cannot be looked up now");
  else if (found.records.empty()) walk.problem(first ? "none" : "invalid", domain + (found.nxdomain ? " does not exist" : " publishes no SPF record"));
  else if (found.records.size() > 1) walk.problem("invalid", domain + " publishes " + std::to_string(found.records.size()) + " SPF records; there must be one");
  else co_return std::move(found.records[0].text);
  co_return std::string();
}

vrd::Task<void> look_at(Walk& walk, std::string domain) {
  if (std::find(walk.path.begin(), walk.path.end(), domain) != walk.path.end()) {
    walk.problem("invalid", domain + " leads to itself");
    co_return;
  }
  if (walk.lookups > 3 * kMostLookups) co_return;
  walk.path.push_back(domain);
  std::string text = co_await find_record(walk, domain);
  uint32_t before = walk.lookups;
  Record record = text.empty() ? Record() : mailauth::spf::read_record(text);
  std::string indent = walk.indent();
  if (!text.empty()) walk.report.line("record", indent + domain + ": " + text);
  if (!record.problem.empty()) walk.problem("invalid", "the record of " + domain + " has an error: " + record.problem);
  for (const Term& term : record.terms) co_await look_at_term(walk, term, domain);
  if (!record.redirect.empty()) ++walk.lookups;
  bool follows = !record.redirect.empty() && record.redirect.find('%') == record.redirect.npos;
  if (follows) co_await look_at(walk, name_of(record.redirect, domain));
  if (!text.empty()) walk.report.line("look-ups", indent + domain + ": " + std::to_string(walk.lookups - before));
  walk.path.pop_back();
}

}  // namespace

vrd::Task<common::Report> check_published(mailauth::Dns& dns, std::string domain) {
  common::Report out;
  Walk walk{dns, out, {}, 0, 0, "valid", {}};
  co_await look_at(walk, domain);
  if (walk.lookups > kMostLookups) {
    walk.problem("invalid", "all terms together ask DNS " + std::to_string(walk.lookups) + " times; more than 10 are permerror");
    out.line("fix", "write addresses with ip4 and ip6 in place of a, mx, and of includes whose networks rarely change; remove what no longer sends");
  }
  vrd::DnsResult found = co_await ask(walk, domain, VRD_DNS_TXT);
  for (const vrd::DnsRecord& record : found.records)
    if (record.type == VRD_DNS_TXT && mailauth::spf::is_record(record.text))
      for (const std::string& one : advice_on(record.text)) out.line("fix", one);
  std::string summary = walk.word == "valid" ? std::to_string(walk.lookups) + " of 10 look-ups at most" : walk.summary;
  out.result(walk.word, summary);
  co_return out;
}

}  // namespace spf
