// Loading, and the lint of a description.
#include "object.h"

#include <dlfcn.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/text.h"
#include "rules.h"
#include "settings.h"

namespace veredus::ptest {

namespace {

constexpr uint32_t kNeeds = VRD_NEED_CONTENT | VRD_NEED_RECEIVED;
constexpr uint32_t kRights = VRD_MAY_HEADERS | VRD_MAY_BODY | VRD_MAY_RECIPIENTS | VRD_MAY_SENDER | VRD_MAY_ROUTE | VRD_MAY_FIELDS | VRD_MAY_SPLIT |
                             VRD_MAY_NOTES | VRD_MAY_AUTHRES;
const std::set<std::string_view> kServices{"svc.table/1", "svc.router/1", "svc.deliver/1", "svc.auth/1", "svc.store/1", "svc.logsink/1", "svc.resolver/1", "svc.call/1",
                                            "svc.tls_policy/1"};

// Keys of a fragment that are the host's.
constexpr std::string_view kReservedKeys[] = {"plugin", "instance", "isolation", "on_fault", "timeout"};

class Lint {
 public:
  explicit Lint(const vrd_plugin& plugin) : plugin_(plugin) {}

  std::vector<std::string> run() {
    head();
    for (auto row = plugin_.settings; row && *row; ++row) setting(**row);
    for (auto row = plugin_.hooks; row && *row; ++row) hook(**row);
    for (auto row = plugin_.commands; row && *row; ++row) command(**row);
    services();
    return std::move(problems_);
  }

 private:
  void need(bool good, const std::string& problem) {
    if (!good) problems_.push_back(problem);
  }
  static bool is_id(const char* id) {
    std::string_view text = id ? id : "";
    auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), good);
  }
  static bool is_line(const char* text) { return text && *text && std::string_view(text).find('\n') == std::string_view::npos; }

  void head() {
    need((plugin_.abi >> 16) == (VRD_ABI >> 16) && plugin_.abi <= VRD_ABI, "abi is of another generation, or newer than this host");
    need(plugin_.threading <= VRD_SERIAL, "threading is unknown");
    need(plugin_.flags == 0, "flags has unknown bits");
    need(is_id(plugin_.id), "id is not [a-z0-9.-]{1,64}");
    need(is_line(plugin_.version), "version is missing");
    need(is_line(plugin_.license), "license is missing: an SPDX identifier");
    need(is_line(plugin_.summary), "summary is missing: one line");
    need(plugin_.create != nullptr, "create is missing");
    need(!plugin_.hooks || !*plugin_.hooks || plugin_.create, "hooks without create");
  }

  void setting(const vrd_setting& row) {
    std::string name = row.key ? row.key : "?";
    std::string problem = setting_problem(row);
    need(problem.empty(), "setting " + name + ": " + problem);
    if (!row.key) return;
    bool reserved = std::find(std::begin(kReservedKeys), std::end(kReservedKeys), name) != std::end(kReservedKeys);
    need(!reserved, "setting " + name + ": the name is reserved for the host");
    need(keys_.insert(name).second, "setting " + name + " is there twice");
    size_t dot = name.rfind('.');
    if (dot == name.npos) return;
    std::string parent = name.substr(0, dot);
    bool list = parent.ends_with("[]");
    if (list) parent.resize(parent.size() - 2);
    bool found = false;
    for (auto other = plugin_.settings; *other; ++other)
      found = found || ((*other)->key && parent == bare((*other)->key) && (*other)->type == VRD_SETTING_RECORD && list == (((*other)->flags & VRD_SETTING_LIST) != 0));
    need(found, "setting " + name + ": there is no record " + parent + (list ? " with the flag list" : ""));
  }
  static std::string bare(const char* key) { return key; }

