// Mutation keeps the script's grammar: a duration stays a duration, an attribute stays of its kind.
#include "fuzz.h"

#include "base/text.h"
#include "base/units.h"
#include "picture.h"

namespace veredus::ptest {

namespace {

const char* const kTricky[] = {"",
                               "@",
                               "a@b",
                               "<>",
                               "\"quoted local\"@example.test",
                               "user@[192.0.2.1]",
                               "postmaster",
                               "very.long.local.part.that.goes.on.and.on.and.on.and.on.and.on@example.test",
                               "\xC3\xA9\xE2\x82\xAC@\xC3\xA9.test",
                               "%s%n%x",
                               "../../etc/passwd",
                               "a\r\nX-Injected: yes",
                               "\x01\x02\xFF\xFE",
                               "0",
                               "-1",
                               "18446744073709551615",
                               "=?utf-8?B?=?=",
                               "' or 1=1 --"};
const char* const kClients[] = {"192.0.2.1", "127.0.0.1", "10.0.0.1", "255.255.255.255", "0.0.0.0", "::1", "2001:db8::1", "fe80::1", "::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"};

std::string octets(Chance& chance, size_t longest) {
  std::string out;
  for (size_t left = chance.below(longest + 1); left > 0; --left) out += static_cast<char>(chance.below(256));
  return out;
}

std::string changed(std::string text, Chance& chance) {
  switch (chance.below(6)) {
    case 0: return kTricky[chance.below(std::size(kTricky))];
    case 1: return octets(chance, 40);
    case 2: return text.substr(0, chance.below(text.size() + 1));
    case 3: return text + text + text;
    case 4: {
      if (!text.empty()) text[chance.below(text.size())] = static_cast<char>(chance.below(256));
      return text;
    }
    default: return text + octets(chance, 2000);
  }
}

std::string changed_message(std::string text, Chance& chance) {
  for (uint64_t i = chance.below(8); i > 0; --i) {
    size_t at = chance.below(text.size() + 1);
    if (chance.one_in(2)) text.insert(at, octets(chance, 30));
    else text.erase(at, chance.below(30));
  }
  if (chance.one_in(4)) text.insert(0, "Subject: " + octets(chance, 3000) + "\n");
  if (chance.one_in(8)) text.insert(0, ":\n: :\n" + std::string(chance.below(2000), 'x') + "\n");
  return text;
}

// Scalars of a fake's answers; keys stay, so that they are found.
YAML::Node changed_fake(const YAML::Node& node, Chance& chance, int depth = 0) {
  if (node.IsScalar()) return YAML::Node(chance.one_in(3) && depth > 0 ? changed(node.Scalar(), chance) : node.Scalar());
  if (!node.IsMap() && !node.IsSequence()) return node;
  YAML::Node out(node.Type());
  if (node.IsSequence())
    for (const auto& each : node) out.push_back(changed_fake(each, chance, depth + 1));
  else
    for (const auto& entry : node) {
      std::string key = entry.first.Scalar();
      bool kept = key == "delay" || key == "status" || key == "ttl" || key == "code" || key == "secure" || key == "close";
      out[key] = kept ? YAML::Clone(entry.second) : changed_fake(entry.second, chance, depth + 1);
    }
  return out;
}

std::string changed_attribute(const AttrInfo& info, const std::string& text, Chance& chance) {
  if (info.id == VRD_ATTR_CLIENT_ADDRESS) return kClients[chance.below(std::size(kClients))];
  if (info.id == VRD_ATTR_RECIPIENT_INDEX) return text;
  if (info.kind == VRD_BOOL) return chance.one_in(2) ? "true" : "false";
  if (info.kind != VRD_TEXT) return std::to_string(chance.one_in(2) ? chance.below(1000) : chance.below(INT64_MAX));
  return changed(text, chance);
}

YAML::Node changed_attributes(const Step& step, Chance& chance) {
  std::string main(main_attribute(step.name));
  YAML::Node out = YAML::Clone(step.args);
  auto change = [&](const std::string& name, const std::string& text) {
    const AttrInfo* info = attr_by_name(name);
    return info ? changed_attribute(*info, text, chance) : "5" + std::to_string(chance.below(100)) + " " + octets(chance, 100);
  };
  if (out.IsScalar() && !main.empty()) return YAML::Node(change(main, out.Scalar()));
  if (out.IsMap())
    for (const auto& entry : step.args) out[entry.first.Scalar()] = change(attribute_name(entry.first.Scalar()), entry.second.Scalar());
  return out;
}

// A value of a setting, within its bounds.
std::string setting_value(const vrd_setting& row, Chance& chance) {
  std::string_view bounds = row.bounds ? row.bounds : "";
  size_t dots = bounds.find("..");
  std::string_view least = bounds.substr(0, dots), most = dots == bounds.npos ? "" : bounds.substr(dots + 2);
  bool edge = dots != bounds.npos && !least.empty() && !most.empty();
  switch (row.type) {
    case VRD_SETTING_BOOL: return chance.one_in(2) ? "true" : "false";
    case VRD_SETTING_INT:
    case VRD_SETTING_DURATION:
    case VRD_SETTING_SIZE:
      if (edge) return std::string(chance.one_in(2) ? least : most);
      return row.type == VRD_SETTING_INT ? std::to_string(chance.below(100)) : std::to_string(1 + chance.below(1000)) + (row.type == VRD_SETTING_SIZE ? "KiB" : "s");
    case VRD_SETTING_CHOICE: {
      auto words = split(bounds, '|');
      return std::string(words[chance.below(words.size())]);
    }
    case VRD_SETTING_NETWORK: return chance.one_in(2) ? "192.0.2.0/24" : "2001:db8::/32";
    case VRD_SETTING_PATTERN: return chance.one_in(2) ? "*" : ".example.test";
    default: return changed("text", chance);
  }
}

// Half of the plain settings of the schema, over what the script gives.
YAML::Node changed_settings(const YAML::Node& given, const vrd_plugin& plugin, Chance& chance) {
  YAML::Node out = given.IsMap() ? YAML::Clone(given) : YAML::Node(YAML::NodeType::Map);
  for (auto row = plugin.settings; row && *row; ++row) {
    const vrd_setting& one = **row;
    bool plain = std::string_view(one.key).find('.') == std::string_view::npos && one.type <= VRD_SETTING_PATTERN && one.type != VRD_SETTING_PATH;
    if (plain && chance.one_in(2)) out[one.key] = setting_value(one, chance);
  }
  return out;
}

}  // namespace

Case fuzzed(const Case& script, const vrd_plugin& plugin, Chance& chance) {
  Case out = script;
  out.body = YAML::Clone(script.body);
  if (chance.one_in(2)) out.body["settings"] = changed_settings(script.body["settings"] ? script.body["settings"] : YAML::Node(), plugin, chance);
  for (const char* fake : {"dns", "http", "calls", "helpers", "tables", "kv"})
    if (out.body[fake]) out.body[fake] = changed_fake(script.body[fake], chance);
  if (out.body["message"] && out.body["message"].IsScalar()) out.body["message"] = changed_message(out.body["message"].Scalar(), chance);
  for (Step& step : out.steps) {
    bool stays = step.name == "advance" || step.name == "wait" || step.name == "fail" || step.name == "reload" || step.name == "files";
    if (stays || chance.one_in(3)) continue;
    if (step.name == "body" || step.name == "content") {
      if (step.args.IsScalar()) step.args.reset(YAML::Node(changed_message(step.args.Scalar(), chance)));
    } else if (step.args.IsMap() || !main_attribute(step.name).empty()) {
      step.args.reset(main_attribute(step.name).empty() ? changed_fake(step.args, chance) : changed_attributes(step, chance));
    }
  }
  if (out.steps.size() < 2 || !chance.one_in(4)) return out;
  std::vector<Step> fewer;  // copied, not assigned: assigning a YAML::Node changes what it refers to
  size_t left_out = chance.below(out.steps.size());
  for (size_t i = 0; i < out.steps.size(); ++i)
    if (i != left_out) fewer.push_back(out.steps[i]);
  out.steps.swap(fewer);
  return out;
}

}  // namespace veredus::ptest
