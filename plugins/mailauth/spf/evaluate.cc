// check_spf(): from the domain to its record, from term to term, through `include` and `redirect` (RFC 7208 4 to 6).
#include <algorithm>

#include "mailauth/spf/check.h"

namespace mailauth {

namespace spf {

namespace {

constexpr size_t kMostRecordOctets = 65'536;  // of all records of a check: their reading holds the loop up

Outcome ends(SpfResult result, std::string problem) { return Outcome{result, {}, std::move(problem)}; }

// A record as text, or why there is none.
struct Found {
  std::string text;
  std::optional<Outcome> failed;
};

Found failed(Check& check, const Place& place, Outcome outcome) {
  check.tell(place, "", outcome.problem);
  Found out;
  out.failed = std::move(outcome);
  return out;
}

vrd::Task<Found> find_record(Check& check, const Place& place) {
  vrd::DnsResult answer = co_await check.dns.ask(place.domain, VRD_DNS_TXT);
  if (is_failure(answer)) co_return failed(check, place, ends(SpfResult::temperror, failed_look_up("TXT", place.domain, answer.status)));
  Found out;
  size_t count = 0;
  for (vrd::DnsRecord& record : answer.records) {
    if (record.type != VRD_DNS_TXT || !is_record(record.text)) continue;
    if (++count == 1) out.text = std::move(record.text);
  }
  if (count == 0) co_return failed(check, place, ends(SpfResult::none, place.domain + (answer.nxdomain ? " does not exist" : " publishes no SPF record")));
  if (count > 1) co_return failed(check, place, ends(SpfResult::permerror, place.domain + " publishes " + std::to_string(count) + " SPF records; there must be one"));
  check.record_octets += out.text.size();
  if (check.record_octets > kMostRecordOctets) co_return failed(check, place, ends(SpfResult::permerror, "the records of this check have more than 64 KiB"));
  check.tell(place, "", "the record is: " + out.text.substr(0, 1000));
  co_return out;
}

Outcome too_many(Check& check, const Place& place, std::string_view term) {
  std::string text = "more than " + std::to_string(check.limits.lookups) + " terms ask DNS; '" + std::string(term.substr(0, 80)) + "' of " + place.domain + " is one too many";
  check.tell(place, term, text);
  return ends(SpfResult::permerror, std::move(text));
}

vrd::Task<Outcome> evaluate(Check& check, Place place);

// What the included record says: only its pass matches (RFC 7208 5.2).
vrd::Task<Match> match_include(Check& check, const Term& term, const Place& place) {
  Match out;
  std::optional<std::string> name = co_await name_of(check, term.domain, place);
  if (!name) {
    out.failed = ends(SpfResult::permerror, "'" + std::string(term.text.substr(0, 80)) + "' of " + place.domain + " gives no domain name");
    co_return out;
  }
  Place inner{*name, place.depth + 1};
  Outcome outcome = co_await evaluate(check, inner);
  if (outcome.result == SpfResult::none) outcome = ends(SpfResult::permerror, place.domain + " includes " + *name + ", but " + outcome.problem);
  bool error = outcome.result == SpfResult::temperror || outcome.result == SpfResult::permerror;
  out.matches = outcome.result == SpfResult::pass;
  if (check.tells()) check.tell(place, term.text, *name + " says " + std::string(spf_word(outcome.result)) + (error ? ": the check ends" : out.matches ? ": match" : ": no match"));
  if (error) out.failed = std::move(outcome);
  co_return out;
}

// The first term that matches decides. Nothing: none does.
vrd::Task<std::optional<Outcome>> run_terms(Check& check, const Record& record, const Place& place) {
  for (const Term& term : record.terms) {
    if (term.asks_dns() && !check.may_look_up()) co_return too_many(check, place, term.text);
    Match match;
    if (term.mechanism == Mechanism::include) match = co_await match_include(check, term, place);
    else match = co_await match_term(check, term, place);
    if (match.failed) co_return std::move(match.failed);
    if (match.matches) co_return Outcome{term.qualifier, std::string(term.text), {}};
  }
  co_return std::nullopt;
}

std::string printable(std::string text, size_t most) {
  if (text.size() > most) text.resize(most);
  bool good = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; });
  return good ? text : std::string();
}

// The text that a domain gives to what it refuses. Every problem with it means: none (RFC 7208 6.2).
vrd::Task<std::string> explain(Check& check, std::string_view spec, const Place& place) {
  std::optional<std::string> name = co_await name_of(check, spec, place);
  if (!name) co_return std::string();
  vrd::DnsResult found = co_await check.dns.ask(*name, VRD_DNS_TXT);
  std::erase_if(found.records, [](const vrd::DnsRecord& record) { return record.type != VRD_DNS_TXT; });
  if (!found.ok() || found.records.size() != 1) co_return std::string();
  const std::string text = std::move(found.records[0].text);
  if (!macro_problem(text, MacroUse::explanation).empty()) co_return std::string();
  std::string validated;
  if (wants_validated_name(text)) validated = co_await validated_name(check, place.domain);
  std::optional<std::string> out = expanded(text, check.values(place.domain, validated), 65'536);
  co_return printable(out.value_or(""), check.limits.explanation);
}

// One record up to its end. The text of a redirect's target is left in `next`.
vrd::Task<Outcome> evaluate_record(Check& check, const Place& place, std::string text, std::string& next) {
  Record record = read_record(text);
  if (!record.problem.empty()) {
    check.tell(place, "", "the record has an error: " + record.problem);
    co_return ends(SpfResult::permerror, "the record of " + place.domain + " has an error: " + record.problem);
  }
  std::optional<Outcome> decided = co_await run_terms(check, record, place);
  if (decided) {
    bool wanted = decided->result == SpfResult::fail && place.depth == 0 && !record.exp.empty();
    if (wanted) check.answer.explanation = co_await explain(check, record.exp, place);
    co_return std::move(*decided);
  }
  if (record.redirect.empty()) co_return Outcome{SpfResult::neutral, "default", {}};
  if (!check.may_look_up()) co_return too_many(check, place, "redirect=" + std::string(record.redirect));
  std::optional<std::string> target = co_await name_of(check, record.redirect, place);
  if (!target) co_return ends(SpfResult::permerror, "the redirect of " + place.domain + " gives no domain name");
  check.tell(place, "redirect=" + std::string(record.redirect), "no term has matched: on with the record of " + *target);
  next = std::move(*target);
  co_return Outcome{};
}

vrd::Task<Outcome> evaluate(Check& check, Place place) {
  for (bool redirected = false;; redirected = true) {
    Found found = co_await find_record(check, place);
    if (found.failed) {
      Outcome outcome = std::move(*found.failed);
      if (redirected && outcome.result == SpfResult::none) outcome = ends(SpfResult::permerror, "a redirect leads to " + place.domain + ", but " + outcome.problem);
      co_return outcome;
    }
    std::string next;
    Outcome outcome = co_await evaluate_record(check, place, std::move(found.text), next);
    if (next.empty()) co_return outcome;
    place.domain = std::move(next);
  }
}

// Why a domain is not asked for at all (RFC 7208 4.3); empty: it is.
std::string not_checked(const Check& check) {
  const std::string& domain = check.answer.domain;
  if (!check.good_client) return "the address of the client is not known";
  if (domain.find('.') == domain.npos) return "'" + domain.substr(0, 64) + "' is no fully qualified domain name";
  size_t begin = 0;
  bool good = domain.size() <= 253;
  for (size_t i = 0; i <= domain.size(); ++i) {
    char c = i < domain.size() ? domain[i] : '.';
    bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c == '.') good = good && i > begin && i - begin <= 63, begin = i + 1;
    else good = good && letter;
  }
  return good ? std::string() : "'" + domain.substr(0, 64) + "' is no valid domain name";
}

}  // namespace

}  // namespace spf

vrd::Task<SpfAnswer> check_spf(Dns& dns, SpfQuery query, SpfLimits limits) {
  SpfAnswer answer;
  spf::Check check(dns, query, limits, answer);
  spf::Outcome outcome;
  outcome.problem = spf::not_checked(check);
  if (outcome.problem.empty()) {
    spf::Place place{answer.domain, 0};
    outcome = co_await spf::evaluate(check, place);
  }
  if (outcome.result != SpfResult::fail) answer.explanation.clear();
  answer.result = outcome.result;
  answer.mechanism = std::move(outcome.mechanism);
  answer.problem = std::move(outcome.problem);
  co_return answer;
}

}  // namespace mailauth
