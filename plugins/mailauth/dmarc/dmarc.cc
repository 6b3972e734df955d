// From results to one answer. DNS is asked about identifiers only that lie within the author's organisational domain: others cannot align.
#include "mailauth/dmarc/dmarc.h"

#include <algorithm>

namespace mailauth {

namespace {

constexpr size_t kMostIdentifiers = 100;

bool within(std::string_view name, std::string_view above) {
  return name == above || (name.size() > above.size() && name.ends_with(above) && name[name.size() - above.size() - 1] == '.');
}

// Whether identifiers align with one author domain.
class Alignment {
 public:
  Alignment(Discovery& discovery, std::string author) : discovery_(discovery), author_(std::move(author)) {}
  enum class State { yes, no, unknown };

  vrd::Task<State> of(std::string identifier, bool strict) {
    std::string name = domain_of(identifier);
    if (name == author_) co_return State::yes;
    if (strict || name.empty()) co_return State::no;
    OrgDomain ours = co_await discovery_.org_domain(author_);
    org = ours.domain;
    if (ours.failed) co_return State::unknown;
    if (!within(name, ours.domain)) co_return State::no;
    OrgDomain theirs = co_await discovery_.org_domain(name);
    if (theirs.failed) co_return State::unknown;
    co_return theirs.domain == ours.domain ? State::yes : State::no;
  }
  std::string org;

 private:
  Discovery& discovery_;
  std::string author_;
};

// What came of all identifiers.
struct Seen {
  bool unknown = false;  // one may align, but DNS does not tell
};

vrd::Task<void> look(Alignment& alignment, std::string domain, std::string result, bool strict, bool* aligned, Seen* seen) {
  if (result != "pass" && result != "temperror") co_return;
  Alignment::State state = co_await alignment.of(std::move(domain), strict);
  if (state == Alignment::State::unknown) seen->unknown = true;
  if (state != Alignment::State::yes) co_return;
  if (result == "pass") *aligned = true;
  else seen->unknown = true;
}

vrd::Task<Seen> align(Discovery& discovery, const DmarcInput& input, DmarcAnswer* answer) {
  Alignment alignment(discovery, answer->author);
  Seen seen;
  const DmarcRecord& record = *answer->policy_at.record;
  for (size_t i = 0; i < input.spf.size() && i < kMostIdentifiers; ++i)
    co_await look(alignment, input.spf[i].domain, input.spf[i].result, record.strict_spf, &answer->spf_aligned, &seen);
  for (size_t i = 0; i < input.dkim.size() && i < kMostIdentifiers; ++i) {
    bool aligned = false;
    co_await look(alignment, input.dkim[i].domain, input.dkim[i].result, record.strict_dkim, &aligned, &seen);
    if (!aligned) continue;
    answer->dkim_aligned = true;
    answer->aligned_dkim.push_back(i);
  }
  answer->org = alignment.org;
  co_return seen;
}

DmarcPolicy milder(DmarcPolicy policy) { return policy == DmarcPolicy::reject ? DmarcPolicy::quarantine : DmarcPolicy::none; }

vrd::Task<void> choose_policy(Discovery& discovery, DmarcAnswer* answer) {
  const DmarcRecord& record = *answer->policy_at.record;
  answer->policy = record.p;
  if (answer->policy_at.domain == answer->author) co_return;
  DmarcPolicy below = record.sp.value_or(record.p);
  answer->policy = below;
  if (record.sp) answer->tag = "sp";
  if (answer->result != "fail" || !record.np || *record.np == below) co_return;
  Discovery::Exists exists = co_await discovery.exists(answer->author);
  if (exists == Discovery::Exists::unknown) {
    answer->result = "temperror";
    answer->problem = "DNS does not tell whether " + answer->author + " exists, on which its policy depends";
  }
  if (exists != Discovery::Exists::no) co_return;
  answer->policy = *record.np;
  answer->tag = "np";
}

bool without_policy(DmarcAnswer& answer) {
  const RecordAt& at = answer.policy_at;
  if (at.failed) answer.result = "temperror", answer.problem = at.problem;
  else if (!at.record) answer.problem = at.problem.empty() ? "there is no DMARC record for " + answer.author : at.problem;
  else if (!at.record->usable)
    answer.result = "permerror",
    answer.problem = "the DMARC record at _dmarc." + at.domain + " has a policy that cannot be read, and no address for reports";
  else return false;
  return true;
}

vrd::Task<DmarcAnswer> check_one(Discovery& discovery, const DmarcInput& input, std::string author) {
  DmarcAnswer out;
  out.author = author;
  out.method = discovery.method();
  out.policy_at = co_await discovery.policy_for(author);
  if (without_policy(out)) co_return out;
  Seen seen = co_await align(discovery, input, &out);
  if (out.spf_aligned || out.dkim_aligned) out.result = "pass";
  else out.result = seen.unknown ? "temperror" : "fail";
  if (out.result == "temperror") out.problem = "a name or a key that may speak for " + author + " cannot be looked up now";
  if (out.result == "fail") out.problem = "neither SPF nor DKIM passes for a domain that is aligned with " + author;
  co_await choose_policy(discovery, &out);
  bool fails = out.result == "fail", tests = out.policy_at.record->testing;
  out.effective = tests ? milder(out.policy) : out.policy;
  out.testing = fails && tests && out.policy != DmarcPolicy::none;
  if (fails) out.disposition = out.effective;
  co_return out;
}

// The worse, the higher.
int badness(const DmarcAnswer& answer) {
  constexpr std::string_view kOrder[] = {"pass", "none", "permerror", "temperror", "fail"};
  auto place = std::find(std::begin(kOrder), std::end(kOrder), answer.result) - std::begin(kOrder);
  return static_cast<int>(place) * 4 + static_cast<int>(answer.disposition);
}

}  // namespace

vrd::Task<DmarcAnswer> check_dmarc(Dns& dns, DmarcInput input, DmarcOptions options) {
  Discovery discovery(dns, options.list);
  DmarcAnswer worst;
  worst.method = discovery.method();
  if (input.authors.empty()) worst.problem = "the message has no author domain";
  size_t most = std::min(input.authors.size(), options.most_authors);
  for (size_t i = 0; i < most; ++i) {
    DmarcAnswer one = co_await check_one(discovery, input, input.authors[i]);
    if (i == 0 || badness(one) > badness(worst)) worst = std::move(one);
  }
  if (input.authors.size() > most && worst.result == "pass") {
    worst.result = "permerror";
    worst.problem = "the From field has addresses of too many domains";
  }
  co_return worst;
}

}  // namespace mailauth
