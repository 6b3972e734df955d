// Counting, and the sentences that follow from it.
#include "mailauth/dmarc/report_summary.h"

#include <algorithm>
#include <ctime>

#include <nlohmann/json.hpp>

namespace mailauth {

namespace {

using nlohmann::ordered_json;
constexpr size_t kMostShown = 1'000, kMostNames = 50, kMostTold = 8;

std::string printable(std::string_view text, size_t most = 200) {
  std::string out;
  for (char c : text.substr(0, most)) out += static_cast<unsigned char>(c) >= ' ' && c != 0x7F ? c : '?';
  return text.size() > most ? out + "..." : out;
}

// Names are of strangers: of more than a few, the others are counted together.
void add(std::map<std::string, uint64_t>& to, const std::string& name, uint64_t count) {
  if (to.contains(name) || to.size() < kMostNames) to[name] += count;
  else to["others"] += count;
}

std::string listed(const std::map<std::string, uint64_t>& names) {
  std::vector<std::pair<std::string, uint64_t>> sorted(names.begin(), names.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (size_t i = 0; i < sorted.size() && i < kMostTold; ++i)
    out += (out.empty() ? "" : ", ") + printable(sorted[i].first) + " (" + std::to_string(sorted[i].second) + ")";
  return sorted.size() > kMostTold ? out + " and " + std::to_string(sorted.size() - kMostTold) + " more" : out;
}

std::string time_text(int64_t seconds) {
  std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char out[64];
  std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return out;
}

// Why mail from an address fails, as far as its rows tell.
class Advice {
 public:
  void row(const ReportRow& row) {
    if (row.dkim || row.spf) {
      if (!row.dkim) spf_only_ = true;
      return;
    }
    fails_ = true;
    for (const ReportDkim& one : row.signatures) {
      if (one.result == "pass") other_dkim_ = one.domain;
      else if (one.domain == row.header_from) broken_ = one.domain + ", selector " + one.selector + ": " + one.result;
    }
    if (row.spf_result == "pass") other_spf_ = row.spf_domain;
    if (row.spf_result == "temperror" || row.spf_result == "permerror") spf_error_ = row.spf_domain + ": " + row.spf_result;
    forwarded_ = forwarded_ || std::any_of(row.reasons.begin(), row.reasons.end(), [](const ReportReason& one) {
                   return one.type == "mailing_list" || one.type == "trusted_forwarder";
                 });
  }
  std::vector<std::string> sentences(const std::string& domain) const {
    std::vector<std::string> out;
    if (!spf_error_.empty()) out.push_back("the SPF record cannot be evaluated (" + printable(spf_error_) + "): mend it");
    if (!broken_.empty())
      out.push_back("a signature of the domain itself does not verify (" + printable(broken_) +
                    "): the message was changed under way, or the key in DNS is another one");
    if (forwarded_) out.push_back("the receiver takes it for forwarded mail or a mailing list");
    if (fails_ && !other_dkim_.empty())
      out.push_back("it is signed by " + printable(other_dkim_) +
                    ", which is not aligned: if it sends for you, let it sign with d=" + printable(domain));
    if (fails_ && other_dkim_.empty() && !other_spf_.empty())
      out.push_back("SPF passes for " + printable(other_spf_) + ", which is not aligned: a service that sends for you, or a forwarder");
    if (fails_ && out.empty())
      out.push_back("nothing authenticates it: if it is yours, sign its mail and put it into the SPF record; if not, it is forged");
    if (spf_only_) out.push_back("some of its mail passes by SPF alone and fails once it is forwarded: sign it with DKIM");
    return out;
  }

 private:
  bool fails_ = false, spf_only_ = false, forwarded_ = false;
  std::string other_dkim_, other_spf_, broken_, spf_error_;
};

void count_row(SourceSummary& into, const ReportRow& row, uint64_t count) {
  into.messages += count;
  if (row.dkim) into.dkim_aligned += count;
  if (row.spf) into.spf_aligned += count;
  if (row.dkim || row.spf) into.passed += count;
  add(into.dispositions, row.disposition.empty() ? "none" : row.disposition, count);
  for (const ReportReason& one : row.reasons) add(into.reasons, one.type + (one.comment.empty() ? "" : ": " + one.comment), count);
  add(into.from, row.header_from, count);
  for (const ReportDkim& one : row.signatures)
    add(into.signatures, "d=" + one.domain + (one.selector.empty() ? "" : " s=" + one.selector) + ": " + one.result, count);
  if (!row.spf_result.empty()) add(into.spf, row.spf_domain + ": " + row.spf_result, count);
}

std::string policy_line(const ReportPolicy& policy) {
  std::string out = policy.domain + " p=" + (policy.p.empty() ? "none" : policy.p);
  std::pair<const char*, const std::string&> more[] = {
      {"sp", policy.sp}, {"np", policy.np}, {"adkim", policy.adkim}, {"aspf", policy.aspf}, {"t", policy.testing}};
  for (const auto& [name, value] : more)
    if (!value.empty()) (out += std::string(" ") + name + "=") += value;
  return printable(out, 500);
}

std::string of_all(uint64_t part, uint64_t whole) { return part == whole ? "all" : part == 0 ? "none" : std::to_string(part); }

void add_source(std::string& out, const SourceSummary& one) {
  auto line = [&](const char* name, const std::string& text) {
    if (!text.empty()) out += std::string(name) + ": " + text + "\n";
  };
  line("source", printable(one.address, 60) + ": " + std::to_string(one.messages) + " messages, " + of_all(one.passed, one.messages) +
                     " pass; aligned by DKIM: " + of_all(one.dkim_aligned, one.messages) +
                     ", by SPF: " + of_all(one.spf_aligned, one.messages));
  line("  from", listed(one.from));
  line("  dkim", one.signatures.empty() ? "no signature" : listed(one.signatures));
  line("  spf", listed(one.spf));
  line("  disposition", listed(one.dispositions));
  line("  override", listed(one.reasons));
  for (const std::string& sentence : one.advice) line("  look", sentence);
}

ordered_json source_json(const SourceSummary& one) {
  ordered_json out{{"address", printable(one.address)},
                   {"messages", one.messages},
                   {"pass", one.passed},
                   {"dkim_aligned", one.dkim_aligned},
                   {"spf_aligned", one.spf_aligned}};
  std::pair<const char*, const std::map<std::string, uint64_t>&> parts[] = {
      {"from", one.from}, {"dkim", one.signatures}, {"spf", one.spf}, {"dispositions", one.dispositions}, {"overrides", one.reasons}};
  for (const auto& [name, names] : parts) {
    out[name] = ordered_json::object();
    for (const auto& [key, count] : names) out[name][printable(key)] = count;
  }
  out["look"] = one.advice;
  return out;
}

}  // namespace

ReportSummary summarise(const AggregateReport& report) {
  ReportSummary out;
  std::map<std::string, std::pair<SourceSummary, Advice>> sources;
  for (const auto& [row, count] : report.rows) {
    auto& [summary, advice] = sources[row.source];
    count_row(summary, row, count);
    advice.row(row);
    out.messages += count;
    if (row.dkim || row.spf) out.passed += count;
  }
  for (auto& [address, source] : sources) {
    source.first.address = address;
    source.first.advice = source.second.sentences(report.policy.domain);
    out.sources.push_back(std::move(source.first));
  }
  auto failed = [](const SourceSummary& one) { return one.messages - one.passed; };
  std::stable_sort(out.sources.begin(), out.sources.end(),
                   [&](const auto& a, const auto& b) { return failed(a) != failed(b) ? failed(a) > failed(b) : a.messages > b.messages; });
  return out;
}

std::string summary_text(const ReadReport& read, const std::string& name) {
  const AggregateReport& report = read.report;
  ReportSummary summary = summarise(report);
  std::string out;
  auto line = [&](const char* what, const std::string& text) { out += std::string(what) + ": " + text + "\n"; };
  if (!name.empty()) line("file", printable(name));
  line("report",
       printable(report.org) + ", " + printable(report.id) + ", from " + time_text(report.begin) + " to " + time_text(report.end));
  line("policy", policy_line(report.policy));
  line("messages", std::to_string(summary.messages) + ", of which " + std::to_string(summary.passed) + " pass and " +
                       std::to_string(summary.messages - summary.passed) + " fail");
  for (const std::string& one : report.errors) line("error", printable(one, 500));
  for (const std::string& one : read.problems) line("problem", printable(one, 500));
  if (read.problem_count > read.problems.size()) line("problem", std::to_string(read.problem_count - read.problems.size()) + " more");
  for (size_t i = 0; i < summary.sources.size() && i < kMostShown; ++i) add_source(out, summary.sources[i]);
  if (summary.sources.size() > kMostShown)
    line("source", std::to_string(summary.sources.size() - kMostShown) + " more addresses, which --json lists");
  return out;
}

ordered_json summary_json(const ReadReport& read, const std::string& name) {
  const AggregateReport& report = read.report;
  ReportSummary summary = summarise(report);
  ordered_json out{{"file", printable(name)},
                   {"organization", printable(report.org)},
                   {"email", printable(report.email)},
                   {"id", printable(report.id)},
                   {"begin", report.begin},
                   {"end", report.end},
                   {"domain", printable(report.policy.domain)},
                   {"policy", policy_line(report.policy)},
                   {"records", report.rows.size()},
                   {"messages", summary.messages},
                   {"pass", summary.passed}};
  out["errors"] = ordered_json::array();
  for (const std::string& one : report.errors) out["errors"].push_back(printable(one, 500));
  out["problems"] = read.problems;
  out["sources"] = ordered_json::array();
  for (const SourceSummary& one : summary.sources) out["sources"].push_back(source_json(one));
  return out;
}

}  // namespace mailauth
