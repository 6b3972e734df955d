// What is done with mail that passes, fails, or cannot be judged; what is told of it; excuses.
#include <doctest/doctest.h>

#include "judge.h"

using namespace dmarc;
using mailauth::AuthorState;
using mailauth::DmarcPolicy;

namespace {

mailauth::DmarcAnswer answer_of(const char* result, DmarcPolicy policy, bool testing = false) {
  mailauth::DmarcAnswer out;
  out.result = result;
  out.author = "a.test";
  out.policy_at.domain = "a.test";
  out.policy_at.record = mailauth::read_dmarc_record("v=DMARC1; p=reject; rua=mailto:r@a.test");
  out.policy = policy;
  if (out.result == "fail") out.disposition = policy;
  out.effective = policy;
  if (testing) out.effective = out.disposition = policy == DmarcPolicy::reject ? DmarcPolicy::quarantine : DmarcPolicy::none;
  out.testing = testing;
  out.problem = "because";
  return out;
}

Options enforcing() {
  Options out;
  out.enforce = true;
  return out;
}

std::string reasons_of(const Judgement& judgement) {
  std::string out;
  for (const auto& one : judgement.reasons) out += (out.empty() ? "" : " ") + one.type;
  return out;
}

}  // namespace

TEST_CASE("without enforcing nothing is refused, and the report says why") {
  Judgement out = judge(answer_of("fail", DmarcPolicy::reject), {}, {});
  CHECK(out.deed == Deed::next);
  CHECK(out.wanted == "reject");
  CHECK(out.disposition == "none");
  CHECK(reasons_of(out) == "local_policy");
  CHECK(out.properties == std::vector<std::pair<std::string, std::string>>{{"header.from", "a.test"}, {"policy.dmarc", "reject"}});
}

TEST_CASE("enforcing: reject is refused, quarantine held, none passes") {
  Judgement reject = judge(answer_of("fail", DmarcPolicy::reject), {}, enforcing());
  CHECK(reject.deed == Deed::reject);
  CHECK(reject.disposition == "reject");
  CHECK(reject.status == "5.7.1");
  CHECK(reject.text.find("a.test") != std::string::npos);
  CHECK(reject.text.find("DMARC") != std::string::npos);
  CHECK(reject.reasons.empty());
  Judgement quarantine = judge(answer_of("fail", DmarcPolicy::quarantine), {}, enforcing());
  CHECK(quarantine.deed == Deed::hold);
  CHECK(quarantine.disposition == "quarantine");
  Judgement none = judge(answer_of("fail", DmarcPolicy::none), {}, enforcing());
  CHECK(none.deed == Deed::next);
  CHECK(none.reasons.empty());
}

TEST_CASE("milder and stricter settings are told in the report") {
  Options options = enforcing();
  options.actions.reject = Action::hold;
  options.actions.quarantine = Action::mark;
  Judgement held = judge(answer_of("fail", DmarcPolicy::reject), {}, options),
            marked = judge(answer_of("fail", DmarcPolicy::quarantine), {}, options);
  CHECK(held.deed == Deed::hold);
  CHECK(held.disposition == "quarantine");
  CHECK(reasons_of(held) == "local_policy");
  CHECK(marked.deed == Deed::next);
  CHECK(marked.disposition == "none");
  CHECK(reasons_of(marked) == "local_policy");
}

TEST_CASE("testing") {
  Judgement out = judge(answer_of("fail", DmarcPolicy::reject, true), {}, enforcing());
  CHECK(out.deed == Deed::hold);
  CHECK(reasons_of(out) == "policy_test_mode");
  out = judge(answer_of("fail", DmarcPolicy::quarantine, true), {}, enforcing());
  CHECK(out.deed == Deed::next);
  CHECK(reasons_of(out) == "policy_test_mode");
}

