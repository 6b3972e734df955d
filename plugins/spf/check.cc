// A check told to a colleague: the verdict first, then the way there, then advice on what the domain publishes.
#include "check.h"

#include <algorithm>
#include <vector>

#include "mailauth/spf/record.h"
#include "words.h"

namespace spf {

namespace {

using mailauth::SpfAnswer;
using mailauth::SpfResult;
using mailauth::SpfStep;
using mailauth::spf::Mechanism;
using mailauth::spf::Record;
using mailauth::spf::Term;

constexpr size_t kMostAdvice = 20;
constexpr uint32_t kMostLookups = 10;

std::string explanation_of(const SpfAnswer& answer, const std::string& client) {
  if (!answer.explanation.empty()) return answer.explanation;
  return client + " may not send mail for " + answer.domain + " (SPF fail)";
}

std::string step_text(const SpfStep& step) {
  std::string out(2 * std::min(step.depth, 20u), ' ');
  out += step.domain + ": ";
  if (!step.term.empty()) out += step.term + ": ";
  return out + step.text;
}

std::string count_text(const SpfStep& step) { return " [look-ups " + std::to_string(step.lookups) + ", void " + std::to_string(step.void_lookups) + "]"; }

bool is_terms_end(const Term& term) { return term.mechanism == Mechanism::all; }

uint32_t dns_terms(const Record& record) {
  auto count = std::count_if(record.terms.begin(), record.terms.end(), [](const Term& term) { return term.asks_dns(); });
  return static_cast<uint32_t>(count) + (record.redirect.empty() ? 0 : 1);
}

// What a record that is valid still does wrong.
std::vector<std::string> warnings_of(const Record& record) {
  std::vector<std::string> out;
  auto all = std::find_if(record.terms.begin(), record.terms.end(), is_terms_end);
  bool has_all = all != record.terms.end();
  if (has_all && all->qualifier == SpfResult::pass) out.push_back("'" + std::string(all->text) + "' lets every host in the world send for the domain: end the record with -all or ~all");
  if (has_all && all + 1 != record.terms.end()) out.push_back("what stands behind '" + std::string(all->text) + "' is never looked at: remove it, or move it before it");
  if (has_all && !record.redirect.empty()) out.push_back("the redirect is never used, because '" + std::string(all->text) + "' always matches: remove one of them");
  if (!has_all && record.redirect.empty()) out.push_back("the record ends without 'all': other hosts are neutral, as if there were no record; add -all or ~all");
  bool ptr = std::any_of(record.terms.begin(), record.terms.end(), [](const Term& term) { return term.mechanism == Mechanism::ptr; });
  if (ptr) out.push_back("'ptr' is slow and many receivers skip it (RFC 7208 5.5): name the networks with ip4 and ip6 instead");
  if (dns_terms(record) > kMostLookups) out.push_back("more than 10 terms ask DNS: receivers answer permerror; write addresses with ip4 and ip6");
  for (const Term& term : record.terms)
    if (term.mechanism == Mechanism::ip4 && term.bits4 < 8 && term.qualifier == SpfResult::pass) out.push_back("'" + std::string(term.text) + "' is more than a 256th of the Internet");
  return out;
}

// A term that names something that is not there. `exists` often finds nothing: that is how it is meant.
bool is_dangling(const SpfStep& step) {
  size_t name = step.term.find_first_not_of("+-~?");
  bool hosts = name != std::string::npos && (step.term[name] == 'a' || step.term[name] == 'A' || step.term[name] == 'm' || step.term[name] == 'M');
  return hosts && step.text.ends_with(": a void look-up, no match");
}

std::vector<std::string> dangling(const SpfAnswer& answer) {
  std::vector<std::string> out;
  for (const SpfStep& step : answer.steps)
    if (is_dangling(step)) out.push_back(step.domain + ": '" + step.term + "' finds nothing for this client's kind of address: remove it or mend it; few such terms make the whole record permerror");
  return out;
}

// On the records that the steps show.
std::vector<std::string> advice_of(const SpfAnswer& answer) {
  constexpr std::string_view kShown = "the record is: ";
  std::vector<std::string> out = dangling(answer);
  for (const SpfStep& step : answer.steps) {
    if (!step.term.empty() || !step.text.starts_with(kShown) || step.depth > 0) continue;
    for (const std::string& one : advice_on(std::string_view(step.text).substr(kShown.size()))) out.push_back(step.domain + ": " + one);
  }
  if (answer.result == SpfResult::permerror) out.push_back(answer.domain + ": receivers may refuse all mail of the domain until this is mended");
  if (answer.result == SpfResult::temperror) out.push_back("ask again; if it stays so, look at the name servers of the name above");
  if (answer.result == SpfResult::none && answer.steps.size() == 1) out.push_back("if " + answer.domain + " sends mail, publish TXT \"v=spf1 mx -all\" with all of its senders; if it does not, \"v=spf1 -all\"");
  if (answer.lookups + 2 >= kMostLookups && answer.lookups <= kMostLookups) out.push_back("this check took " + std::to_string(answer.lookups) + " of 10 look-ups: what is added next may break the record");
  if (out.size() > kMostAdvice) out.resize(kMostAdvice);
  return out;
}

std::string line(const std::string& name, std::string_view text) { return name + ": " + common::printable(text, 1200) + "\n"; }

std::string counts(const SpfAnswer& answer, const mailauth::SpfLimits& limits) {
  return std::to_string(answer.lookups) + " of " + std::to_string(limits.lookups) + " terms that ask DNS, " + std::to_string(answer.void_lookups) + " of " + std::to_string(limits.void_lookups) + " void look-ups";
}

}  // namespace

std::string check_text(const SpfAnswer& answer, const std::string& client, const mailauth::SpfLimits& limits) {
  std::string out = std::string(spf_word(answer.result)) + "\n";
  if (answer.result == SpfResult::fail) out += line("explanation", explanation_of(answer, client));
  out += line("checked", answer.domain + " (" + (answer.identity == "helo" ? "HELO" : "MAIL FROM") + ") for " + client);
  if (!answer.mechanism.empty()) out += line("decided by", answer.mechanism == "default" ? "the end of the record: no term matches" : answer.mechanism);
  if (!answer.problem.empty()) out += line("problem", answer.problem);
  out += line("look-ups", counts(answer, limits));
  for (const SpfStep& step : answer.steps) out += line("step", step_text(step) + count_text(step));
  for (const std::string& one : advice_of(answer)) out += line("fix", one);
  return out;
}

std::string check_json(const SpfAnswer& answer, const std::string& client) {
  nlohmann::ordered_json out;
  out["result"] = spf_word(answer.result);
  if (answer.result == SpfResult::fail) out["explanation"] = explanation_of(answer, client);
  if (answer.result == SpfResult::fail) out["published_explanation"] = !answer.explanation.empty();
  out["domain"] = answer.domain;
  out["identity"] = answer.identity;
  out["ip"] = client;
  if (!answer.mechanism.empty()) out["mechanism"] = answer.mechanism;
  if (!answer.problem.empty()) out["problem"] = answer.problem;
  out["lookups"] = answer.lookups;
  out["void_lookups"] = answer.void_lookups;
  out["steps"] = nlohmann::ordered_json::array();
  for (const SpfStep& step : answer.steps)
    out["steps"].push_back({{"depth", step.depth}, {"domain", step.domain}, {"term", step.term}, {"text", step.text}, {"lookups", step.lookups}, {"void_lookups", step.void_lookups}});
  out["fix"] = advice_of(answer);
  return out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

std::vector<std::string> advice_on(std::string_view text) {
  Record record = mailauth::spf::read_record(text);
  return record.problem.empty() ? warnings_of(record) : std::vector<std::string>();
}

common::Report check_record(std::string_view text) {
  common::Report out;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  Record record = mailauth::spf::read_record(text);
  out.result(record.problem.empty() ? "valid" : "invalid");
  if (!record.problem.empty()) return out.line("problem", record.problem);
  out.line("look-ups", std::to_string(dns_terms(record)) + " terms ask DNS, besides what includes and redirects ask; 10 are the most");
  for (const std::string& one : warnings_of(record)) out.line("warning", one);
  return out;
}

}  // namespace spf
