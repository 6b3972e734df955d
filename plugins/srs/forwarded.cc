#include "srs/forwarded.h"

namespace srs {

namespace {

using common::Facts;
using common::Holds;

// Whether any of the rules holds. Later ones are not looked at while an earlier one is not decided.
Holds any_rule(const std::vector<std::unique_ptr<common::Conditions>>& rules, Facts& facts) {
  for (const auto& rule : rules) {
    Holds holds = rule->test(facts);
    if (holds != Holds::no) return holds;
  }
  return Holds::no;
}

// A client that may not send to anywhere brings no recipient elsewhere: a hook has put it there.
bool is_stranger(const Options& options, const vrd::View& view) {
  auto address = common::address_octets(view.text(VRD_ATTR_CLIENT_ADDRESS));
  return address && !common::any_matches(options.inside, *address);
}

bool is_redirected(const Options& options, const vrd::View& view, uint32_t recipient) {
  if (!options.redirected) return false;
  if (is_stranger(options, view)) return true;
  std::string_view original = view.text(VRD_ATTR_RECIPIENT_ORIGINAL, recipient);
  return !original.empty() && options.ours(original.substr(original.rfind('@') + 1));
}

Holds is_forwarded(const Options& options, Facts& facts, uint32_t recipient) {
  std::string_view domain = facts.view.text(VRD_ATTR_RECIPIENT_DOMAIN, recipient);
  if (domain.empty() || options.ours(domain)) return Holds::no;
  facts.recipient = recipient;
  Holds spared = any_rule(options.except, facts);
  if (spared != Holds::no) return spared == Holds::yes ? Holds::no : spared;
  return is_redirected(options, facts.view, recipient) ? Holds::yes : any_rule(options.forward, facts);
}

}  // namespace

bool from_elsewhere(const Options& options, const vrd::View& view) {
  std::string_view domain = view.text(VRD_ATTR_SENDER_DOMAIN);
  return !view.has(VRD_ATTR_AUTH_ACCOUNT) && !view.text(VRD_ATTR_SENDER).empty() && !domain.empty() && !options.ours(domain);
}

Parted part(const Options& options, const vrd::View& view, common::Answers& answers) {
  Parted out;
  common::Budget budget;
  Facts facts(view, VRD_STAGE_MESSAGE, answers, budget);
  for (uint32_t i = 0; i < view.recipients(); ++i) {
    Holds holds = is_forwarded(options, facts, i);
    if (holds == Holds::unknown) out.waits = true;
    else if (holds == Holds::failed) out.failed = true;
    else (holds == Holds::yes ? out.forwarded : out.others).push_back(i);
  }
  out.why = facts.why;
  return out;
}

}  // namespace srs
