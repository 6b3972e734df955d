// Each step of a sender's way, told: record, fetch, certificate, policy, hosts; then what happens to mail, and what to mend.
#include "check.hpp"

#include <algorithm>

namespace mta_sts {

namespace {

using common::Report;
constexpr int64_t kShortAge = 86'400;  // policies that end sooner protect little

void add_findings(Report& report, const std::vector<Finding>& findings) {
  for (const Finding& one : findings) report.line(one.error ? "problem" : "warning", one.sentence());
}

std::string without_end(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return std::string(text);
}

// "v=STSv1; " "id=1;" of a zone file: the strings joined.
std::string unquoted(const std::string& text) {
  if (!text.starts_with('"')) return text;
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') inside = !inside;
    else if (inside && text[i] == '\\' && i + 1 < text.size()) out += text[++i];
    else if (inside) out += text[i];
  }
  return out;
}

std::string age_text(int64_t seconds) {
  if (seconds >= 2 * 86'400) return std::to_string(seconds / 86'400) + " days";
  if (seconds >= 7'200) return std::to_string(seconds / 3'600) + " hours";
  return std::to_string(seconds) + " s";
}

void describe_policy(Report& report, const Policy& policy) {
  report.line("mode", mode_name(policy.mode));
  for (const std::string& one : policy.mx) report.line("mx", one);
  report.line("max_age", std::to_string(policy.max_age) + " (" + age_text(policy.max_age) + ")");
}

// What is said of the domain's hosts.
struct Hosts {
  std::vector<std::string> names;
  std::string problem;
  std::vector<std::string> unlisted;
};

vrd::Task<Hosts> hosts_of(const vrd::Host& host, std::string domain, milliseconds timeout) {
  vrd::DnsResult found = co_await host.dns(domain, VRD_DNS_MX, timeout);
  Hosts out;
  if (!found.ok()) out.problem = "the MX records of " + domain + " cannot be looked up now";
  std::vector<std::pair<uint32_t, std::string>> sorted;
  for (const vrd::DnsRecord& record : found.records)
    if (record.type == VRD_DNS_MX) sorted.emplace_back(record.preference, record.text);
  std::sort(sorted.begin(), sorted.end());
  for (auto& [preference, name] : sorted) out.names.push_back(std::move(name));
  if (found.ok() && out.names.empty()) out.names.push_back(domain);  // RFC 5321 5.1
  co_return out;
}

void describe_hosts(Report& report, const Policy& policy, Hosts& hosts) {
  if (!hosts.problem.empty()) report.line("problem", hosts.problem);
  for (const std::string& name : hosts.names) {
    auto by = std::find_if(policy.mx.begin(), policy.mx.end(), [&](const std::string& pattern) { return matches(pattern, name); });
    if (by != policy.mx.end()) report.line("host", name + " is allowed, by '" + *by + "'");
    else {
      report.line("host", name + " is not allowed by the policy");
      hosts.unlisted.push_back(name);
    }
  }
}

void describe_mail(Report& report, const Policy& policy, const Hosts& hosts) {
  if (policy.mode == Mode::none) {
    report.line("mail", "is sent as if there were no policy: the domain has withdrawn it");
    return;
  }
  bool all_out = !hosts.names.empty() && hosts.unlisted.size() == hosts.names.size();
  if (policy.mode == Mode::testing) {
    report.line("mail", "is sent in any case; what would have failed is reported to the domain, if it asks for reports (_smtp._tls TXT)");
    return;
  }
  if (all_out) report.line("mail", "waits, and comes back in the end: no mail exchanger is allowed");
  else report.line("mail", "goes to the allowed hosts only, over TLS with a certificate that is valid for the host's name, or it waits");
}

void advise(Report& report, const Policy& policy, const Hosts& hosts) {
  for (const std::string& name : hosts.unlisted)
    if (policy.mode != Mode::none) report.line("fix", "add 'mx: " + name + "' to the policy, then change the id of the record; or take the host out of the MX records");
  if (policy.mode == Mode::testing && hosts.unlisted.empty()) report.line("fix", "when reports show no failures any more, publish 'mode: enforce' and a new id");
  if (policy.mode != Mode::none && policy.max_age < kShortAge) report.line("fix", "let max_age be a week or more (604800): a policy that ends soon protects little");
}

Report not_announced(const Announced& announced, const std::string& domain) {
  Report out;
  for (const std::string& text : announced.texts) out.line("record", text);
  out.line("problem", announced.problem);
  using State = Announced::State;
  bool failed = announced.state == State::failed;
  out.result(failed ? "unknown" : announced.state == State::absent ? "none" : "invalid",
             failed ? "DNS does not tell whether there is a policy" : "senders see no MTA-STS policy");
  out.line("mail", "is sent as if there were no policy, unless a sender has kept one that still holds");
  if (announced.state == State::several) out.line("fix", "leave one of the records and remove the others");
  else if (!failed) out.line("fix", "publish TXT at _mta-sts." + domain + ": \"v=STSv1; id=20260101T000000;\", and the policy at " + policy_url(domain, 443));
  return out;
}

void describe_failure(Report& report, const Fetched& fetched, const std::string& domain) {
  add_findings(report, fetched.findings);
  if (fetched.findings.empty()) report.line("problem", fetched.problem);
  report.line("tls-rpt", fetched.result);
  report.line("mail", "is sent as if there were no policy; senders that keep an older one use it until it expires");
  std::string host = "mta-sts." + domain;
  if (fetched.result == "sts-webpki-invalid") report.line("fix", "give the web server of " + host + " a certificate for that name, of a public authority, with its chain");
  else if (fetched.result == "sts-policy-invalid") report.line("fix", "mend the policy file, then change the id of the record");
  else report.line("fix", "serve the policy at " + policy_url(domain, 443) + " with status 200, Content-Type text/plain, without a redirection");
  report.result("invalid", fetched.problem);
}

}  // namespace

