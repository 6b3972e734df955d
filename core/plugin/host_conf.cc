// core.conf/1: the settings tree as plugins read it. Nothing here changes after create(); any thread.
#include <veredus/conf.h>

#include <mutex>
#include <set>
#include <string>

#include "plugin/instance.h"
#include "plugin/interfaces.h"
#include "plugin/schema.h"

namespace veredus {

namespace {

using Kind = vrd_conf::Kind;

vrd_str lent(const std::string& text) { return {text.c_str(), text.size()}; }

const vrd_conf* conf_get(const vrd_conf* mapping, const char* key) {
  return mapping && key && mapping->kind == Kind::map ? mapping->find(key) : nullptr;
}

size_t conf_count(const vrd_conf* node) {
  if (!node) return 0;
  return node->kind == Kind::scalar ? 1 : node->items.size();
}

const vrd_conf* conf_at(const vrd_conf* node, size_t index) {
  if (index >= conf_count(node)) return nullptr;
  return node->kind == Kind::scalar ? node : &node->items[index];
}

vrd_str conf_key_at(const vrd_conf* node, size_t index) {
  if (!node || node->kind != Kind::map || index >= node->keys.size()) return {"", 0};
  return lent(node->keys[index]);
}

vrd_str conf_text(const vrd_conf* node) {
  if (!node || node->kind != Kind::scalar) return {"", 0};
  return lent(node->text);
}

int64_t conf_number(const vrd_conf* node) { return node && node->kind == Kind::scalar ? node->number : 0; }

vrd_str conf_where(const vrd_conf* node) {
  if (!node) return {"", 0};
  return lent(node->where);
}

vrd_str conf_instance(const vrd_host* host) { return lent(Instance::of(host).prepared().fragment.instance); }

vrd_str conf_state_dir(const vrd_host* host) { return lent(Instance::of(host).prepared().state_dir); }

// Kept for good: there are few of them, and the answer has to live as long as the instance.
vrd_str kept(std::string text) {
  static std::mutex mutex;
  static auto* texts = new std::set<std::string>;
  std::lock_guard lock(mutex);
  return lent(*texts->insert(std::move(text)).first);
}

template <typename Values, typename Text>
std::string joined(const Values& values, Text text) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ",") + text(value);
  return out;
}

vrd_str conf_core(const vrd_host* host, const char* name) {
  const Instance& instance = Instance::of(host);
  const Settings& settings = instance.core_settings();
  std::string_view wanted = name ? name : "";
  if (wanted == "hostname") return lent(settings.hostname);
  if (wanted == "postmaster") return lent(settings.postmaster);
  if (wanted == "loops") return kept(std::to_string(instance.loops()));
  if (wanted == "relay_domains") return kept(joined(settings.relay_domains, [](const std::string& domain) { return domain; }));
  if (wanted == "local_domains" && settings.local_delivery) return kept(joined(settings.local_domains, [](const std::string& domain) { return domain; }));
  if (wanted == "relay_networks") return kept(joined(settings.relay_networks, [](const Network& network) { return network.text(); }));
  return {"", 0};
}

void conf_fail(vrd_err* err, const vrd_conf* node, vrd_str text) {
  if (!err) return;
  err->text = node && !node->where.empty() ? node->where + ": " : "";
  if (text.len > 0) err->text.append(text.ptr, text.len);
}

}  // namespace

const vrd_core_conf_1& core_conf() {
  static const vrd_core_conf_1 table = {VRD_SIZED(vrd_core_conf_1), 0, conf_get, conf_count, conf_at, conf_key_at, conf_text, conf_number,
                                        conf_where, conf_instance, conf_state_dir, conf_core, conf_fail};
  return table;
}

}  // namespace veredus
