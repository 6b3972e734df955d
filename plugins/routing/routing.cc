// routing: says by rules where recipients go: next hops, source pool, tenant, stream, priority, on a copy of their own if wanted. And it
// is a router: next hops from a table when a message is routed. Hooks and the service run on loop threads, one Shard a loop; rules are
// read once and then only read.
#include <veredus/plugin.hpp>

#include "common/decide.hpp"
#include "routing/plan.hpp"

namespace {

using namespace common;
using routing::Plan;
using routing::Rule;
using routing::Target;

constexpr const char* kUndecided = "The route of a recipient cannot be found for now, try again later";

vrd::Verdict refusal(const Target& target, const std::string& rule) {
  if (target.refusal == 5) return vrd::reject(target.reply.enhanced, target.reply.text).rule(rule);
  return vrd::tempfail(target.reply.enhanced, target.reply.text).rule(rule);
}

class Routing : public vrd::Plugin<> {
 public:
  explicit Routing(vrd::Setup& setup)
      : Plugin(setup),
        routed(setup.counter("routed_total", "Recipients that a rule gave a route or fields")),
        refused(setup.counter("refused_total", "Recipients that a table refuses or defers")),
        undecided(setup.counter("undecided_total", "Answers 451 because a table or an expression gave none, or a table no next hop")) {
    Tables tables(setup);
    size_t number = 0;
    for (const vrd::Conf& rule : setup.conf.list("rules")) rules_.push_back(std::make_unique<Rule>(rule, tables, ++number));
    if (const vrd::Conf router = setup.conf["router"]) {
      key_.emplace(router["table"], tables);
      try {
        missing_ = Target::parse(router.text("missing"));
      } catch (const std::invalid_argument& error) {
        router["missing"].refuse(error.what());
      }
    }
  }

  const std::vector<std::unique_ptr<Rule>>& rules() const { return rules_; }
  const std::optional<TableKey>& key() const { return key_; }
  const Target& missing() const { return missing_; }
  const vrd::Metric routed, refused, undecided;

  struct Shard : vrd::ShardOf<Routing>, vrd::RouterProvider {
    using ShardOf::ShardOf;
    vrd::Verdict on_rcpt(vrd::Call& call) { return at(VRD_STAGE_RCPT, call); }
    vrd::Verdict on_headers(vrd::Call& call) { return at(VRD_STAGE_HEADERS, call); }
    vrd::Verdict on_message(vrd::Call& call) { return at(VRD_STAGE_MESSAGE, call); }

    /** svc.router */
    void route(const vrd::View& message, vrd::RouterAnswer answer) override {
      if (!plugin.key()) {
        host.error("no_router", {{"reason", "a route names this plugin as its router, but it has no setting `router`"}}, message);
        (void)answer.refuse(451, "No router is configured, try again later");
        return;
      }
      auto job = std::make_shared<Asked>(Asked{message.keep(), std::move(answer), {}});
      go_on(job);
    }

   private:
    /** A recipient whose route is looked up. */
    struct Asked {
      vrd::KeptView view;
      vrd::RouterAnswer answer;
      Answers answers;
    };

    vrd::Verdict at(uint32_t stage, vrd::Call& call) {
      const bool has_rules = std::any_of(plugin.rules().begin(), plugin.rules().end(), [&](const auto& rule) { return rule->stage == stage; });
      if (!has_rules) return vrd::next();
      return decide(host, call, [this, stage](const vrd::View& view, Answers& answers) { return walk(stage, view, answers); });
    }
    std::optional<Decision> walk(uint32_t stage, const vrd::View& view, Answers& answers) {
      Budget budget;
      Facts facts(view, stage, answers, budget);
      const auto plan = std::make_shared<Plan>(plugin.rules(), facts);
      if (plan->failed() != nullptr) return cannot_decide(*plan->failed(), facts);
      if (plan->waits()) return std::nullopt;
      if (const auto* match = plan->refused()) {
        plugin.refused.add();
        return Decision{refusal(match->target, match->rule->name), {}};
      }
      if (plan->empty()) return Decision{vrd::next(), {}};
      plugin.routed.add(static_cast<int64_t>(plan->size()));
      return Decision{vrd::next(), [plan](vrd::Edits& edits) { plan->apply(edits); }};
    }
    Decision cannot_decide(const Rule& rule, const Facts& facts) {
      plugin.undecided.add();
      host.warning("undecided", {{"rule", rule.name}, {"stage", stage_name(facts.stage)}, {"reason", facts.why}}, facts.view);
      return {vrd::tempfail("4.3.0", kUndecided).rule(rule.name), {}};
    }

