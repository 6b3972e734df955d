// header: adds, removes and rewrites header fields, and leaves notes, by rules. All rules that match are applied, in order, at the end of
// the message. The hook runs on loop threads, one Shard a loop; rules are read once and then only read.
#include <veredus/plugin.hpp>

#include "common/conditions.hpp"
#include "common/decide.hpp"
#include "header/field_list.hpp"
#include "header/template.hpp"

namespace {

using namespace common;
using header::FieldList;
using header::Template;

constexpr const char* kUndecided = "A rule of this site cannot be decided for now, try again later";

void check_name(const vrd::Conf& conf) {
  const std::string_view name = conf.text();
  const bool fits = std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f && c != ':'; });
  if (!fits) conf.refuse("'" + std::string(name) + "' is not the name of a header field");
}

std::string name_of(const vrd::Conf& record) {
  check_name(record["name"]);
  return std::string(record.text("name"));
}

/** One rule. Immutable. */
class Rule {
 public:
  Rule(const vrd::Conf& conf, Tables& tables, size_t number)
      : name(conf["name"] ? std::string(conf.text("name")) : "header rule " + std::to_string(number)), conditions_(conf, tables) {
    if (!is_printable(name)) conf["name"].refuse("the name of a rule is printable ASCII");
    for (const vrd::Conf& one : conf.list("remove")) check_name(one), remove_.emplace_back(one.text());
    for (const vrd::Conf& one : conf.list("remove_matching")) remove_matching_.push_back({name_of(one), made<Regex>(one["matches"]), {}});
    for (const vrd::Conf& one : conf.list("replace")) replace_.push_back(replacement(one));
    for (const vrd::Conf& one : conf.list("set")) set_.push_back({name_of(one), made<Template>(one["value"]), false});
    for (const vrd::Conf& one : conf.list("add")) add_.push_back({name_of(one), made<Template>(one["value"]), one.choice("position") == 0});
    read_notes(conf["note"], conf);
  }

  Holds test(Facts& facts) const { return conditions_.test(facts); }

  /** False when it cannot be done, with the reason in the facts. */
  bool apply(Facts& facts, FieldList& fields, std::vector<std::pair<std::string, std::string>>& notes) const {
    facts.why = "a regular expression needs too many steps";
    for (const std::string& one : remove_) fields.remove(one);
    for (const Expression& one : remove_matching_)
      if (!fields.remove_matching(one.name, one.regex, facts.budget)) return false;
    for (const Expression& one : replace_)
      if (!fields.replace(one.name, one.regex, one.with, facts.budget)) return false;
    for (const Value& one : set_)
      if (const std::string value = one.value.fill(facts.view); !value.empty()) fields.set(one.name, value);
    for (const Value& one : add_)
      if (const std::string value = one.value.fill(facts.view); !value.empty()) fields.add(one.name, value, one.on_top);
    for (const auto& [key, value] : notes_) notes.emplace_back(key, value.fill(facts.view));
    facts.why = "more header fields would be changed than is reasonable";
    return !fields.is_full();
  }

  const std::string name;

 private:
  struct Expression {
    std::string name;
    Regex regex;
    std::string with;
  };
  struct Value {
    std::string name;
    Template value;
    bool on_top;
  };

  static Expression replacement(const vrd::Conf& conf) {
    Expression out{name_of(conf), made<Regex>(conf["matches"]), std::string(conf.text("with"))};
    if (!is_printable(out.with)) conf["with"].refuse("a replacement is printable ASCII; write other text as an encoded word, =?utf-8?...?=");
    for (size_t at = 0; (at = out.with.find('\\', at)) != out.with.npos; at += 2) {
      const char digit = at + 1 < out.with.size() ? out.with[at + 1] : '\0';
      if (digit > '0' && digit <= '9' && static_cast<uint32_t>(digit - '0') > out.regex.groups())
        conf["with"].refuse(std::string("\\") + digit + ": the expression has no such group");
    }
    return out;
  }

  void read_notes(const vrd::Conf& map, const vrd::Conf& conf) {
    if (!map) return;
    for (const auto& [key, value] : conf.map("note")) {
      const bool fits = !key.empty() && key.size() <= 64 && key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == key.npos;
      if (!fits) map.refuse("the key of a note is 1 to 64 of a-z, 0-9, '.', '_' and '-': '" + key + "'");
      try {
        notes_.emplace_back(key, Template(value));
      } catch (const std::invalid_argument& error) {
        map.refuse(key + ": " + error.what());
      }
    }
  }

  Conditions conditions_;
  std::vector<std::string> remove_;
  std::vector<Expression> remove_matching_, replace_;
  std::vector<Value> set_, add_;
  std::vector<std::pair<std::string, Template>> notes_;
};

class Header : public vrd::Plugin<> {
 public:
  explicit Header(vrd::Setup& setup)
      : Plugin(setup),
        changed(setup.counter("changed_total", "Header fields added, replaced or removed")),
        undecided(setup.counter("undecided_total", "Answers 451 because a table or an expression gave none")) {
    Tables tables(setup);
    size_t number = 0;
    for (const vrd::Conf& rule : setup.conf.list("rules")) rules_.push_back(std::make_unique<Rule>(rule, tables, ++number));
  }

  const std::vector<std::unique_ptr<Rule>>& rules() const { return rules_; }
  const vrd::Metric changed, undecided;

  struct Shard : vrd::ShardOf<Header> {
    using ShardOf::ShardOf;

