// The order: what the domain asks for → is there a reason to do less → what the settings make of it.
#include "judge.h"

#include <algorithm>

namespace dmarc {

namespace {

using mailauth::AuthorState;
using mailauth::DmarcAnswer;
using mailauth::DmarcPolicy;
using mailauth::policy_word;
constexpr size_t kMostSignatures = 20, kLongestReason = 200;

std::string printable(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, kLongestReason)) out += c >= ' ' && c < 0x7F ? c : '?';
  return out;
}

void apply(Judgement& out, Action action, const std::string& rule, const std::string& text) {
  out.told = action != Action::accept;
  if (action == Action::accept || action == Action::mark) return;
  out.deed = action == Action::reject ? Deed::reject : action == Action::hold ? Deed::hold : Deed::tempfail;
  out.rule = rule;
  out.status = action == Action::tempfail ? "4.7.1" : "5.7.1";
  out.text = printable(text);
}

// A domain that speaks for the client or the message and is a known forwarder's.
std::string forwarder_of(const Facts& facts, const Options& options) {
  auto address = common::address_octets(facts.client);
  if (address && common::any_matches(options.forwarders, *address)) return facts.client;
  auto known = [&](const std::string& domain) {
    return !domain.empty() && common::any_matches(options.forwarder_domains, common::lowered(domain));
  };
  if (known(facts.client_name)) return facts.client_name;
  for (const auto& one : facts.input.spf)
    if (one.result == "pass" && known(one.domain)) return one.domain;
  for (const auto& one : facts.input.dkim)
    if (one.result == "pass" && known(one.domain)) return one.domain;
  return {};
}

// Why less is done than the domain asks for; nothing: there is no reason.
std::vector<mailauth::ReportReason> excuse(const DmarcAnswer& answer, const Facts& facts, const Options& options) {
  if (std::string forwarder = forwarder_of(facts, options); !forwarder.empty()) return {{"trusted_forwarder", printable(forwarder)}};
  if (options.arc && !facts.sealer.empty()) return {{"local_policy", printable("arc=pass, sealed by " + facts.sealer)}};
  if (common::any_matches(options.exempt, answer.author)) return {{"local_policy", "mail in the name of this domain is exempt here"}};
  if (!options.enforce) return {{"local_policy", "policies are not enforced here"}};
  return {};
}

void judge_failure(const DmarcAnswer& answer, const Facts& facts, const Options& options, Judgement& out) {
  out.wanted = policy_word(answer.disposition);
  if (answer.testing) out.reasons.push_back({"policy_test_mode", ""});
  if (answer.disposition == DmarcPolicy::none) return;
  auto excuses = excuse(answer, facts, options);
  bool excused = !excuses.empty();
  out.reasons.insert(out.reasons.end(), excuses.begin(), excuses.end());
  if (excused) {
    if (options.enforce)
      out.reason = excuses.front().type == "trusted_forwarder" ? "forwarded by " + excuses.front().comment : excuses.front().comment;
    return;
  }
  bool reject = answer.disposition == DmarcPolicy::reject;
  Action action = reject ? options.actions.reject : options.actions.quarantine;
  out.disposition = action == Action::reject ? "reject" : action == Action::hold ? "quarantine" : "none";
  if (out.disposition != out.wanted) out.reasons.push_back({"local_policy", ""});
  apply(out, action, out.wanted,
        "mail in the name of " + answer.author + " is not taken from here: it fails DMARC, and its domain's policy is " + out.wanted);
}

}  // namespace

bool needs_check(const mailauth::Author& author) { return author.state == AuthorState::one || author.state == AuthorState::several; }

Judgement judge_author(const mailauth::Author& author, const Options& options) {
  Judgement out;
  out.reason = printable(author.problem);
  if (author.state == AuthorState::literal) {
    out.result = "none";
    out.told = options.actions.none != Action::accept;
    return out;
  }
  out.result = "permerror";
  apply(out, options.actions.bad_from, "from",
        "a message has exactly one From field with an address that can be read (DMARC): " + author.problem);
  return out;
}

Judgement judge(const DmarcAnswer& answer, const Facts& facts, const Options& options) {
  Judgement out;
  out.result = answer.result;
  out.properties.emplace_back("header.from", answer.author);
  bool known = answer.result == "pass" || answer.result == "fail";
  if (known) out.properties.emplace_back("policy.dmarc", policy_word(answer.effective));
  if (answer.result == "temperror" || answer.result == "permerror") out.reason = printable(answer.problem);
  const Options::Actions& actions = options.actions;
  if (answer.result == "fail") {
    apply(out, actions.fail, "", "");
    judge_failure(answer, facts, options, out);
  }
  if (answer.result == "pass") apply(out, actions.pass, "", "");
  if (answer.result == "pass" && answer.effective != DmarcPolicy::none) out.disposition = "pass";
  if (answer.result == "none") apply(out, actions.none, "none", "the domain " + answer.author + " has no DMARC policy");
  if (answer.result == "permerror") apply(out, actions.permerror, "permerror", "the DMARC policy of " + answer.author + " cannot be read");
  if (answer.result == "temperror")
    apply(out, actions.temperror, "temperror", "the DMARC policy of " + answer.author + " cannot be found out now");
  return out;
}

mailauth::ReportRow row_of(const DmarcAnswer& answer, const Facts& facts, const Judgement& judgement, const std::string& sender_domain) {
  mailauth::ReportRow out;
  out.source = facts.client;
  out.disposition = judgement.disposition;
  out.dkim = answer.dkim_aligned;
  out.spf = answer.spf_aligned;
  out.reasons = judgement.reasons;
  out.header_from = answer.author;
  out.envelope_from = sender_domain;
  auto add = [&](size_t i) {
    const auto& one = facts.input.dkim[i];
    if (out.signatures.size() < kMostSignatures) out.signatures.push_back({one.domain, one.selector, one.result});
  };
  auto is_aligned = [&](size_t i) {
    return std::find(answer.aligned_dkim.begin(), answer.aligned_dkim.end(), i) != answer.aligned_dkim.end();
  };
  auto rank = [&](size_t i) {  // the order of RFC 9990
    const auto& one = facts.input.dkim[i];
    if (one.result != "pass") return 3;
    return !is_aligned(i) ? 2 : one.domain == answer.author ? 0 : 1;
  };
  for (int wanted = 0; wanted < 4; ++wanted)
    for (size_t i = 0; i < facts.input.dkim.size(); ++i)
      if (rank(i) == wanted) add(i);
  if (facts.input.spf.empty()) return out;
  out.spf_domain = facts.input.spf.front().domain;
  out.spf_result = facts.input.spf.front().result;
  return out;
}

mailauth::ReportPolicy policy_of(const DmarcAnswer& answer) {
  mailauth::ReportPolicy out;
  const mailauth::DmarcRecord& record = *answer.policy_at.record;
  out.domain = answer.policy_at.domain;
  out.p = policy_word(record.p);
  out.sp = policy_word(record.sp.value_or(record.p));
  out.np = policy_word(record.np.value_or(record.sp.value_or(record.p)));
  out.adkim = record.strict_dkim ? "s" : "r";
  out.aspf = record.strict_spf ? "s" : "r";
  out.fo = record.fo;
  out.testing = record.testing ? "y" : "n";
  out.method = answer.method;
  return out;
}

}  // namespace dmarc
