// Checking walks schema and fragment together; a record is a mapping whose keys are the schema's rows below its path.
#include "settings.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/address_ip.h"
#include "base/text.h"
#include "base/units.h"

namespace veredus::ptest {

namespace {

using Conf = std::unique_ptr<vrd_conf>;
constexpr uint32_t kFlags = VRD_SETTING_LIST | VRD_SETTING_REQUIRED | VRD_SETTING_SECRET | VRD_SETTING_RESTART;

std::optional<int64_t> integer(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

std::optional<int64_t> bounded(std::optional<uint64_t> value) {
  return value && *value <= INT64_MAX ? std::optional(static_cast<int64_t>(*value)) : std::nullopt;
}

// A number of a type as it is written.
std::optional<int64_t> number_of(uint32_t type, std::string_view text) {
  if (type == VRD_SETTING_DURATION) {
    auto value = parse_duration(text);
    return value ? std::optional<int64_t>(value->count()) : std::nullopt;
  }
  return type == VRD_SETTING_SIZE ? bounded(parse_size(text)) : integer(text);
}

struct Bounds {
  std::optional<int64_t> least, most;
};

// "MIN..MAX"; either side may be left out.
std::optional<Bounds> bounds_of(const vrd_setting& row) {
  if (!row.bounds) return Bounds{};
  std::string_view text = row.bounds;
  size_t dots = text.find("..");
  if (dots == text.npos) return std::nullopt;
  Bounds out;
  std::string_view least = text.substr(0, dots), most = text.substr(dots + 2);
  uint32_t type = row.type == VRD_SETTING_TEXT ? VRD_SETTING_INT : row.type;
  if (!least.empty() && !(out.least = number_of(type, least))) return std::nullopt;
  if (!most.empty() && !(out.most = number_of(type, most))) return std::nullopt;
  return out;
}

bool within(const Bounds& bounds, int64_t value) { return (!bounds.least || value >= *bounds.least) && (!bounds.most || value <= *bounds.most); }

bool has_bounds(uint32_t type) {
  return type == VRD_SETTING_TEXT || type == VRD_SETTING_INT || type == VRD_SETTING_DURATION || type == VRD_SETTING_SIZE;
}

bool is_domain_pattern(std::string_view text) {
  if (text == "*") return true;
  if (text.starts_with("*.")) text.remove_prefix(2);
  else if (text.starts_with(".")) text.remove_prefix(1);
  auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; };
  return !text.empty() && text.find("..") == text.npos && text.front() != '.' && std::all_of(text.begin(), text.end(), good);
}

std::string type_text(uint32_t type) {
  constexpr std::string_view kNames[] = {"",        "text",          "true or false", "a number", "a duration (500ms, 5s, 10m, 1h, 2d)",
                                         "a size (10KiB, 50MiB)",    "",              "a path",   "an address or network",
                                         "a domain pattern",         "the name of a table",       "a mapping", "a mapping"};
  return std::string(kNames[type]);
}

// What cannot stand, with its place. Thrown and caught within this file only.
struct Refused {
  std::string text;
};

class Checker {
 public:
  Checker(const vrd_setting* const* schema, const SettingsPlace& place) : schema_(schema), place_(place) {}

  // `path`: "" or "rules[]." - what rows of this mapping begin with.
  Conf mapping(const std::string& path, const YAML::Node& node) {
    Conf out = blank(vrd_conf::Kind::map, node);
    for (const vrd_setting* row : rows(path)) out->keys.insert(own_key(path, *row));
    if (node.IsDefined() && !node.IsNull()) {
      if (!node.IsMap()) refuse(node, path.empty() ? "settings are a mapping" : "expected a mapping");
      for (const auto& entry : node) take(path, entry.first, entry.second, *out);
    }
    for (const vrd_setting* row : rows(path)) complete(path, *row, node, *out);
    return out;
  }

 private:
  std::vector<const vrd_setting*> rows(const std::string& path) const {
    std::vector<const vrd_setting*> out;
    for (auto row = schema_; row && *row; ++row) {
      std::string_view key = (*row)->key;
      if (key.starts_with(path) && key.substr(path.size()).find('.') == key.npos) out.push_back(*row);
    }
    return out;
  }
  static std::string own_key(const std::string& path, const vrd_setting& row) { return std::string(row.key).substr(path.size()); }

