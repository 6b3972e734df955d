// Reading and checking scripts. Everything that can be wrong is found here, with file, line and column.
#include "script.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "fakes.h"
#include "picture.h"
#include "rules.h"
#include "services.h"

namespace veredus::ptest {

namespace {

enum class Kind : uint8_t { any, none, text, map, list, flag, duration, attributes, verdict, scope, texts };

struct Key {
  std::string_view name;
  Kind kind;
};

constexpr Key kCaseKeys[] = {{"name", Kind::text},    {"settings", Kind::map}, {"instances", Kind::map}, {"expect_error", Kind::text}, {"dns", Kind::map},
                             {"tables", Kind::map},   {"http", Kind::map},     {"kv", Kind::map},        {"helpers", Kind::map},       {"streams", Kind::map},
                             {"calls", Kind::map},    {"files", Kind::map},    {"core", Kind::map},      {"time", Kind::text},         {"timeout", Kind::duration},
                             {"message", Kind::any},  {"steps", Kind::list}};

constexpr Key kPlainSteps[] = {{"advance", Kind::duration}, {"wait", Kind::duration}, {"command", Kind::texts}, {"reload", Kind::any},  {"fail", Kind::map},
                               {"content", Kind::any},      {"files", Kind::map},     {"abort", Kind::none},    {"expect", Kind::map},  {"body", Kind::any},
                               {"results", Kind::texts},    {"notes", Kind::map}};

constexpr Key kExpectKeys[] = {{"verdict", Kind::verdict},  {"scope", Kind::scope},      {"reply", Kind::text},   {"text", Kind::text},     {"rule", Kind::any},
                               {"fault", Kind::any},        {"edits", Kind::texts},      {"edits_include", Kind::texts}, {"headers", Kind::map},   {"notes", Kind::map},
                               {"recipients", Kind::texts}, {"sender", Kind::any},       {"attributes", Kind::attributes},        {"body", Kind::any},      {"pending", Kind::flag},
                               {"log", Kind::any},          {"no_log", Kind::texts},     {"metric", Kind::map},   {"asked", Kind::texts},   {"not_asked", Kind::texts},
                               {"kv", Kind::map},           {"answer", Kind::any},       {"status", Kind::text},  {"output", Kind::any},    {"error", Kind::any},
                               {"exit", Kind::text}};

struct Main {
  std::string_view step, attribute;
};
constexpr Main kMains[] = {{"connect", "client.address"}, {"helo", "helo"},           {"starttls", "tls.sni"},    {"tls_done", "tls.version"}, {"auth", "auth.account"},
                           {"mail", "sender"},            {"rcpt", "recipient"},      {"queued", "message.id"},   {"route", "recipient.index"}, {"attempt", "destination"},
                           {"result", "reply"},           {"bounce", "reply"},        {"finished", "final.state"}};
constexpr Main kShort[] = {{"client", "client.address"}, {"port", "client.port"},        {"name", "client.name"},       {"listener", "listener.address"},
                           {"role", "listener.role"},    {"account", "auth.account"},    {"mechanism", "auth.mechanism"}, {"index", "recipient.index"},
                           {"state", "final.state"},     {"size", "envelope.size"},      {"from", "sender"},            {"to", "recipient"}};

struct Bad {
  std::string text;
};

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  std::vector<Case> cases(const YAML::Node& root) {
    if (!root.IsSequence()) bad(root, "a script is a list of cases");
    std::vector<Case> out;
    for (const auto& each : root) out.push_back(one(each));
    return out;
  }

 private:
  std::string place(const YAML::Node& node) const {
    return file_ + ":" + std::to_string(node.Mark().line + 1) + ":" + std::to_string(node.Mark().column + 1);
  }
  [[noreturn]] void bad(const YAML::Node& node, const std::string& text) const { throw Bad{place(node) + ": " + text}; }

  Case one(const YAML::Node& node) {
    if (!node.IsMap()) bad(node, "a case is a mapping");
    for (const auto& entry : node) known(kCaseKeys, entry.first, entry.second, "a case");
    if (!node["name"]) bad(node, "a case needs a name");
    Case out;
    out.name = node["name"].Scalar();
    out.file = file_;
    out.place = place(node);
    out.body = node;
    if (node["time"] && start_time(node) < 0) bad(node["time"], "a time is 2026-01-01T00:00:00Z");
    if (node["steps"])
      for (const auto& each : node["steps"]) out.steps.push_back(step(each));
    if (out.steps.empty() && !node["expect_error"]) bad(node, "a case needs steps, or expect_error");
    return out;
  }

  template <size_t N>
  void known(const Key (&keys)[N], const YAML::Node& key, const YAML::Node& value, const std::string& where) {
    for (const Key& row : keys)
      if (key.IsScalar() && key.Scalar() == row.name) return check(row.kind, value, std::string(row.name));
    bad(key, "unknown key '" + (key.IsScalar() ? key.Scalar() : "?") + "' of " + where);
  }

