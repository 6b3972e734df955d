// access: accepts, refuses, defers, holds or discards mail by rules of client, envelope, header, size, notes and tables. Each rule is
// decided at one stage; at each stage the first rule that matches decides. Hooks run on loop threads, one Shard a loop; rules are read
// once and then only read.
#include <veredus/plugin.hpp>

#include "common/conditions.hpp"
#include "common/decide.hpp"
#include "common/reply_text.hpp"

namespace {

using namespace common;

constexpr const char* kActions[] = {"accept", "reject", "defer", "hold", "discard", "next", nullptr};
enum Action : size_t { accept, reject, defer, hold, discard, next };
#define ACCESS_ACTIONS "accept|reject|defer|hold|discard|next"

constexpr const char* kRefusal = "Not accepted by the rules of this site; its postmaster can say why";
constexpr const char* kDeferral = "Not accepted for now, try again later";
constexpr const char* kUndecided = "A rule of this site cannot be decided for now, try again later";

/** One rule. Immutable. */
class Rule {
 public:
  Rule(const vrd::Conf& conf, Tables& tables, size_t number)
      : conditions_(conf, tables), action(static_cast<Action>(conf.choice("action"))), stage(conditions_.stage(conf["stage"])) {
    name = conf["name"] ? std::string(conf.text("name")) : "access rule " + std::to_string(number);
    if (!is_printable(name)) conf["name"].refuse("the name of a rule is printable ASCII");
    if ((action == hold || action == discard) && stage < VRD_STAGE_MAIL)
      conf["action"].refuse("there is no message yet at stage " + std::string(stage_name(stage)) + "; add `stage: mail`");
    read_reply(conf);
    read_scope(conf);
  }

  Holds test(Facts& facts) const { return conditions_.test(facts); }

  vrd::Verdict verdict() const {
    switch (action) {
      case accept: return vrd::accept().scope(scope_).rule(name);
      case reject: return vrd::reject(reply_.enhanced, reply_.text, code_).rule(name);
      case defer: return vrd::tempfail(reply_.enhanced, reply_.text, code_).rule(name);
      case hold: return vrd::hold().rule(name);
      case discard: return vrd::discard().rule(name);
      case next: break;
    }
    return vrd::next();
  }

 private:
  Conditions conditions_;

 public:
  const Action action;
  const uint32_t stage;
  std::string name;

 private:
  void read_reply(const vrd::Conf& conf) {
    const bool answers = action == reject || action == defer;
    for (const char* key : {"reply", "code"})
      if (conf[key] && !answers) conf[key].refuse("only reject and defer have a reply");
    if (!answers) return;
    code_ = static_cast<uint32_t>(conf.number("code"));
    const uint32_t digit = action == reject ? 5 : 4;
    if (conf["code"] && code_ / 100 != digit) conf["code"].refuse("the code of this action is " + std::to_string(digit) + "00 to " + std::to_string(digit) + "99");
    try {
      reply_ = reply_text(conf["reply"] ? conf.text("reply") : action == reject ? kRefusal : kDeferral, static_cast<char>('0' + digit), "7.1");
    } catch (const std::invalid_argument& error) {
      conf["reply"].refuse(error.what());
    }
  }

  void read_scope(const vrd::Conf& conf) {
    constexpr int32_t kScopes[] = {VRD_SCOPE_STEP, VRD_SCOPE_TRANSACTION, VRD_SCOPE_CONNECTION};
    if (conf["scope"] && action != accept) conf["scope"].refuse("only accept has a scope");
    if (conf["scope"]) scope_ = kScopes[conf.choice("scope")];
    else if (stage < VRD_STAGE_MAIL) scope_ = VRD_SCOPE_CONNECTION;
    else if (stage == VRD_STAGE_RCPT) scope_ = VRD_SCOPE_STEP;
    else scope_ = VRD_SCOPE_TRANSACTION;
  }

  ReplyText reply_;
  uint32_t code_ = 0;
  int32_t scope_ = VRD_SCOPE_STEP;
};

class Access : public vrd::Plugin<> {
 public:
  explicit Access(vrd::Setup& setup)
      : Plugin(setup),
        decided(setup.metric(VRD_METRIC_COUNTER, "decided_total", "Rules that matched, by their action", "action", kActions)),
        undecided(setup.counter("undecided_total", "Answers 451 because a table or an expression gave none")) {
    Tables tables(setup);
    size_t number = 0;
    for (const vrd::Conf& rule : setup.conf.list("rules")) rules_.push_back(std::make_unique<Rule>(rule, tables, ++number));
  }

  const std::vector<std::unique_ptr<Rule>>& rules() const { return rules_; }
  const vrd::Metric decided, undecided;