  std::string where(const YAML::Node& node) const {
    if (!node.IsDefined() || node.Mark().is_null()) return place_.file;
    return place_.file + ":" + std::to_string(node.Mark().line + 1) + ":" + std::to_string(node.Mark().column + 1);
  }
  [[noreturn]] void refuse(const YAML::Node& node, const std::string& text) const { throw Refused{where(node) + ": " + text}; }

  Conf blank(vrd_conf::Kind kind, const YAML::Node& node) const {
    auto out = std::make_unique<vrd_conf>();
    out->kind = kind;
    out->where = where(node);
    return out;
  }

  void take(const std::string& path, const YAML::Node& key, const YAML::Node& value, vrd_conf& out) {
    std::string name = key.IsScalar() ? key.Scalar() : "";
    for (const vrd_setting* row : rows(path))
      if (own_key(path, *row) == name) {
        if (std::any_of(out.entries.begin(), out.entries.end(), [&](const auto& entry) { return entry.first == name; }))
          refuse(key, "'" + name + "' is given twice");
        if (!value.IsNull()) out.entries.emplace_back(name, setting(*row, value));
        return;
      }
    refuse(key, "unknown setting '" + name + "'");
  }

  void complete(const std::string& path, const vrd_setting& row, const YAML::Node& node, vrd_conf& out) {
    std::string name = own_key(path, row);
    if (std::any_of(out.entries.begin(), out.entries.end(), [&](const auto& entry) { return entry.first == name; })) return;
    if (row.dflt) {
      out.defaults[name] = setting(row, YAML::Load(row.dflt));
      out.defaults[name]->where = place_.file;
    } else if (row.flags & VRD_SETTING_REQUIRED) {
      refuse(node, "'" + name + "' must be given");
    }
  }

  Conf setting(const vrd_setting& row, const YAML::Node& node) {
    if (!(row.flags & VRD_SETTING_LIST)) return element(row, node, row.key);
    Conf out = blank(vrd_conf::Kind::list, node);
    if (!node.IsSequence()) out->entries.emplace_back("", element(row, node, std::string(row.key) + "[]"));
    else
      for (const auto& each : node) out->entries.emplace_back("", element(row, each, std::string(row.key) + "[]"));
    return out;
  }

  Conf element(const vrd_setting& row, const YAML::Node& node, const std::string& path) {
    if (row.type == VRD_SETTING_RECORD) return mapping(path + ".", node);
    if (row.type == VRD_SETTING_MAP) return free_map(row, node);
    if ((row.flags & VRD_SETTING_SECRET) && node.IsMap()) return secret(row, node);
    if (!node.IsScalar()) refuse(node, "'" + std::string(row.key) + "' is " + type_text(row.type) + ", not a " + (node.IsMap() ? "mapping" : "list"));
    Conf out = blank(vrd_conf::Kind::scalar, node);
    out->text = node.Scalar();
    scalar(row, node, *out);
    return out;
  }

  Conf free_map(const vrd_setting& row, const YAML::Node& node) {
    if (!node.IsMap()) refuse(node, "'" + std::string(row.key) + "' is a mapping");
    Conf out = blank(vrd_conf::Kind::map, node);
    for (const auto& entry : node) {
      if (!entry.second.IsScalar() && !entry.second.IsNull()) refuse(entry.second, "a plain value is expected here");
      Conf value = blank(vrd_conf::Kind::scalar, entry.second);
      value->text = entry.second.IsNull() ? "" : entry.second.Scalar();
      value->number = integer(value->text).value_or(0);
      out->entries.emplace_back(entry.first.Scalar(), std::move(value));
    }
    return out;
  }

  Conf secret(const vrd_setting& row, const YAML::Node& node) {
    if (node.size() != 1 || !node["file"] || !node["file"].IsScalar()) refuse(node, "a secret is a text or { file: PATH }");
    std::ifstream in(absolute(node["file"].Scalar()));
    if (!in) refuse(node, "the file of '" + std::string(row.key) + "' cannot be read");
    std::stringstream text;
    text << in.rdbuf();
    Conf out = blank(vrd_conf::Kind::scalar, node);
    out->text = text.str();
    while (!out->text.empty() && (out->text.back() == '\n' || out->text.back() == '\r')) out->text.pop_back();
    scalar(row, node, *out);
    return out;
  }

