// The declared settings: one table row each, with type, bounds, default, documentation and the member of
// Settings it fills. Parsing, errors, defaults, `config explain`, the manual and completion all come from
// these rows. Constant data; any thread.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "config/node.h"
#include "config/problems.h"
#include "config/settings.h"

namespace veredus {

using Json = nlohmann::ordered_json;

enum class Type : uint8_t {
  text,
  name,
  boolean,
  integer,
  percent,
  duration,
  size,
  ip,
  endpoint,
  network,
  pattern,
  domain,
  address,
  path,
  mode,
  choice,
  next_hop,
  record
};

enum class Shape : uint8_t {
  one,      // 5m
  list,     // [5m, 15m]
  hops,     // [a, [b, c]]: a list whose entries may be lists
  table,    // { NAME: value or record }; may be split over files
  records,  // [{ ... }, { ... }]
};

struct Setting;

// What reading needs besides the node: where problems go, and where each value stood.
struct ReadContext {
  Problems& problems;
  std::map<std::string, Place>* places = nullptr;    // "routes[2].pool" -> place; counted from 0
  std::string path;                                  // of the value being read
  void error(const Place& place, std::string text);  // with the setting's name in front
};

// How a row reaches its member; made by at<&Settings::member>() in bind.h.
struct Member {
  bool (*store)(const Setting&, const ConfigNode&, ReadContext&, void* object) = nullptr;
  Json (*show)(const Setting&, const void* object) = nullptr;
  const void* (*address)(const void* object) = nullptr;
};

struct Setting {
  std::string_view name;  // "queue.retry"; in a record without the record's name
  Type type = Type::text;
  Shape shape = Shape::one;
  Member member;
  std::string_view fallback;  // the default, as YAML; empty = unset
  std::string_view derived;   // when unset: where the value comes from, for people
  std::string_view low, high;
  std::span<const std::string_view> choices;
  std::span<const Setting> fields;  // of a record
  unsigned default_port = 0;        // of an endpoint written without one
  unsigned least = 0;               // entries of a list
  bool required = false;            // in a record
  bool reloadable = true;
  bool secret = false;
  std::string_view planned;  // read and checked, but without effect until the core has this
  std::string_view since = "0.1";
  std::string_view doc;
};

std::span<const Setting> core_settings();  // in the order of the manual
const Setting* find_core_setting(std::string_view name);

// Every row with its full name, fields of records included: "listeners[].address", "sources.NAME.ipv4".
void each_setting(const std::function<void(const std::string& name, const Setting&)>& visit);

// Reads `node` into the row's member; false when a problem was reported.
bool store_setting(const Setting& setting, const ConfigNode& node, ReadContext& context, void* object);
// Sets the row's default.
void store_default(const Setting& setting, void* object);
// Reads a map into an object described by `fields`, defaults first.
bool store_record(std::span<const Setting> fields, const ConfigNode& node, ReadContext& context,
                  void* object);
// Effective value; secrets hidden.
Json show_setting(const Setting& setting, const void* object);
Json show_record(std::span<const Setting> fields, const void* object);

}  // namespace veredus
