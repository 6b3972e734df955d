// Effective values, explanations, differences, completion.
#include "config/show.h"

#include <nlohmann/json.hpp>

#include "config/core_reader.h"
#include "config/scalars.h"
#include "config/schema.h"

namespace veredus {

namespace {

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool needs_quotes(const std::string& text) {
  return text.empty() || text.find_first_of(" \t#,[]{}&*!|>'\"%@`") != std::string::npos ||
         text.find(": ") != std::string::npos || text.ends_with(':') || text.starts_with('-') ||
         text.starts_with(':');
}

std::string flow(const Json& value);

template <typename Container, typename Print>
std::string joined(const Container& parts, Print print) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ", ") + print(part);
  return out;
}

// YAML in one line, as it could stand in a fragment.
std::string flow(const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return needs_quotes(text) ? dump(value) : text;
  }
  if (value.is_array()) return "[" + joined(value, flow) + "]";
  if (!value.is_object()) return dump(value);
  if (value.empty()) return "{}";
  return "{ " +
         joined(value.items(), [](const auto& item) { return item.key() + ": " + flow(item.value()); }) +
         " }";
}

std::string origin_of(const Settings& settings, const std::string& name) {
  auto found = settings.origins.find(name);
  return found == settings.origins.end() ? "default" : found->second;
}

void pad(std::string& text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
}

std::string describe(const std::string& name, const Setting& setting) {
  std::string out = name + "\n  " + std::string(setting.doc) + "\n";
  out += "  type: " + type_hint(setting) + "\n";
  std::string_view example = type_example(setting.type);
  if (!example.empty() && setting.fields.empty()) out += "  written like: " + std::string(example) + "\n";
  if (setting.required)
    out += "  default: none, must be given\n";
  else
    out += "  default: " + std::string(setting.fallback.empty() ? setting.derived : setting.fallback) + "\n";
  out += setting.reloadable ? "  in force: after a reload\n" : "  in force: after a restart\n";
  if (!setting.planned.empty()) out += "  no effect yet: waits for " + std::string(setting.planned) + "\n";
  if (setting.secret) out += "  secret: never shown\n";
  out += "  since: " + std::string(setting.since) + "\n";
  return out;
}

bool stands_under(const std::string& name, const std::string& group) {
  return name == group || name.starts_with(group + ".") || name.starts_with(group + "[");
}

// Changes of one row of records are told apart by their fields, so that a new role does not look like a new
// address.
void compare_fields(const Setting& row, const Json& before, const Json& after,
                    std::vector<SettingChange>& out) {
  for (const Setting& field : row.fields) {
    Json old_column = Json::array();
    Json new_column = Json::array();
    for (const auto& entry : before) old_column.push_back(entry.value(std::string(field.name), Json()));
    for (const auto& entry : after) new_column.push_back(entry.value(std::string(field.name), Json()));
    if (old_column == new_column) continue;
    out.push_back(
        {std::string(row.name) + "[]." + std::string(field.name), row.reloadable && field.reloadable});
  }
}

}  // namespace

std::string render_show(const Settings& settings, bool json) {
  std::string out;
  for (const Setting& setting : core_settings()) {
    std::string name(setting.name);
    Json value = show_setting(setting, &settings);
    std::string origin = origin_of(settings, name);
    if (json) {
      out += dump(Json{{"setting", name}, {"value", value}, {"origin", origin}}) + "\n";
      continue;
    }
    std::string line = name + ": " + flow(value);
    pad(line, 48);
    bool from_elsewhere = origin == "default" && !setting.derived.empty();
    out += line + "  # " + origin + (from_elsewhere ? ": " + std::string(setting.derived) : "") + "\n";
  }
  return out;
}

Result<std::string> explain(std::string_view name) {
  if (name.starts_with("core.")) name.remove_prefix(5);
  std::string wanted(name);
  if (!find_core_setting(wanted) && find_core_setting("limits." + wanted)) wanted = "limits." + wanted;
  std::string out;
  each_setting([&](const std::string& full, const Setting& setting) {
    if (stands_under(full, wanted)) out += (out.empty() ? "" : "\n") + describe(full, setting);
  });
  if (!out.empty()) return out;
  std::string other = setting_of_word(wanted);
  std::string suggestion =
      other.empty() ? did_you_mean(name, completion_words()) : " (did you mean '" + other + "'?)";
  return fail(Errc::not_found, "there is no setting " + in_quotes(name) + suggestion);
}

std::vector<SettingChange> diff_settings(const Settings& before, const Settings& after) {
  std::vector<SettingChange> out;
  for (const Setting& row : core_settings()) {
    Json old_value = row.member.show(row, &before);
    Json new_value = row.member.show(row, &after);
    if (old_value == new_value) continue;
    if (row.shape == Shape::records)
      compare_fields(row, old_value, new_value, out);
    else
      out.push_back({std::string(row.name), row.reloadable});
  }
  return out;
}

std::vector<std::string> completion_words() {
  std::vector<std::string> out;
  each_setting([&](const std::string& name, const Setting&) { out.push_back(name); });
  return out;
}

}  // namespace veredus
