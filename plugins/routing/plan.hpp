// The rules of routing, and what they say of the recipients of one message. Rules are immutable; a Plan lives for one decision on a loop.
#ifndef VEREDUS_PLUGINS_ROUTING_PLAN_HPP
#define VEREDUS_PLUGINS_ROUTING_PLAN_HPP

#include "common/conditions.hpp"
#include "routing/next_hop.hpp"

namespace routing {

/** What a table has for a recipient. False: it has nothing. A row that is no target says why in `facts`. */
inline bool read_target(const std::string* value, Target& target, common::Facts& facts) {
  if (value == nullptr) return false;
  try {
    target = Target::parse(*value);
  } catch (const std::invalid_argument& error) {
    facts.why = error.what();
  }
  return true;
}

class Rule {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Rule(const vrd::Conf& conf, common::Tables& tables, size_t number)
      : name(conf["name"] ? std::string(conf.text("name")) : "routing rule " + std::to_string(number)),
        split(conf.flag("split")),
        conditions_(conf, tables),
        stage(stage_of(conf, tables)) {
    if (!common::is_printable(name)) conf["name"].refuse("the name of a rule is printable ASCII");
    if (conf["to"] && conf["table"]) conf["table"].refuse("a rule has `to` or `table`, not both");
    read_to(conf);
    for (const char* field : {"tenant", "stream", "pool", "priority"}) {
      if (!conf[field]) continue;
      if (!common::is_printable(conf.text(field))) conf[field].refuse("this is printable ASCII");
      fields.emplace_back(field, conf[field].text());
    }
    if (!key_ && to_.hops.empty() && fields.empty() && !split) conf.refuse("a rule that does nothing: there is no to, table, pool, tenant, stream, priority or split");
  }

  /** Whether it holds, with the target: empty when the rule has fields only. */
  common::Holds test(common::Facts& facts, Target& target) const {
    const common::Holds holds = conditions_.test(facts);
    if (holds == common::Holds::no || holds == common::Holds::failed || !key_) return target = to_, holds;
    const common::Holds found = key_->look_up(facts, [&](const std::string* value) { return read_target(value, target, facts); });
    if (found != common::Holds::yes) return found;
    return facts.why.empty() ? holds : common::Holds::failed;
  }

  const std::string name;
  const bool split;

 private:
  common::Conditions conditions_;
  std::optional<common::TableKey> key_;

  uint32_t stage_of(const vrd::Conf& conf, common::Tables& tables) {
    uint32_t earliest = split ? VRD_STAGE_MESSAGE : VRD_STAGE_RCPT;
    if (conf["table"]) key_.emplace(conf["table"], tables);
    if (key_) earliest = std::max(earliest, key_->stage());
    const uint32_t out = conditions_.stage(conf["stage"], earliest);
    if (out == VRD_STAGE_DATA) conf["stage"].refuse("routes are chosen at rcpt, headers or message");
    return out;
  }
  void read_to(const vrd::Conf& conf) {
    std::string all;
    for (const vrd::Conf& one : conf.list("to")) {
      try {
        all += (all.empty() ? "" : ",") + next_hops(one.text());
        to_.hops = next_hops(all);
      } catch (const std::invalid_argument& error) {
        one.refuse(error.what());
      }
    }
  }
  Target to_;

 public:
  const uint32_t stage;
  Fields fields;
};

/** Which rule holds for which recipient. At rcpt there is one. A recipient that has a next hop already is left alone. */
class Plan {
 public:
  struct Match {
    const Rule* rule;
    uint32_t recipient;
    Target target;
  };

  Plan(const std::vector<std::unique_ptr<Rule>>& rules, common::Facts& facts) : total_(facts.view.recipients()) {
    const bool one = facts.stage == VRD_STAGE_RCPT;
    const auto first = one ? static_cast<uint32_t>(facts.view.number(VRD_ATTR_RECIPIENT_INDEX)) : 0;
    for (uint32_t i = first; i < (one ? first + 1 : total_) && failed_ == nullptr; i++) {
      if (!one) facts.recipient = i;
      const std::string_view chosen = one ? facts.view.text(VRD_ATTR_RECIPIENT_NEXT_HOP) : facts.view.text(VRD_ATTR_RECIPIENT_NEXT_HOP, i);
      if (chosen.empty()) match(rules, facts, i);
    }
    if (!matches_.empty()) remember(facts.view);
  }

  bool waits() const { return waits_; }
  const Rule* failed() const { return failed_; }
  bool empty() const { return matches_.empty(); }
  size_t size() const { return matches_.size(); }
  /** The first recipient that a table refuses: at rcpt that one is refused, later the message. */
  const Match* refused() const {
    const auto found = std::find_if(matches_.begin(), matches_.end(), [](const Match& one) { return one.target.refusal != 0; });
    return found == matches_.end() ? nullptr : &*found;
  }

  void apply(vrd::Edits& edits) const {
    for (const Match& one : matches_)
      if (!one.target.hops.empty()) edits.set_route(one.recipient, one.target.hops);
    uint32_t left = total_;
    // Copies first: a field that is set before a split would stay with all.
    for (const bool copies : {true, false})
      for (const Rule* rule : rules_)
        if (rule->split == copies) apply(edits, *rule, left);
    if (!matches_.empty()) edits.rule(matches_.front().rule->name);
  }

 private:
  void match(const std::vector<std::unique_ptr<Rule>>& rules, common::Facts& facts, uint32_t recipient) {
    for (const auto& rule : rules) {
      if (rule->stage != facts.stage) continue;
      Target target;
      const common::Holds holds = rule->test(facts, target);
      if (holds == common::Holds::no) continue;
      if (holds == common::Holds::failed) failed_ = rule.get();
      if (holds == common::Holds::unknown) waits_ = true;
      if (holds != common::Holds::yes) return;
      if (std::find(rules_.begin(), rules_.end(), rule.get()) == rules_.end()) rules_.push_back(rule.get());
      matches_.push_back({rule.get(), recipient, std::move(target)});
      return;
    }
  }
  void remember(const vrd::View& view) {
    for (const auto& [name, attribute] : {std::pair{"tenant", VRD_ATTR_TENANT}, {"stream", VRD_ATTR_STREAM}, {"pool", VRD_ATTR_POOL}})
      before_.emplace_back(name, view.text(attribute));
    before_.emplace_back("priority", std::to_string(view.number(VRD_ATTR_PRIORITY)));
  }
  void apply(vrd::Edits& edits, const Rule& rule, uint32_t& left) const {
    for (const auto& [field, value] : rule.fields) edits.set_field(field, value);
    if (!rule.split) return;
    std::vector<uint32_t> own;
    for (const Match& one : matches_)
      if (one.rule == &rule) own.push_back(one.recipient);
    if (own.size() >= left) return;  // the last ones keep the first message
    edits.split(own);
    left -= static_cast<uint32_t>(own.size());
    for (const auto& [field, value] : before_)
      if (std::any_of(rule.fields.begin(), rule.fields.end(), [&](const auto& one) { return one.first == field; })) edits.set_field(field, value);
  }

  uint32_t total_;
  std::vector<Match> matches_;
  std::vector<const Rule*> rules_;
  Rule::Fields before_;
  bool waits_ = false;
  const Rule* failed_ = nullptr;
};

}  // namespace routing
#endif