TEST_CASE("excuses: forwarders, trusted seals, exempt domains") {
  Options options = enforcing();
  options.forwarders.emplace_back("192.0.2.0/24");
  options.forwarder_domains.emplace_back(".list.test");
  options.exempt.emplace_back("b.test");
  auto deed = [&](const Facts& facts) { return judge(answer_of("fail", DmarcPolicy::reject), facts, options); };
  Facts by_address, by_name, by_spf, by_dkim, failed, sealed;
  by_address.client = "192.0.2.7";
  by_name.client_name = "mx.List.test";
  by_spf.input.spf = {{"a.list.test", "pass"}};
  by_dkim.input.dkim = {{"x.list.test", "s", "pass"}};
  failed.input.dkim = {{"x.list.test", "s", "fail"}};
  failed.input.spf = {{"a.list.test", "softfail"}};
  sealed.sealer = "list.test";
  for (const Facts& facts : {by_address, by_name, by_spf, by_dkim}) {
    CHECK(deed(facts).deed == Deed::next);
    CHECK(reasons_of(deed(facts)) == "trusted_forwarder");
    CHECK(deed(facts).disposition == "none");
  }
  CHECK(deed(failed).deed == Deed::reject);
  CHECK(deed(sealed).deed == Deed::next);
  CHECK(deed(sealed).reasons[0].comment == "arc=pass, sealed by list.test");
  options.arc = false;
  CHECK(deed(sealed).deed == Deed::reject);
  options.arc = true;
  mailauth::DmarcAnswer other = answer_of("fail", DmarcPolicy::reject);
  other.author = "b.test";
  CHECK(judge(other, {}, options).deed == Deed::next);
}

TEST_CASE("mail that cannot be judged") {
  Options options = enforcing();
  CHECK(judge(answer_of("temperror", DmarcPolicy::none), {}, options).deed == Deed::next);
  CHECK(judge(answer_of("temperror", DmarcPolicy::none), {}, options).reason == "because");
  options.actions.temperror = Action::tempfail;
  CHECK(judge(answer_of("temperror", DmarcPolicy::none), {}, options).deed == Deed::tempfail);
  CHECK(judge(answer_of("permerror", DmarcPolicy::none), {}, options).deed == Deed::next);
  CHECK(judge(answer_of("none", DmarcPolicy::none), {}, options).deed == Deed::next);
}

TEST_CASE("every result has its action, and what is accepted is not told") {
  Options options;
  CHECK(judge(answer_of("none", DmarcPolicy::none), {}, options).told);
  options.actions.none = options.actions.permerror = Action::reject;
  options.actions.pass = options.actions.fail = Action::accept;
  CHECK(judge(answer_of("none", DmarcPolicy::none), {}, options).deed == Deed::reject);
  CHECK(judge(answer_of("permerror", DmarcPolicy::none), {}, options).deed == Deed::reject);
  CHECK_FALSE(judge(answer_of("pass", DmarcPolicy::none), {}, options).told);
  CHECK_FALSE(judge(answer_of("fail", DmarcPolicy::none), {}, options).told);
  options.enforce = true;
  Judgement refused = judge(answer_of("fail", DmarcPolicy::reject), {}, options);
  CHECK(refused.told);
  CHECK(refused.deed == Deed::reject);
}

TEST_CASE("From fields") {
  Options options;
  mailauth::Author author;
  for (AuthorState state : {AuthorState::absent, AuthorState::repeated, AuthorState::no_address, AuthorState::unreadable}) {
    author.state = state;
    options.actions.bad_from = Action::reject;
    CHECK_FALSE(needs_check(author));
    CHECK(judge_author(author, options).deed == Deed::reject);
    CHECK(judge_author(author, options).result == "permerror");
    options.actions.bad_from = Action::mark;
    CHECK(judge_author(author, options).deed == Deed::next);
  }
  author.state = AuthorState::literal;
  options.actions.bad_from = Action::reject;
  CHECK(judge_author(author, options).deed == Deed::next);
  CHECK(judge_author(author, options).result == "none");
}

TEST_CASE("rows and policies of reports") {
  mailauth::DmarcAnswer answer = answer_of("pass", DmarcPolicy::reject);
  answer.dkim_aligned = true;
  answer.aligned_dkim = {1, 3};
  Facts facts;
  facts.client = "192.0.2.1";
  facts.input.dkim = {{"z.test", "1", "fail"}, {"x.a.test", "2", "pass"}, {"z.test", "3", "pass"}, {"a.test", "4", "pass"}};
  facts.input.spf = {{"b.test", "pass"}};
  Judgement judgement = judge(answer, facts, {});
  CHECK(judgement.disposition == "pass");
  mailauth::ReportRow row = row_of(answer, facts, judgement, "b.test");
  REQUIRE(row.signatures.size() == 4);
  CHECK(row.signatures[0].selector == "4");
  CHECK(row.signatures[1].selector == "2");
  CHECK(row.signatures[2].selector == "3");
  CHECK(row.signatures[3].selector == "1");
  CHECK(row.dkim);
  CHECK_FALSE(row.spf);
  CHECK(row.spf_result == "pass");
  mailauth::ReportPolicy policy = policy_of(answer);
  CHECK(policy.p == "reject");
  CHECK(policy.np == "reject");
  CHECK(policy.testing == "n");
}