    void go_on(const std::shared_ptr<Asked>& job) {
      Budget budget;
      Facts facts(job->view, VRD_STAGE_RCPT, job->answers, budget);
      Target target = plugin.missing();
      const Holds holds = plugin.key()->look_up(facts, [&](const std::string* value) { return read_target(value, target, facts); });
      if (holds == Holds::unknown) return job->answers.fetch(host, kLookUp, [this, job] { go_on(job); });
      if (holds == Holds::failed || !facts.why.empty()) {
        plugin.undecided.add();
        host.warning("undecided", {{"rule", "router"}, {"reason", facts.why}}, job->view);
        (void)job->answer.fail(VRD_E_TEMPORARY);
      } else if (target.refusal != 0) {
        plugin.refused.add();
        (void)job->answer.refuse(target.refusal == 5 ? 550 : 450, target.reply.text);
      } else {
        plugin.routed.add();
        (void)job->answer.route(target.hops);
      }
    }
  };

 private:
  std::vector<std::unique_ptr<Rule>> rules_;
  std::optional<TableKey> key_;
  Target missing_;
};

constexpr vrd::About kAbout{"routing", "1.0", "Apache-2.0", "Chooses next hops, pools, tenants and priorities by rules and tables"};

constexpr vrd_setting kSettings[] = {
    vrd::setting("rules", VRD_SETTING_RECORD, "[]", nullptr, "Rules in order. Of each stage the first that matches a recipient holds for it.", VRD_SETTING_LIST),
    vrd::setting("rules[].name", VRD_SETTING_TEXT, nullptr, "1..100", "Name of the rule, for log and reports. Default: routing rule N."),
    COMMON_CONDITION_SETTINGS("rules[]."),
    COMMON_STAGE_SETTING("rules[]."),
    vrd::setting("rules[].to", VRD_SETTING_TEXT, nullptr, "1..1024",
                 "Next hops in order of fail-over; within one, a bar balances and a star gives a weight: smtp://a|smtp://b*3.", VRD_SETTING_LIST),
    vrd::setting("rules[].table", VRD_SETTING_RECORD, nullptr, nullptr, "A table that has the next hops, or `reject TEXT` or `defer TEXT`; without the key the rule does not match."),
    vrd::setting("rules[].table.name", VRD_SETTING_TABLE, nullptr, nullptr, "The table.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].table.key", VRD_SETTING_CHOICE, "recipient", COMMON_TABLE_KEYS, "What is looked up."),
    vrd::setting("rules[].pool", VRD_SETTING_TEXT, nullptr, "1..64", "Source pool of the message."),
    vrd::setting("rules[].tenant", VRD_SETTING_TEXT, nullptr, "1..64", "Tenant of the message."),
    vrd::setting("rules[].stream", VRD_SETTING_TEXT, nullptr, "1..64", "Stream of the message."),
    vrd::setting("rules[].priority", VRD_SETTING_INT, nullptr, "0..100", "Priority of the message, 100 first."),
    vrd::setting("rules[].split", VRD_SETTING_BOOL, "false", nullptr, "Gives the recipients that match a copy of their own, which alone gets the fields."),
    vrd::setting("router", VRD_SETTING_RECORD, nullptr, nullptr, "What to answer when routes name this plugin as their router."),
    vrd::setting("router.table", VRD_SETTING_RECORD, nullptr, nullptr, "The table that is asked.", VRD_SETTING_REQUIRED),
    vrd::setting("router.table.name", VRD_SETTING_TABLE, nullptr, nullptr, "The table.", VRD_SETTING_REQUIRED),
    vrd::setting("router.table.key", VRD_SETTING_CHOICE, "recipient", COMMON_TABLE_KEYS, "What is looked up."),
    vrd::setting("router.missing", VRD_SETTING_TEXT, "mx", "1..1024", "What holds for keys that the table does not have, written as its values."),
};

using S = Routing::Shard;
constexpr uint32_t kMay = VRD_MAY_ROUTE | VRD_MAY_FIELDS;
constexpr vrd::Hook kHooks[] = {
    vrd::hook<&S::on_rcpt>(VRD_STAGE_RCPT, {.may = kMay}),
    vrd::hook<&S::on_headers>(VRD_STAGE_HEADERS, {.may = kMay, .needs = VRD_NEED_CONTENT}),
    vrd::hook<&S::on_message>(VRD_STAGE_MESSAGE, {.may = kMay | VRD_MAY_SPLIT, .needs = VRD_NEED_CONTENT}),
};

}  // namespace

VEREDUS_PLUGIN(Routing, kAbout, kSettings, kHooks)
