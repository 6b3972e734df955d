// Reads a description and judges it: everything wrong is said, each in one line that names the part.
#include <veredus/plugin.h>

#include <algorithm>

#include "config/problems.h"
#include "hooks/stage_table.h"
#include "base/text.h"
#include "plugin/manifest.h"
#include "plugin/schema.h"

namespace veredus {

namespace {

constexpr uint32_t kLongestStruct = 65'536;
constexpr size_t kLongestList = 1000;
constexpr uint32_t kSettingFlags = VRD_SETTING_LIST | VRD_SETTING_REQUIRED | VRD_SETTING_SECRET | VRD_SETTING_RESTART;
constexpr uint32_t kRightBits = 511;  // VRD_MAY_HEADERS to VRD_MAY_AUTHRES

// What reading collects; `part` is what the next complaints are about.
class Reading {
 public:
  explicit Reading(std::vector<std::string>& problems) : problems_(problems) {}
  void part(std::string name) { part_ = std::move(name); }
  void complain(const std::string& text) { problems_.push_back(part_.empty() ? text : part_ + ": " + text); }

  std::string text(const char* value, std::string_view name) {
    if (value) return value;
    complain(std::string(name) + " is NULL");
    return {};
  }
  // A struct of a newer plugin may be longer; one that is shorter than in 0.1 cannot be read.
  bool sized(uint32_t size, size_t least) {
    if (size >= least && size <= kLongestStruct) return true;
    complain("size is " + std::to_string(size) + ", expected " + std::to_string(least) + " or a little more");
    return false;
  }
  void bits(uint32_t value, uint32_t known, std::string_view name) {
    if (value & ~known) complain("unknown bits in " + std::string(name) + ": " + std::to_string(value & ~known));
  }