  void hook(const vrd_hook& row) {
    std::string name = "hook at stage " + std::to_string(row.stage);
    need(row.size >= sizeof(vrd_hook), name + ": its size is too small");
    if (row.size < sizeof(vrd_hook)) return;
    const StageRule* rule = stage_rule(row.stage);
    need(rule || (row.flags & VRD_HOOK_OPTIONAL), name + ": no such stage");
    if (rule) name = "hook at " + std::string(rule->name);
    need(row.call != nullptr, name + ": call is missing");
    need((row.needs & ~kNeeds) == 0, name + ": needs has unknown bits");
    need((row.may & ~kRights) == 0, name + ": may has unknown bits");
    need(!rule || (row.may & kRights & ~rule->edits) == 0, name + ": may has a right that the stage does not allow");
    need(row.on_fault <= VRD_ON_FAULT_REJECT, name + ": on_fault is unknown");
    need((row.flags & ~VRD_HOOK_OPTIONAL) == 0 && row.zero == 0, name + ": unknown flags");
  }

  void command(const vrd_command& row) {
    std::string name = std::string("command ") + (row.name ? row.name : "?");
    need(row.size >= sizeof(vrd_command), name + ": its size is too small");
    if (row.size < sizeof(vrd_command)) return;
    std::string_view words = row.name ? row.name : "";
    need(!words.empty() && std::count(words.begin(), words.end(), ' ') <= 2, name + ": a name has one to three words");
    need(is_line(row.doc), name + ": doc is missing");
    need(row.args != nullptr, name + ": args is missing; empty when there are none");
    need((row.flags & ~VRD_COMMAND_OFFLINE) == 0, name + ": unknown flags");
    need(row.run != nullptr, name + ": run is missing");
  }

  void services() {
    bool some = plugin_.services && *plugin_.services;
    need(!some || plugin_.provide, "services without provide");
    for (auto id = plugin_.services; id && *id; ++id) need(kServices.contains(*id), std::string("service ") + *id + " is unknown");
  }

  const vrd_plugin& plugin_;
  std::vector<std::string> problems_;
  std::set<std::string> keys_;
};

std::string text(const char* given) { return given ? std::string("'") + given + "'" : "null"; }
std::string number(uint64_t given) { return std::to_string(given) + " "; }
template <typename T>
std::string pointer(T* given) { return number(reinterpret_cast<uintptr_t>(given)); }

}  // namespace

Result<const vrd_plugin*> load(const std::string& path) {
  void* object = dlopen(path.find('/') == path.npos ? ("./" + path).c_str() : path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!object) return fail(Errc::invalid, std::string("cannot be loaded: ") + dlerror());
  void* symbol = dlsym(object, "veredus_plugin_1");
  if (!symbol) return fail(Errc::invalid, "exports no veredus_plugin_1");
  const vrd_plugin* plugin = reinterpret_cast<const vrd_plugin* (*)()>(symbol)();
  if (!plugin) return fail(Errc::invalid, "veredus_plugin_1 returned NULL");
  return plugin;
}

std::vector<std::string> description_problems(const vrd_plugin* plugin) {
  if (plugin->size < sizeof(vrd_plugin)) return {"the description's size is too small"};
  return Lint(*plugin).run();
}

std::string description_text(const vrd_plugin* plugin) {
  const vrd_plugin& p = *plugin;
  std::string out = number(p.size) + number(p.abi) + number(p.threading) + number(p.flags) + text(p.id) + text(p.version) + text(p.license) + text(p.summary);
  for (auto row = p.settings; row && *row; ++row)
    out += number((*row)->type) + number((*row)->flags) + text((*row)->key) + text((*row)->dflt) + text((*row)->bounds) + text((*row)->doc);
  for (auto row = p.hooks; row && *row; ++row) {
    const vrd_hook& h = **row;
    out += number(h.stage) + std::to_string(h.order) + " " + number(h.needs) + number(h.may) + number(h.on_fault) + number(h.flags) + pointer(h.call) + pointer(h.cancel);
  }
  for (auto row = p.commands; row && *row; ++row)
    out += number((*row)->flags) + text((*row)->name) + text((*row)->args) + text((*row)->doc) + pointer((*row)->run);
  for (auto id = p.services; id && *id; ++id) out += text(*id);
  return out + pointer(p.create) + pointer(p.shard_start) + pointer(p.shard_stop) + pointer(p.quiesce) + pointer(p.destroy) + pointer(p.provide);
}

}  // namespace veredus::ptest