common::Report check_record(std::string_view input) {
  Report out;
  Record record = read_record(unquoted(without_end(input)));
  add_findings(out, record.findings);
  if (record.valid) out.line("id", record.id);
  out.result(record.valid ? "valid" : "invalid");
  return out;
}

common::Report check_policy(std::string_view input) {
  Report out;
  ReadPolicy read = read_policy(input);
  if (input.size() > 64 * 1024) {
    read.valid = false;
    out.line("problem", "the policy is larger than 64 KiB; senders do not read it to its end");
  }
  add_findings(out, read.findings);
  if (read.valid) describe_policy(out, read.policy);
  out.result(read.valid ? "valid" : "invalid");
  return out;
}

vrd::Task<common::Report> check_domain(const vrd::Host& host, std::string domain, Source source) {
  Announced announced = co_await look_up(host, domain, source.dns_timeout);
  if (!announced.announces()) co_return not_announced(announced, domain);
  Report out;
  out.line("record", "_mta-sts." + domain + " has the id " + announced.id);
  Fetched fetched = co_await fetch(host, domain, source);
  std::string url = policy_url(domain, source.port);
  out.line("fetch", url + (fetched.code ? " answers HTTP " + std::to_string(fetched.code) + ", " + std::to_string(fetched.body.size()) + " octets" : " gives no answer"));
  std::string trusted = source.ca_file.empty() ? "by the authorities of this system" : "by the authorities in " + source.ca_file;
  if (fetched.code) out.line("certificate", "valid for mta-sts." + domain + ", " + trusted);
  else if (fetched.result == "sts-webpki-invalid") out.line("certificate", fetched.problem);
  if (!fetched.done()) {
    describe_failure(out, fetched, domain);
    co_return out;
  }
  add_findings(out, fetched.findings);
  describe_policy(out, fetched.policy);
  Hosts hosts = co_await hosts_of(host, domain, source.dns_timeout);
  describe_hosts(out, fetched.policy, hosts);
  describe_mail(out, fetched.policy, hosts);
  advise(out, fetched.policy, hosts);
  bool fits = hosts.unlisted.empty() && hosts.problem.empty();
  std::string mode(mode_name(fetched.policy.mode));
  if (fetched.policy.mode == Mode::none) out.result("none", "the domain has withdrawn its policy");
  else if (fits) out.result("valid", "the policy is in mode " + mode + " and allows all mail exchangers");
  else out.result("invalid", hosts.problem.empty() ? "the policy is in mode " + mode + " and does not allow " + std::to_string(hosts.unlisted.size()) + " of the mail exchangers" : hosts.problem);
  co_return out;
}

}  // namespace mta_sts