 private:
  std::vector<std::string>& problems_;
  std::string part_;
};

template <typename T>
std::vector<T> entries(T const* list, std::string_view name, Reading& reading) {
  std::vector<T> out;
  for (; list && *list; ++list) {
    if (out.size() == kLongestList) {
      reading.complain("more than " + std::to_string(kLongestList) + " " + std::string(name) + ": is the list NULL-ended?");
      break;
    }
    out.push_back(*list);
  }
  return out;
}

ManifestSetting read_setting(const vrd_setting& from, Reading& reading) {
  ManifestSetting out;
  if (!reading.sized(from.size, sizeof(vrd_setting))) return out;
  out.key = reading.text(from.key, "key");
  if (!out.key.empty()) reading.part("setting " + in_quotes(out.key));
  out.type = from.type;
  out.flags = from.flags;
  out.since = from.since;
  out.doc = reading.text(from.doc, "doc");
  out.bounds = from.bounds ? from.bounds : "";
  if (from.dflt) out.fallback = from.dflt;
  reading.bits(from.flags, kSettingFlags, "flags");
  return out;
}

void judge_rights(const StageInfo& info, uint32_t may, Reading& reading) {
  for (const std::string& right : rights_words(may & kRightBits & ~info.edits))
    reading.complain("the right '" + right + "' does not exist at this stage");
}

ManifestHook read_hook(const vrd_hook& from, Reading& reading) {
  ManifestHook out;
  if (!reading.sized(from.size, sizeof(vrd_hook))) return out;
  out = {from.stage, from.order, from.needs, from.may, from.on_fault, from.flags, true};
  reading.part("hook of stage " + stage_text(from.stage));
  reading.bits(from.flags, VRD_HOOK_OPTIONAL, "flags");
  auto found = std::find_if(stages().begin(), stages().end(), [&](const StageInfo& info) { return static_cast<uint32_t>(info.stage) == from.stage; });
  out.known = found != stages().end();
  if (!out.known) {
    if ((from.flags & VRD_HOOK_OPTIONAL) == 0) reading.complain("this host has no such stage, and the hook is not optional");
    return out;
  }
  reading.bits(from.needs, VRD_NEED_CONTENT | VRD_NEED_RECEIVED, "needs");
  reading.bits(from.may, kRightBits, "may");
  judge_rights(*found, from.may, reading);
  if (from.on_fault > VRD_ON_FAULT_REJECT) reading.complain("unknown on_fault " + std::to_string(from.on_fault));
  if (from.zero != 0) reading.complain("'zero' is not 0");
  if (!from.call) reading.complain("call is NULL");
  return out;
}

bool is_command_name(std::string_view name) {
  auto words = split(name, ' ');
  return words.size() <= 3 && std::all_of(words.begin(), words.end(), [](std::string_view word) {
           return !word.empty() && word[0] >= 'a' && word[0] <= 'z' &&
                  word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
         });
}

ManifestCommand read_command(const vrd_command& from, Reading& reading) {
  ManifestCommand out;
  if (!reading.sized(from.size, sizeof(vrd_command))) return out;
  out.flags = from.flags;
  out.name = reading.text(from.name, "name");
  reading.part("command " + in_quotes(out.name));
  out.args = reading.text(from.args, "args");
  out.doc = reading.text(from.doc, "doc");
  reading.bits(from.flags, VRD_COMMAND_OFFLINE, "flags");
  if (!is_command_name(out.name)) reading.complain("the name is not one to three words of a-z, 0-9 and '-'");
  if (!from.run) reading.complain("run is NULL");
  return out;
}

bool is_service_id(std::string_view id) {
  size_t slash = id.rfind('/');
  return slash != std::string_view::npos && slash > 0 && parse_uint(id.substr(slash + 1)).has_value();
}

void read_lists(const vrd_plugin& from, Manifest& out, Reading& reading) {
  for (const vrd_setting* setting : entries(from.settings, "settings", reading)) {
    reading.part("setting " + std::to_string(out.settings.size() + 1));
    out.settings.push_back(read_setting(*setting, reading));
  }
  reading.part("");
  for (const vrd_hook* hook : entries(from.hooks, "hooks", reading)) {
    reading.part("hook " + std::to_string(out.hooks.size() + 1));
    out.hooks.push_back(read_hook(*hook, reading));
  }
  reading.part("");
  for (const vrd_command* command : entries(from.commands, "commands", reading)) {
    reading.part("command " + std::to_string(out.commands.size() + 1));
    out.commands.push_back(read_command(*command, reading));
  }
  reading.part("");
  for (const char* service : entries(from.services, "services", reading)) {
    if (!is_service_id(service)) reading.complain("service " + in_quotes(service) + " is not an id like svc.table/1");
    out.services.emplace_back(service);
  }
}

// A description of another generation, or longer than this host knows, cannot be read any further.
bool readable(const vrd_plugin& from, Reading& reading) {
  if (from.size < 8) return reading.sized(from.size, sizeof(vrd_plugin));
  if (from.abi > VRD_ABI || from.abi >> 16 != VRD_ABI >> 16) {
    reading.complain("built for ABI " + abi_text(from.abi) + ", this host offers " + abi_text(VRD_ABI) +
                     (from.abi > VRD_ABI ? ": it needs a newer Veredus" : ""));
    return false;
  }
  return reading.sized(from.size, sizeof(vrd_plugin));
}

}  // namespace

Manifest read_description(const vrd_plugin& from, std::vector<std::string>& problems) {
  Reading reading(problems);
  Manifest out;
  if (!readable(from, reading)) return out;
  out.abi = from.abi;
  out.threading = from.threading;
  out.id = reading.text(from.id, "id");
  out.version = reading.text(from.version, "version");
  out.license = reading.text(from.license, "license");
  out.summary = reading.text(from.summary, "summary");
  if (from.id && !is_plugin_id(out.id)) reading.complain("id " + in_quotes(out.id) + " is not 1 to 64 of a-z, 0-9, '.' and '-'");
  if (from.threading > VRD_SERIAL) reading.complain("unknown threading mode " + std::to_string(from.threading));
  reading.bits(from.flags, 0, "flags");
  if (!from.create) reading.complain("create is NULL");
  if (from.services && *from.services && !from.provide) reading.complain("provide is NULL, but services are listed");
  bool good_so_far = problems.empty();
  read_lists(from, out, reading);
  if (good_so_far && problems.empty()) check_schema(out, problems);
  return out;
}

}  // namespace veredus