    vrd::Verdict on_message(vrd::Call& call) {
      if (plugin.rules().empty()) return vrd::next();
      return decide(host, call, [this](const vrd::View& view, Answers& answers) { return walk(view, answers); });
    }

   private:
    using Notes = std::vector<std::pair<std::string, std::string>>;

    std::optional<Decision> walk(const vrd::View& view, Answers& answers) {
      Budget budget;
      Facts facts(view, VRD_STAGE_MESSAGE, answers, budget);
      std::vector<const Rule*> matching;
      bool waits = false;
      for (const auto& rule : plugin.rules()) {
        const Holds holds = rule->test(facts);
        if (holds == Holds::failed) return cannot_decide(*rule, facts);
        waits = waits || holds == Holds::unknown;
        if (holds == Holds::yes) matching.push_back(rule.get());
      }
      if (waits) return std::nullopt;
      if (matching.empty()) return Decision{vrd::next(), {}};
      return apply(matching, facts);
    }
    std::optional<Decision> apply(const std::vector<const Rule*>& matching, Facts& facts) {
      const auto fields = std::make_shared<FieldList>(facts.view);
      Notes notes;
      for (const Rule* rule : matching)
        if (!rule->apply(facts, *fields, notes)) return cannot_decide(*rule, facts);
      if (fields->is_changed()) plugin.changed.add(static_cast<int64_t>(fields->changes()));
      return Decision{vrd::next(), [fields, notes = std::move(notes)](vrd::Edits& edits) {
                        fields->apply(edits);
                        for (const auto& [key, value] : notes) edits.note(key, value);
                      }};
    }
    Decision cannot_decide(const Rule& rule, const Facts& facts) {
      plugin.undecided.add();
      host.warning("undecided", {{"rule", rule.name}, {"reason", facts.why}}, facts.view);
      return {vrd::tempfail("4.3.0", kUndecided).rule(rule.name), {}};
    }
  };

 private:
  std::vector<std::unique_ptr<Rule>> rules_;
};

constexpr vrd::About kAbout{"header", "1.0", "Apache-2.0", "Adds, removes and rewrites header fields by rules"};

#define VALUE_DOC " It may have {client} {client_name} {helo} {sender} {recipient} {id} {account} {tenant} {note:KEY} {header:NAME} in it."
constexpr vrd_setting kSettings[] = {
    vrd::setting("rules", VRD_SETTING_RECORD, "[]", nullptr, "Rules in order. All that match are applied, each to what those before it left.", VRD_SETTING_LIST),
    vrd::setting("rules[].name", VRD_SETTING_TEXT, nullptr, "1..100", "Name of the rule, for the log. Default: header rule N."),
    COMMON_CONDITION_SETTINGS("rules[]."),
    vrd::setting("rules[].remove", VRD_SETTING_TEXT, nullptr, "1..76", "Names of fields to remove.", VRD_SETTING_LIST),
    vrd::setting("rules[].remove_matching", VRD_SETTING_RECORD, nullptr, nullptr, "Fields to remove if their value matches.", VRD_SETTING_LIST),
    vrd::setting("rules[].remove_matching[].name", VRD_SETTING_TEXT, nullptr, "1..76", "Name of the field.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].remove_matching[].matches", VRD_SETTING_TEXT, nullptr, "1..1024", "Regular expression.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].replace", VRD_SETTING_RECORD, nullptr, nullptr, "Fields to rewrite.", VRD_SETTING_LIST),
    vrd::setting("rules[].replace[].name", VRD_SETTING_TEXT, nullptr, "1..76", "Name of the field.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].replace[].matches", VRD_SETTING_TEXT, nullptr, "1..1024", "Regular expression; each match in the value is replaced.",
                 VRD_SETTING_REQUIRED),
    vrd::setting("rules[].replace[].with", VRD_SETTING_TEXT, nullptr, "0..500", "What stands there then; \\1 is the first group.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].set", VRD_SETTING_RECORD, nullptr, nullptr, "Fields to have exactly once.", VRD_SETTING_LIST),
    vrd::setting("rules[].set[].name", VRD_SETTING_TEXT, nullptr, "1..76", "Name of the field.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].set[].value", VRD_SETTING_TEXT, nullptr, "1..500", "Its value." VALUE_DOC, VRD_SETTING_REQUIRED),
    vrd::setting("rules[].add", VRD_SETTING_RECORD, nullptr, nullptr, "Fields to add.", VRD_SETTING_LIST),
    vrd::setting("rules[].add[].name", VRD_SETTING_TEXT, nullptr, "1..76", "Name of the field.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].add[].value", VRD_SETTING_TEXT, nullptr, "1..500", "Its value." VALUE_DOC, VRD_SETTING_REQUIRED),
    vrd::setting("rules[].add[].position", VRD_SETTING_CHOICE, "bottom", "top|bottom", "Above all fields, or below them."),
    vrd::setting("rules[].note", VRD_SETTING_MAP, nullptr, nullptr, "Notes for later stages and other plugins: { KEY: VALUE }."),
};

constexpr vrd::Hook kHooks[] = {
    vrd::hook<&Header::Shard::on_message>(VRD_STAGE_MESSAGE, {.may = VRD_MAY_HEADERS | VRD_MAY_NOTES, .needs = VRD_NEED_CONTENT}),
};

}  // namespace

VEREDUS_PLUGIN(Header, kAbout, kSettings, kHooks)
