// One function a key of `expect`.
#include "expect.h"

#include <algorithm>
#include <map>

#include "picture.h"

namespace veredus::ptest {

namespace {

struct Asking {
  const YAML::Node& wanted;
  const Seen& seen;
  Bench& bench;
  const Session& session;
};

using Problem = std::string;  // empty: none

std::string shown(const YAML::Node& node) {
  YAML::Emitter out;
  out << YAML::Flow << node;
  return out.good() ? out.c_str() : "?";
}

std::string shown(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& each : list) out += (out.empty() ? "[" : ", ") + ("\"" + each + "\"");
  return out.empty() ? "nothing" : out + "]";
}

Problem differs(const std::string& what, const std::string& expected, const std::string& came) {
  return "expected " + what + " " + (expected.empty() ? "none" : expected) + ", came " + (came.empty() ? "none" : came);
}

std::vector<std::string> texts(const YAML::Node& node) {
  std::vector<std::string> out;
  if (node.IsScalar()) out.push_back(node.Scalar());
  if (node.IsSequence())
    for (const auto& each : node) out.push_back(each.IsScalar() ? each.Scalar() : "");
  return out;
}

Problem plain(const char* what, const YAML::Node& wanted, const std::string& came) {
  std::string expected = wanted.IsScalar() ? wanted.Scalar() : "";
  bool fits = expected.empty() ? came.empty() : text_fits(expected, came);
  return fits ? "" : differs(what, expected, came);
}

Problem verdict(const Asking& a) {
  std::string came = a.seen.waiting ? "pending" : !a.seen.outcome ? "none" : std::string(action_name(a.seen.outcome->action));
  std::string expected = a.wanted.Scalar() == "accept" ? "ok" : a.wanted.Scalar();
  std::string more = a.seen.outcome && !a.seen.outcome->reply().empty() ? came + " (" + a.seen.outcome->reply() + ")" : came;
  if (a.seen.outcome && !a.seen.outcome->fault.empty()) more += " after a fault: " + a.seen.outcome->fault;
  return expected == came ? "" : differs("verdict", expected, more);
}

Problem scope(const Asking& a) {
  constexpr const char* kNames[] = {"step", "transaction", "connection"};
  return plain("scope", a.wanted, a.seen.outcome ? kNames[std::clamp(a.seen.outcome->scope, 0, 2)] : "");
}

Problem reply(const Asking& a) {
  std::string came = a.seen.outcome ? a.seen.outcome->reply() : "", expected = a.wanted.Scalar();
  bool begins = came.starts_with(expected) && (came.size() == expected.size() || came[expected.size()] == ' ');
  return begins || text_fits(expected, came) ? "" : differs("reply", expected, came);
}

Problem text(const Asking& a) { return plain("text", a.wanted, a.seen.outcome ? a.seen.outcome->text : ""); }
Problem rule(const Asking& a) { return plain("rule", a.wanted, a.seen.outcome ? a.seen.outcome->rule : ""); }
Problem fault(const Asking& a) { return plain("fault", a.wanted, a.seen.outcome ? a.seen.outcome->fault : ""); }

std::vector<std::string> edits_of(const Asking& a) {
  std::vector<std::string> out;
  if (a.seen.outcome)
    for (const Edit& edit : a.seen.outcome->edits)
      if (edit.kind != EditKind::reply && edit.kind != EditKind::rule) out.push_back(edit_text(edit));
  return out;
}

// All of them in order.
Problem same_list(const char* what, const std::vector<std::string>& wanted, const std::vector<std::string>& came) {
  bool same = wanted.size() == came.size() && std::equal(wanted.begin(), wanted.end(), came.begin(), text_fits);
  return same ? "" : differs(what, shown(wanted), shown(came));
}

// Each of them somewhere.
Problem among(const char* what, const std::vector<std::string>& wanted, const std::vector<std::string>& came) {
  for (const std::string& each : wanted)
    if (std::none_of(came.begin(), came.end(), [&](const std::string& one) { return text_fits(each, one); })) return differs(what, each, shown(came));
  return "";
}

Problem edits(const Asking& a) { return same_list("edits", texts(a.wanted), edits_of(a)); }
Problem edits_include(const Asking& a) { return among("edits", texts(a.wanted), edits_of(a)); }

Problem header(const Session& session, const std::string& name, const YAML::Node& wanted) {
  std::vector<std::string> came;
  for (size_t i = 0; i < session.header_count(name); ++i) came.push_back(session.header_text(name, i));
  if (wanted.IsNull()) return came.empty() ? "" : differs("header " + name, "none", shown(came));
  if (wanted.IsSequence()) return same_list(("header " + name).c_str(), texts(wanted), came);
  return among(("header " + name).c_str(), texts(wanted), came);
}

Problem headers(const Asking& a) {
  for (const auto& entry : a.wanted)
    if (Problem found = header(a.session, entry.first.Scalar(), entry.second); !found.empty()) return found;
  return "";
}

Problem notes(const Asking& a) {
  for (const auto& entry : a.wanted) {
    auto found = a.session.notes.find(entry.first.Scalar());
    bool there = found != a.session.notes.end();
    if (entry.second.IsNull() && !there) continue;
    std::string came = there ? found->second : "";
    if (entry.second.IsNull() || !there) return differs("note " + entry.first.Scalar(), shown(entry.second), came);
    if (Problem problem = plain(("note " + entry.first.Scalar()).c_str(), entry.second, came); !problem.empty()) return problem;
  }
  return "";
}

Problem recipients(const Asking& a) {
  std::vector<std::string> came;
  for (size_t i = 0; i < a.session.recipients.size(); ++i) came.push_back(a.session.recipient_text(i));
  return same_list("recipients", texts(a.wanted), came);
}

Problem sender(const Asking& a) { return plain("sender", a.wanted, a.session.attr_text(VRD_ATTR_SENDER)); }

Problem attributes(const Asking& a) {
  for (const auto& entry : a.wanted) {
    const AttrInfo* info = attr_by_name(entry.first.Scalar());
    if (!info) continue;
    const Attrs& attrs = info->per_recipient && a.session.recipient < a.session.recipients.size() ? a.session.recipients[a.session.recipient] : a.session.attrs;
    auto found = attrs.find(info->id);
    if (Problem problem = plain(info->name, entry.second, found == attrs.end() ? "" : found->second.text); !problem.empty()) return problem;
  }
  return "";
}

std::string without_cr(std::string text) {
  std::erase(text, '\r');
  return text;
}

Problem body(const Asking& a) { return plain("body", a.wanted, without_cr(a.session.body)); }

Problem pending(const Asking& a) {
  bool wanted = a.wanted.Scalar() == "true";
  return wanted == a.seen.waiting ? "" : wanted ? "expected an answer that is still waited for, came one at once" : "expected an answer, came none yet";
}

bool event_fits(const YAML::Node& wanted, const Logged& logged) {
  if (wanted.IsScalar()) return text_fits(wanted.Scalar(), logged.event);
  for (const auto& entry : wanted) {
    std::string key = entry.first.Scalar(), expected = entry.second.IsScalar() ? entry.second.Scalar() : "";
    auto found = logged.values.find(key);
    if (key == "event" ? !text_fits(expected, logged.event) : found == logged.values.end() || !text_fits(expected, found->second)) return false;
  }
  return true;
}

std::vector<std::string> events_of(const Asking& a) {
  std::vector<std::string> out;
  for (size_t i = a.seen.log_from; i < a.bench.logs.size(); ++i) {
    std::string line = a.bench.logs[i].event;
    for (const auto& [name, value] : a.bench.logs[i].values) line += " " + name + "=" + value;
    out.push_back(line);
  }
  return out;
}

Problem log(const Asking& a) {
  std::vector<YAML::Node> wanted;
  if (a.wanted.IsSequence())
    for (const auto& each : a.wanted) wanted.push_back(each);
  else
    wanted.push_back(a.wanted);
  for (const YAML::Node& each : wanted) {
    auto fits = [&](const Logged& logged) { return event_fits(each, logged); };
    if (std::none_of(a.bench.logs.begin() + static_cast<ptrdiff_t>(a.seen.log_from), a.bench.logs.end(), fits))
      return differs("event", shown(each), shown(events_of(a)));
  }
  return "";
}

Problem no_log(const Asking& a) {
  for (const std::string& event : texts(a.wanted))
    for (size_t i = a.seen.log_from; i < a.bench.logs.size(); ++i)
      if (text_fits(event, a.bench.logs[i].event)) return "expected no event " + event + ", came " + shown(events_of(a));
  return "";
}

Problem metric(const Asking& a) {
  for (const auto& entry : a.wanted) {
    std::string name = entry.first.Scalar();
    auto found = a.bench.metrics.find(name);
    if (found == a.bench.metrics.end()) return "expected metric " + name + ", came none of that name";
    std::map<std::string, std::string> wanted;
    if (entry.second.IsMap())
      for (const auto& label : entry.second) wanted[label.first.Scalar()] = label.second.Scalar();
    else
      wanted[""] = entry.second.Scalar();
    for (const auto& [label, value] : wanted) {
      auto cell = found->second.find(label);
      std::string came = cell == found->second.end() ? "none" : std::to_string(cell->second);
      if (came != value) return differs("metric " + name + (label.empty() ? "" : "{" + label + "}"), value, came);
    }
  }
  return "";
}

std::vector<std::string> asked_since(const Asking& a) {
  return std::vector<std::string>(a.bench.asked.begin() + static_cast<ptrdiff_t>(a.seen.asked_from), a.bench.asked.end());
}

Problem asked(const Asking& a) { return among("a request", texts(a.wanted), asked_since(a)); }

Problem not_asked(const Asking& a) {
  auto came = asked_since(a);
  for (const std::string& each : texts(a.wanted))
    if (among("", {each}, came).empty()) return "expected no request " + each + ", came " + shown(came);
  return "";
}

Problem kv(const Asking& a) {
  for (const auto& entry : a.wanted) {
    auto came = a.bench.kv.get(entry.first.Scalar());
    bool fits = entry.second.IsNull() ? !came : came && text_fits(entry.second.Scalar(), *came);
    if (!fits) return differs("kv " + entry.first.Scalar(), shown(entry.second), came.value_or("none"));
  }
  return "";
}

// A list as a whole, of a mapping the keys that are wanted.
bool node_fits(const YAML::Node& wanted, const YAML::Node& came) {
  if (wanted.IsNull()) return !came.IsDefined() || came.IsNull();
  if (!came.IsDefined() || came.IsNull()) return false;
  if (wanted.IsScalar()) return came.IsScalar() && text_fits(wanted.Scalar(), came.Scalar());
  if (wanted.IsSequence()) {
    if (!came.IsSequence() || came.size() != wanted.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i)
      if (!node_fits(wanted[i], came[i])) return false;
    return true;
  }
  for (const auto& entry : wanted)
    if (!came.IsMap() || !node_fits(entry.second, came[entry.first.Scalar()])) return false;
  return true;
}

Problem answer(const Asking& a) {
  YAML::Node came = a.seen.answer ? *a.seen.answer : YAML::Node();
  if (node_fits(a.wanted, came)) return "";
  return differs("answer", shown(a.wanted), a.seen.status == "ok" ? shown(came) : "status " + a.seen.status);
}

Problem status(const Asking& a) { return plain("status", a.wanted, a.seen.status); }
Problem output(const Asking& a) { return plain("output", a.wanted, a.seen.output); }
Problem error(const Asking& a) { return plain("error", a.wanted, a.seen.error); }
Problem exit_code(const Asking& a) { return plain("exit", a.wanted, std::to_string(a.seen.exit_code)); }

using Check = Problem (*)(const Asking&);
const std::map<std::string, Check>& checks() {
  static const std::map<std::string, Check> kAll{
      {"verdict", verdict}, {"scope", scope},           {"reply", reply},     {"text", text},     {"rule", rule},   {"fault", fault},   {"edits", edits},
      {"edits_include", edits_include}, {"headers", headers}, {"notes", notes}, {"recipients", recipients}, {"sender", sender}, {"attributes", attributes},
      {"body", body},       {"pending", pending},       {"log", log},         {"no_log", no_log}, {"metric", metric}, {"asked", asked}, {"not_asked", not_asked},
      {"kv", kv},           {"answer", answer},         {"status", status},   {"output", output}, {"error", error}, {"exit", exit_code}};
  return kAll;
}

}  // namespace

bool text_fits(const std::string& expected, const std::string& came) {
  if (expected.starts_with("~")) return came.find(expected.substr(1)) != std::string::npos;
  return came == expected;
}

std::vector<std::string> unmet(const YAML::Node& expect, const Seen& seen, Bench& bench, const Session& session) {
  std::vector<std::string> out;
  for (const auto& entry : expect) {
    Problem problem = checks().at(entry.first.Scalar())(Asking{entry.second, seen, bench, session});
    if (!problem.empty()) out.push_back(std::move(problem));
  }
  return out;
}

}  // namespace veredus::ptest
