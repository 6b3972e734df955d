// The results of SPF and DKIM are found with the libraries that the plugins spf and dkim use.
#include "check.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/report.hpp"
#include "mailauth/dkim/verify.h"
#include "mailauth/dmarc/report_summary.h"
#include "mailauth/dmarc/unpack.h"

namespace dmarc {

namespace {

using mailauth::Author;
using mailauth::AuthorState;
using mailauth::DmarcAnswer;
using nlohmann::ordered_json;

bool has_author(const Author& author) { return author.state == AuthorState::one || author.state == AuthorState::several; }

std::string result_of(const Checked& checked) {
  if (has_author(checked.author)) return checked.answer.result;
  return checked.author.state == AuthorState::literal ? "none" : "permerror";
}
std::string summary_of(const Checked& checked) {
  if (!has_author(checked.author)) return checked.author.problem;
  if (checked.answer.result != "pass") return checked.answer.problem;
  return checked.answer.dkim_aligned && checked.answer.spf_aligned ? "by DKIM and SPF" : checked.answer.dkim_aligned ? "by DKIM" : "by SPF";
}

std::string spf_line(const Checked& checked) {
  if (!checked.spf_asked) return "not asked for: give --ip, and --helo or --from";
  const auto& spf = checked.input.spf.front();
  std::string out = spf.result + " for " + (spf.domain.empty() ? "no domain" : spf.domain);
  if (spf.result == "pass" && has_author(checked.author)) out += checked.answer.spf_aligned ? ", aligned" : ", not aligned";
  return checked.spf_problem.empty() ? out : out + ": " + checked.spf_problem;
}

std::string dkim_line(const Checked& checked, size_t i) {
  const auto& one = checked.input.dkim[i];
  std::string out = one.result + " for d=" + one.domain + " s=" + one.selector;
  const auto& aligned = checked.answer.aligned_dkim;
  if (one.result == "pass") out += std::find(aligned.begin(), aligned.end(), i) != aligned.end() ? ", aligned" : ", not aligned";
  return checked.dkim_reasons[i].empty() ? out : out + ": " + checked.dkim_reasons[i];
}

std::string policy_line(const DmarcAnswer& answer) {
  const auto& record = *answer.policy_at.record;
  std::string out =
      std::string(policy_word(answer.policy)) + ", by '" + std::string(answer.tag) + "' of the record at _dmarc." + answer.policy_at.domain;
  if (record.testing) out += "; t=y asks for the next milder one";
  return out;
}

common::Report report_of(const Checked& checked) {
  common::Report out;
  out.result(result_of(checked), summary_of(checked));
  const DmarcAnswer& answer = checked.answer;
  for (const std::string& domain : checked.author.domains) out.line("from", domain);
  if (answer.policy_at.record) {
    out.line("policy", policy_line(answer));
    out.line("record", answer.policy_at.text);
    for (const std::string& problem : answer.policy_at.record->problems) out.line("warning", "the record: " + problem);
  }
  if (!answer.org.empty()) out.line("orgdomain", answer.org + ", by " + std::string(answer.method));
  out.line("spf", spf_line(checked));
  for (size_t i = 0; i < checked.input.dkim.size(); ++i) out.line("dkim", dkim_line(checked, i));
  if (checked.input.dkim.empty()) out.line("dkim", "no signature");
  return out;
}

std::string disposition_of(const Checked& checked) { return std::string(policy_word(checked.answer.disposition)); }

vrd::Task<void> add_spf(mailauth::Dns& dns, const CheckQuery& query, Checked* out) {
  if (query.ip.empty()) co_return;
  mailauth::SpfQuery asked{query.ip, query.helo, query.sender, "", query.now};
  mailauth::SpfAnswer answer = co_await mailauth::check_spf(dns, std::move(asked), {});
  out->spf_asked = true;
  out->spf_problem = answer.problem;
  out->input.spf.push_back({answer.domain, std::string(mailauth::spf_word(answer.result))});
}

vrd::Task<void> add_dkim(mailauth::Dns& dns, const CheckQuery& query, Checked* out) {
  std::vector<mailauth::DkimResult> results = co_await mailauth::verify_dkim(dns, query.message, {}, query.now);
  for (mailauth::DkimResult& one : results) {
    out->input.dkim.push_back({std::move(one.domain), std::move(one.selector), std::move(one.result)});
    out->dkim_reasons.push_back(std::move(one.reason));
  }
}

}  // namespace

vrd::Task<Checked> check_message(mailauth::Dns& dns, CheckQuery query) {
  Checked out;
  out.author = mailauth::author_of_message(query.message);
  co_await add_spf(dns, query, &out);
  co_await add_dkim(dns, query, &out);
  if (!has_author(out.author)) co_return out;
  out.input.authors = out.author.domains;
  mailauth::DmarcOptions options;
  options.list = query.suffixes;
  out.answer = co_await mailauth::check_dmarc(dns, out.input, options);
  co_return out;
}

std::string checked_text(const Checked& checked) {
  std::string out = report_of(checked).text();
  return out.insert(out.find('\n') + 1, "disposition=" + disposition_of(checked) + "\n");
}

std::string checked_json(const Checked& checked) {
  ordered_json out = ordered_json::parse(report_of(checked).json());
  out["disposition"] = disposition_of(checked);
  out["testing"] = checked.answer.testing;
  out["author"] = mailauth::author_word(checked.author.state);
  out["spf_aligned"] = checked.answer.spf_aligned;
  out["dkim_aligned"] = checked.answer.dkim_aligned;
  return out.dump() + "\n";
}

std::string org_text(const mailauth::OrgDomain& org) {
  common::Report out;
  if (org.failed) out.result("temperror", "DNS does not tell all of the records on the way");
  else out.result(org.domain);
  out.line("method", org.method);
  for (const auto& at : org.walk)
    out.line("_dmarc." + at.domain, at.failed ? "DNS does not tell" : at.record ? at.text : at.problem.empty() ? "no record" : at.problem);
  return out.text();
}

std::string org_json(const mailauth::OrgDomain& org, const std::string& name) {
  ordered_json out{
      {"result", org.failed ? "temperror" : org.domain}, {"name", name}, {"method", org.method}, {"walk", ordered_json::array()}};
  for (const auto& at : org.walk)
    out["walk"].push_back(
        {{"name", "_dmarc." + at.domain}, {"record", common::printable(at.text)}, {"problem", common::printable(at.problem)}});
  return out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

Told tell_reports(std::string_view octets, bool json) {
  Told out;
  mailauth::Unpacked found = mailauth::unpack_reports(octets, {});
  std::vector<std::string> problems = found.problems;
  ordered_json reports = ordered_json::array();
  size_t records = 0, readable = 0;
  for (const auto& document : found.documents) {
    mailauth::ReadReport read = mailauth::read_report(document.xml, {});
    if (!read.readable) {
      problems.push_back((document.name.empty() ? "" : document.name + ": ") + read.problems.front());
      continue;
    }
    ++readable;
    records += read.report.rows.size();
    if (json) reports.push_back(mailauth::summary_json(read, document.name));
    else out.text += mailauth::summary_text(read, document.name);
  }
  if (readable == 0) {
    out.code = 65;
    out.error = "this is no DMARC report: " + common::printable(problems.empty() ? "it is empty" : problems.front()) + "\n";
    return out;
  }
  std::string told;
  for (const std::string& one : problems) told += "problem: " + common::printable(one) + "\n";
  ordered_json all{{"records", records}, {"problems", problems}, {"reports", std::move(reports)}};
  out.text = json ? all.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n"
                  : "records=" + std::to_string(records) + "\n" + told + out.text;
  return out;
}

}  // namespace dmarc
