// Reading of `core:` mappings: which row a key means, and that each is given once.
#include "config/core_reader.h"

#include <algorithm>

#include "config/codec.h"

namespace veredus {

namespace {

std::string_view last_word(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

// What may stand at the top (group empty) or in a group.
std::vector<std::string> words_in(const std::string& group) {
  std::vector<std::string> out;
  for (const Setting& row : core_settings()) {
    size_t dot = row.name.find('.');
    if (group.empty())
      out.emplace_back(row.name.substr(0, dot));
    else if (row.name.substr(0, dot) == group)
      out.emplace_back(row.name.substr(dot + 1));
  }
  return out;
}

}  // namespace

bool is_core_group(const std::string& key) {
  auto rows = core_settings();
  return std::any_of(rows.begin(), rows.end(),
                     [&](const Setting& row) { return row.name.starts_with(key + "."); });
}

std::string setting_of_word(const std::string& word) {
  for (const Setting& row : core_settings())
    if (last_word(row.name) == word) return std::string(row.name);
  return "";
}

void CoreReader::read(const ConfigEntry& core) {
  if (core.value.kind == ConfigNode::Kind::null) return;
  if (core.value.kind != ConfigNode::Kind::map) {
    problems_.error(core.value.place, "core: expected a mapping of settings");
    return;
  }
  for (const ConfigEntry& entry : core.value.entries) read_top(entry);
}

void CoreReader::read_top(const ConfigEntry& entry) {
  const Setting* row = find_core_setting(entry.key);
  if (!row && is_core_group(entry.key)) return read_group(entry);
  if (!row) row = find_core_setting("limits." + entry.key);  // a limit may also stand at the top
  if (row)
    read_row(*row, entry);
  else
    report_unknown(entry, "");
}

void CoreReader::read_group(const ConfigEntry& group) {
  if (group.value.kind == ConfigNode::Kind::null) return;
  if (group.value.kind != ConfigNode::Kind::map) {
    problems_.error(group.value.place, group.key + ": expected a mapping of settings");
    return;
  }
  for (const ConfigEntry& entry : group.value.entries) {
    const Setting* row = find_core_setting(group.key + "." + entry.key);
    if (row)
      read_row(*row, entry);
    else
      report_unknown(entry, group.key);
  }
}

void CoreReader::report_unknown(const ConfigEntry& entry, const std::string& group) {
  std::string suggestion = did_you_mean(entry.key, words_in(group));
  std::string other = setting_of_word(entry.key);
  if (!other.empty()) suggestion = " (did you mean '" + other + "'?)";
  problems_.error(entry.place, "unknown setting " + in_quotes(entry.key) + suggestion);
}

void CoreReader::read_row(const Setting& row, const ConfigEntry& entry) {
  std::string name(row.name);
  if (row.shape == Shape::table && entry.value.kind == ConfigNode::Kind::map) return read_table(row, entry);
  if (!claim(name, entry.place)) return;
  draft_.settings.origins[name] = entry.place.text();
  draft_.places[name] = entry.value.place;
  store(row, entry.value);
}

// Entries of a table may come from several files, each entry once.
void CoreReader::read_table(const Setting& row, const ConfigEntry& entry) {
  std::string name(row.name);
  draft_.settings.origins.try_emplace(name, entry.place.text());
  draft_.places.try_emplace(name, entry.value.place);
  ConfigNode fresh = entry.value;
  std::erase_if(fresh.entries, [&](const ConfigEntry& part) {
    return !claim(name + "." + bind::key_text(row, part.key), part.place);
  });
  store(row, fresh);
}

void CoreReader::store(const Setting& row, const ConfigNode& node) {
  ReadContext context{problems_, &draft_.places, std::string(row.name)};
  store_setting(row, node, context, &draft_.settings);
}

bool CoreReader::claim(const std::string& name, const Place& place) {
  auto [known, fresh] = claimed_.try_emplace(name, place);
  if (!fresh)
    problems_.error(
        place, "setting " + in_quotes(name) + " is given twice; the first is at " + known->second.text());
  return fresh;
}

}  // namespace veredus