  std::string absolute(const std::string& path) const { return path.starts_with("/") ? path : place_.state_dir + "/" + path; }

  void scalar(const vrd_setting& row, const YAML::Node& node, vrd_conf& out) {
    bool good = true;
    switch (row.type) {
      case VRD_SETTING_BOOL: good = out.text == "true" || out.text == "false"; out.number = out.text == "true"; break;
      case VRD_SETTING_CHOICE: return choice(row, node, out);
      case VRD_SETTING_PATH: good = !out.text.empty(); out.text = absolute(out.text); break;
      case VRD_SETTING_NETWORK: good = Network::parse(out.text).has_value(); break;
      case VRD_SETTING_PATTERN: good = is_domain_pattern(out.text); break;
      case VRD_SETTING_TABLE: good = !out.text.empty(); break;
      case VRD_SETTING_TEXT: break;
      default: {
        auto number = number_of(row.type, out.text);
        good = number.has_value();
        out.number = number.value_or(0);
      }
    }
    if (!good) refuse(node, "'" + std::string(row.key) + "' is " + type_text(row.type));
    if (!has_bounds(row.type)) return;
    int64_t measured = row.type == VRD_SETTING_TEXT ? static_cast<int64_t>(out.text.size()) : out.number;
    if (!within(*bounds_of(row), measured)) refuse(node, "'" + std::string(row.key) + "' is out of bounds: " + row.bounds);
  }

  void choice(const vrd_setting& row, const YAML::Node& node, vrd_conf& out) {
    std::vector<std::string_view> words = split(row.bounds, '|');
    auto found = std::find(words.begin(), words.end(), out.text);
    if (found == words.end()) refuse(node, "'" + std::string(row.key) + "' is one of " + row.bounds);
    out.number = found - words.begin();
  }

  const vrd_setting* const* schema_;
  const SettingsPlace& place_;
};

bool key_is_well_formed(std::string_view key) {
  for (std::string_view part : split(key, '.')) {
    if (part.ends_with("[]")) part.remove_suffix(2);
    auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    if (part.empty() || !std::all_of(part.begin(), part.end(), good)) return false;
  }
  return !key.ends_with("[]");
}

}  // namespace

Result<std::unique_ptr<vrd_conf>> check_settings(const vrd_setting* const* schema, const YAML::Node& fragment, const SettingsPlace& place) {
  try {
    return Checker(schema, place).mapping("", fragment);
  } catch (const Refused& refused) {
    return fail(Errc::invalid, refused.text);
  } catch (const YAML::Exception& bad) {
    return fail(Errc::invalid, place.file + ": " + bad.what());
  }
}

std::string setting_problem(const vrd_setting& row) {
  if (row.size < sizeof(vrd_setting)) return "its size is too small";
  if (!row.key || !key_is_well_formed(row.key)) return "its key is malformed";
  if (row.type < VRD_SETTING_TEXT || row.type > VRD_SETTING_RECORD) return "its type is unknown";
  if (row.flags & ~kFlags) return "it has unknown flags";
  if (!row.doc || !*row.doc) return "it has no documentation";
  if (row.type == VRD_SETTING_CHOICE && (!row.bounds || !*row.bounds)) return "a choice needs its words in bounds";
  if (has_bounds(row.type) && !bounds_of(row)) return "its bounds are malformed";
  if (!has_bounds(row.type) && row.type != VRD_SETTING_CHOICE && row.bounds) return "its type has no bounds";
  if (row.dflt && (row.flags & VRD_SETTING_REQUIRED)) return "it is required and has a default";
  if (!row.dflt || row.type == VRD_SETTING_RECORD) return "";
  vrd_setting alone = row;  // its default must pass its own check
  alone.key = "value";
  const vrd_setting* schema[] = {&alone, nullptr};
  auto checked = check_settings(schema, YAML::Node(), SettingsPlace{"default", "/"});
  return checked ? "" : "its default is refused: " + checked.error().text;
}

}  // namespace veredus::ptest