  struct Shard : vrd::ShardOf<Access> {
    using ShardOf::ShardOf;
    vrd::Verdict on_connect(vrd::Call& call) { return at(VRD_STAGE_CONNECT, call); }
    vrd::Verdict on_helo(vrd::Call& call) { return at(VRD_STAGE_HELO, call); }
    vrd::Verdict on_mail(vrd::Call& call) { return at(VRD_STAGE_MAIL, call); }
    vrd::Verdict on_rcpt(vrd::Call& call) { return at(VRD_STAGE_RCPT, call); }
    vrd::Verdict on_data(vrd::Call& call) { return at(VRD_STAGE_DATA, call); }
    vrd::Verdict on_headers(vrd::Call& call) { return at(VRD_STAGE_HEADERS, call); }
    vrd::Verdict on_message(vrd::Call& call) { return at(VRD_STAGE_MESSAGE, call); }

   private:
    vrd::Verdict at(uint32_t stage, vrd::Call& call) {
      const bool has_rules = std::any_of(plugin.rules().begin(), plugin.rules().end(), [&](const auto& rule) { return rule->stage == stage; });
      if (!has_rules) return vrd::next();
      return decide(host, call, [this, stage](const vrd::View& view, Answers& answers) { return walk(stage, view, answers); });
    }
    std::optional<Decision> walk(uint32_t stage, const vrd::View& view, Answers& answers) {
      Budget budget;
      Facts facts(view, stage, answers, budget);
      for (const auto& rule : plugin.rules()) {
        const Holds holds = rule->stage == stage ? rule->test(facts) : Holds::no;
        if (holds == Holds::unknown) return std::nullopt;
        if (holds == Holds::failed) return Decision{cannot_decide(*rule, facts), {}};
        if (holds == Holds::no) continue;
        plugin.decided.add(1, static_cast<uint32_t>(rule->action));
        return Decision{rule->verdict(), {}};
      }
      return Decision{vrd::next(), {}};
    }
    vrd::Verdict cannot_decide(const Rule& rule, const Facts& facts) {
      plugin.undecided.add();
      host.warning("undecided", {{"rule", rule.name}, {"stage", stage_name(facts.stage)}, {"reason", facts.why}}, facts.view);
      return vrd::tempfail("4.3.0", kUndecided).rule(rule.name);
    }
  };

 private:
  std::vector<std::unique_ptr<Rule>> rules_;
};

constexpr vrd::About kAbout{"access", "1.0", "Apache-2.0", "Accepts, refuses, defers, holds or discards mail by rules"};

constexpr vrd_setting kSettings[] = {
    vrd::setting("rules", VRD_SETTING_RECORD, "[]", nullptr, "Rules in order. The first that matches at a stage decides there.", VRD_SETTING_LIST),
    vrd::setting("rules[].name", VRD_SETTING_TEXT, nullptr, "1..100", "Name of the rule, for log and reports. Default: access rule N."),
    COMMON_CONDITION_SETTINGS("rules[]."),
    COMMON_STAGE_SETTING("rules[]."),
    vrd::setting("rules[].action", VRD_SETTING_CHOICE, nullptr, ACCESS_ACTIONS, "What happens; next ends the rules of this stage without an opinion.",
                 VRD_SETTING_REQUIRED),
    vrd::setting("rules[].reply", VRD_SETTING_TEXT, nullptr, "1..400", "Text of the reply of reject and defer; it may begin with a status: 5.7.26 ..."),
    vrd::setting("rules[].code", VRD_SETTING_INT, nullptr, "400..599", "Reply code. Default: that of the stage, 550 or 451, at connect 554 or 421."),
    vrd::setting("rules[].scope", VRD_SETTING_CHOICE, nullptr, "step|transaction|connection",
                 "For how long accept spares later plugins. Default: connection at connect and helo, step at rcpt, else transaction."),
};

using S = Access::Shard;
constexpr vrd::Hook kHooks[] = {
    vrd::hook<&S::on_connect>(VRD_STAGE_CONNECT), vrd::hook<&S::on_helo>(VRD_STAGE_HELO), vrd::hook<&S::on_mail>(VRD_STAGE_MAIL),
    vrd::hook<&S::on_rcpt>(VRD_STAGE_RCPT),       vrd::hook<&S::on_data>(VRD_STAGE_DATA),
    vrd::hook<&S::on_headers>(VRD_STAGE_HEADERS, {.needs = VRD_NEED_CONTENT}),
    vrd::hook<&S::on_message>(VRD_STAGE_MESSAGE, {.needs = VRD_NEED_CONTENT}),
};

}  // namespace

VEREDUS_PLUGIN(Access, kAbout, kSettings, kHooks)
