// Reading and showing by rows: records, defaults, unknown keys, and the walk over all rows.
#include "config/schema.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/codec.h"
#include "config/tables.h"
#include "config/yaml.h"

namespace veredus {

namespace {

constexpr std::string_view kHidden = "(hidden)";

std::string_view kind_name(ConfigNode::Kind kind) {
  switch (kind) {
    case ConfigNode::Kind::null:
      return "nothing";
    case ConfigNode::Kind::scalar:
      return "a single value";
    case ConfigNode::Kind::list:
      return "a list";
    case ConfigNode::Kind::map:
      return "a mapping";
  }
  return "nothing";
}

// "routes[2].to[0]" -> "routes[].to[]": what people call the setting; the place tells which one.
std::string without_indices(std::string_view path) {
  std::string out;
  bool inside = false;
  for (char c : path) {
    if (c == ']') inside = false;
    if (!inside) out.push_back(c);
    if (c == '[') inside = true;
  }
  while (out.ends_with("[]")) out.resize(out.size() - 2);
  return out;
}

std::vector<std::string> names_of(std::span<const Setting> fields) {
  std::vector<std::string> out;
  for (const Setting& field : fields) out.emplace_back(field.name);
  return out;
}

const Setting* field_named(std::span<const Setting> fields, std::string_view name) {
  for (const Setting& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

bool store_entry(std::span<const Setting> fields, const ConfigEntry& entry, ReadContext& context,
                 void* object) {
  const Setting* field = field_named(fields, entry.key);
  if (!field) {
    context.problems.error(
        entry.place, "unknown setting " + in_quotes(entry.key) + did_you_mean(entry.key, names_of(fields)));
    return false;
  }
  bind::Step step(context, "." + entry.key);
  if (context.places) context.places->insert_or_assign(context.path, entry.value.place);
  return store_setting(*field, entry.value, context, object);
}

void visit_rows(std::span<const Setting> rows, const std::string& prefix,
                const std::function<void(const std::string&, const Setting&)>& visit) {
  for (const Setting& row : rows) {
    std::string name = prefix + std::string(row.name);
    visit(name, row);
    if (!row.fields.empty())
      visit_rows(row.fields, name + (row.shape == Shape::table ? ".NAME." : "[]."), visit);
  }
}

}  // namespace

void ReadContext::error(const Place& place, std::string text) {
  std::string name = without_indices(path);
  problems.error(place, name.empty() ? text : name + ": " + text);
}

const Setting* find_core_setting(std::string_view name) {
  return field_named(core_settings(), name);
}

void each_setting(const std::function<void(const std::string& name, const Setting&)>& visit) {
  visit_rows(core_settings(), "", visit);
}

bool store_setting(const Setting& setting, const ConfigNode& node, ReadContext& context, void* object) {
  return setting.member.store(setting, node, context, object);
}

void store_default(const Setting& setting, void* object) {
  if (setting.fallback.empty()) return;
  Problems problems;
  ReadContext context{problems, nullptr, std::string(setting.name)};
  auto node = read_yaml(setting.fallback, "default", problems);
  if (node) store_setting(setting, *node, context, object);
}

bool store_record(std::span<const Setting> fields, const ConfigNode& node, ReadContext& context,
                  void* object) {
  if (node.kind != ConfigNode::Kind::map) {
    context.error(node.place, "expected a mapping, found " + std::string(kind_name(node.kind)));
    return false;
  }
  for (const Setting& field : fields) store_default(field, object);
  bool good = true;
  for (const ConfigEntry& entry : node.entries) good &= store_entry(fields, entry, context, object);
  for (const Setting& field : fields) {
    if (!field.required || node.find(field.name)) continue;
    context.error(node.place, "'" + std::string(field.name) + "' is missing");
    good = false;
  }
  return good;
}

Json show_setting(const Setting& setting, const void* object) {
  Json shown = setting.member.show(setting, object);
  if (setting.secret && shown != "") return kHidden;
  return shown;
}

Json show_record(std::span<const Setting> fields, const void* object) {
  Json out = Json::object();
  for (const Setting& field : fields) {
    Json shown = show_setting(field, object);
    bool unset = field.fallback.empty() && shown == "";
    if (!unset) out[std::string(field.name)] = std::move(shown);
  }
  return out;
}

namespace bind {

namespace {

// How a single value is written where a list is wanted.
std::string as_list(ConfigNode::Kind wanted, const Setting& setting, const ConfigNode& node) {
  bool single = node.kind == ConfigNode::Kind::scalar && node.text.size() < 60;
  if (wanted != ConfigNode::Kind::list || !single || setting.type == Type::record) return "";
  bool bare = node.text.find_first_of(" :*[]{},#&!\"'") == std::string::npos && !node.text.empty();
  return " (write [" + (bare ? node.text : "\"" + printable(node.text, 60) + "\"") + "])";
}

}  // namespace

bool expect(ConfigNode::Kind kind, const Setting& setting, const ConfigNode& node, ReadContext& context) {
  if (node.kind == kind) return true;
  if (node.kind == ConfigNode::Kind::null)
    context.error(node.place, "has no value; expected " + type_hint(setting));
  else
    context.error(node.place, "expected " + std::string(kind_name(kind)) + ", found " +
                                  std::string(kind_name(node.kind)) + as_list(kind, setting, node));
  return false;
}

bool enough(size_t count, const Setting& setting, const ConfigNode& node, ReadContext& context) {
  if (count >= setting.least) return true;
  context.error(node.place, "the list is empty; expected " + type_hint(setting));
  return false;
}

bool good_key(const Setting& setting, const ConfigEntry& entry, ReadContext& context) {
  size_t index = 0;
  Status status;
  if (!setting.choices.empty())
    status = read_choice(setting, entry.key, index);
  else if (setting.type == Type::ip && !is_domain(key_text(setting, entry.key)))
    status =
        fail(Errc::invalid, in_quotes(entry.key) + " is not a domain name (write it like mx.example.test)");
  else if (setting.type != Type::ip && !is_name(entry.key))
    status = fail(Errc::invalid, in_quotes(entry.key) + " is not a name (letters, digits, '-', '_' and '.')");
  if (!status) context.error(entry.place, status.error().text);
  return status.ok();
}

std::string key_text(const Setting& setting, const std::string& key) {
  return setting.type == Type::ip ? lowered(key) : key;
}

}  // namespace bind

}  // namespace veredus