  void check(Kind kind, const YAML::Node& value, const std::string& name) {
    switch (kind) {
      case Kind::any: return;
      case Kind::none: if (!value.IsNull()) bad(value, name + " takes nothing"); return;
      case Kind::text: if (!value.IsScalar()) bad(value, name + " is a plain value"); return;
      case Kind::map: if (!value.IsMap() && !value.IsNull()) bad(value, name + " is a mapping"); return;
      case Kind::list: if (!value.IsSequence()) bad(value, name + " is a list"); return;
      case Kind::flag: if (!value.IsScalar() || (value.Scalar() != "true" && value.Scalar() != "false")) bad(value, name + " is true or false"); return;
      case Kind::duration: if (!value.IsScalar() || !duration_of(value.Scalar())) bad(value, name + " is a duration: 500ms, 5s, 10m, 1h, 2d"); return;
      case Kind::attributes: return attributes(value);
      case Kind::verdict: return word(value, name, [](const std::string& text) { return known_action(text); });
      case Kind::scope: return word(value, name, [](const std::string& text) { return text == "step" || text == "transaction" || text == "connection"; });
      case Kind::texts:
        if (value.IsScalar()) return;
        if (!value.IsSequence()) bad(value, name + " is a text or a list of texts");
        for (const auto& each : value) check(Kind::text, each, name);
        return;
    }
  }

  static bool known_action(const std::string& text) {
    for (int32_t action = 0; action <= VRD_FAULT; ++action)
      if (action_name(action) == text) return true;
    return text == "accept";
  }
  template <typename Test>
  void word(const YAML::Node& value, const std::string& name, Test test) {
    if (!value.IsScalar() || !test(value.Scalar())) bad(value, "unknown " + name);
  }

  void attributes(const YAML::Node& value) {
    if (value.IsNull() || value.IsScalar()) return;
    if (!value.IsMap()) bad(value, "a value, or a mapping of attributes");
    for (const auto& entry : value) {
      std::string name = attribute_name(entry.first.Scalar());
      Attrs scratch;
      const AttrInfo* info = attr_by_name(name);
      if (!info && name != "reply") bad(entry.first, "unknown attribute '" + name + "'");
      if (info && (!entry.second.IsScalar() || !set_attr(scratch, *info, entry.second.Scalar()))) bad(entry.second, name + " is of another kind");
    }
  }

  Step step(const YAML::Node& node) {
    Step out;
    out.place = place(node);
    if (node.IsScalar()) {
      out.name = node.Scalar();
      check_step(node, YAML::Node());
      return out;
    }
    if (!node.IsMap()) bad(node, "a step is a name, or a mapping");
    for (const auto& entry : node) take(out, entry.first, entry.second);
    if (out.name.empty() && !out.expect.IsNull()) out.name = "expect";
    if (out.name.empty()) bad(node, "a step needs its name");
    return out;
  }

  void take(Step& out, const YAML::Node& key, const YAML::Node& value) {
    std::string name = key.Scalar();
    if (name == "instance") {
      check(Kind::text, value, name);
      out.instance = value.Scalar();
    } else if (name == "expect") {
      expectation(value);
      out.expect.reset(value);
    } else {
      if (!out.name.empty()) bad(key, "a step has one name; '" + out.name + "' is there already");
      check_step(key, value);
      out.name = name;
      out.args.reset(value);
    }
  }

  void check_step(const YAML::Node& key, const YAML::Node& value) {
    std::string name = key.Scalar();
    for (const Key& row : kPlainSteps)
      if (row.name == name) return check(row.kind, value, name);
    if (is_service_step(name)) return;
    if (!stage_rule(name)) bad(key, "unknown step '" + name + "'");
    bool plain_value = value.IsScalar() && main_attribute(name).empty();
    if (plain_value) bad(value, name + " takes no value");
    attributes(value);
  }

  void expectation(const YAML::Node& value) {
    if (!value.IsMap()) bad(value, "expect is a mapping");
    for (const auto& entry : value) known(kExpectKeys, entry.first, entry.second, "expect");
  }

  std::string file_;
};

// `message: { file: NAME }` is read here, relative to the script.
void read_message_files(std::vector<Case>& cases, const std::string& path) {
  for (Case& each : cases) {
    YAML::Node message = each.body["message"];
    if (!message || !message.IsMap() || !message["file"]) continue;
    std::ifstream in(std::filesystem::path(path).parent_path() / message["file"].Scalar(), std::ios::binary);
    if (!in) throw Bad{each.place + ": the file of the message cannot be read"};
    std::stringstream text;
    text << in.rdbuf();
    each.body["message"] = text.str();
  }
}

}  // namespace

Result<std::vector<Case>> read_script(const std::string& path) {
  std::ifstream in(path);
  if (!in || std::filesystem::is_directory(path)) return fail(Errc::not_found, path + ": cannot be read");
  std::string name = std::filesystem::path(path).filename();
  try {
    auto cases = Reader(name).cases(YAML::Load(in));
    read_message_files(cases, path);
    return cases;
  } catch (const Bad& bad) {
    return fail(Errc::invalid, bad.text);
  } catch (const YAML::Exception& bad) {
    return fail(Errc::invalid, name + ":" + std::to_string(bad.mark.line + 1) + ":" + std::to_string(bad.mark.column + 1) + ": " + bad.msg);
  }
}

std::string_view main_attribute(std::string_view step) {
  for (const Main& row : kMains)
    if (row.step == step) return row.attribute;
  return {};
}

std::string attribute_name(const std::string& key) {
  for (const Main& row : kShort)
    if (row.step == key) return std::string(row.attribute);
  return key;
}

int64_t start_time(const YAML::Node& body) {
  std::string text = text_of(body, "time", "2026-01-01T00:00:00Z");
  if (auto number = parse_uint(text, INT64_MAX / 2)) return static_cast<int64_t>(*number);
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return end && !*end ? static_cast<int64_t>(timegm(&parts)) * 1000 : -1;
}

}  // namespace veredus::ptest
