// Manifest: what a plugin says of itself, as plain values: its description without a pointer into its code. Read from a description,
// carried as JSON from the process that opened the object. Values; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct vrd_plugin;

namespace veredus {

struct ManifestSetting {
  uint32_t type = 0, flags = 0, since = 0;  // VRD_SETTING_...
  std::string key;
  std::optional<std::string> fallback;  // the default, as YAML text
  std::string bounds, doc;
  bool has(uint32_t flag) const { return (flags & flag) != 0; }
};

struct ManifestHook {
  uint32_t stage = 0;
  int32_t order = 0;
  uint32_t needs = 0, may = 0, on_fault = 0, flags = 0;
  bool known = true;  // false: an optional hook of a stage that this host does not have
};

struct ManifestCommand {
  uint32_t flags = 0;
  std::string name, args, doc;
  bool offline() const;
};

struct Manifest {
  std::string id, version, license, summary;
  uint32_t abi = 0, threading = 0;
  std::vector<ManifestSetting> settings;
  std::vector<ManifestHook> hooks;  // in the order of the description, so that an index names a hook of it
  std::vector<ManifestCommand> commands;
  std::vector<std::string> services;
  bool provides(std::string_view service) const;  // "svc.table/1"
};

// Reads a description, and appends what is wrong with it: sizes, ids, unknown bits and stages, rights that a stage does not allow, NULL
// strings, a schema that makes no sense.
Manifest read_description(const vrd_plugin& plugin, std::vector<std::string>& problems);

nlohmann::ordered_json manifest_to_json(const Manifest& manifest);
Result<Manifest> manifest_from_json(const nlohmann::ordered_json& json);

// Words for people.
std::string abi_text(uint32_t abi);                   // "1.0"
std::string_view threading_text(uint32_t threading);  // "per_loop"
std::string_view setting_type_text(uint32_t type);    // "duration"
std::string_view fault_policy_text(uint32_t policy);  // "tempfail"
std::string stage_text(uint32_t stage);               // "rcpt"; "999" when it is unknown
std::vector<std::string> rights_words(uint32_t may);  // {"headers", "notes"}
bool is_plugin_id(std::string_view id);               // [a-z0-9.-]{1,64}

}  // namespace veredus
