// core.conf/1: reads the checked tree, and takes errors with their place. Any thread.
#include <filesystem>

#include "bench.h"

namespace veredus::ptest {

namespace {

const vrd_conf* get(const vrd_conf* mapping, const char* key) {
  if (!mapping || !key) return nullptr;
  for (const auto& [name, value] : mapping->entries)
    if (mapping->kind == vrd_conf::Kind::map && name == key) return value.get();
  auto found = mapping->defaults.find(key);
  if (found != mapping->defaults.end()) return found->second.get();
  if (!mapping->keys.empty() && !mapping->keys.contains(key)) watch().breach("arguments", std::string("core.conf get of '") + key + "', which the schema does not have");
  return nullptr;
}

size_t count(const vrd_conf* node) {
  if (!node) return 0;
  return node->kind == vrd_conf::Kind::scalar ? 1 : node->entries.size();
}

const vrd_conf* at(const vrd_conf* node, size_t index) {
  if (!node || index >= count(node)) return nullptr;
  return node->kind == vrd_conf::Kind::scalar ? node : node->entries[index].second.get();
}

vrd_str key_at(const vrd_conf* node, size_t index) {
  bool there = node && node->kind == vrd_conf::Kind::map && index < node->entries.size();
  return there ? str_of(node->entries[index].first) : no_str();
}

vrd_str text(const vrd_conf* node) { return node && node->kind == vrd_conf::Kind::scalar ? str_of(node->text) : no_str(); }
int64_t number(const vrd_conf* node) { return node && node->kind == vrd_conf::Kind::scalar ? node->number : 0; }
vrd_str where(const vrd_conf* node) { return node ? str_of(node->where) : no_str(); }

vrd_str instance_of(const vrd_host* host) {
  Instance* instance = nullptr;
  return gate(host, "core.conf instance", Where::any, &instance) == VRD_OK ? str_of(instance->label) : no_str();
}

vrd_str state_dir(const vrd_host* host) {
  Instance* instance = nullptr;
  return gate(host, "core.conf state_dir", Where::any, &instance) == VRD_OK ? str_of(instance->state_dir) : no_str();
}

vrd_str core_value(const vrd_host* host, const char* name) {
  Instance* instance = nullptr;
  if (gate(host, "core.conf core", Where::any, &instance) != VRD_OK || !name) return no_str();
  auto found = instance->core_values.find(name);
  return found == instance->core_values.end() ? no_str() : str_of(found->second);
}

void fail_with(vrd_err* err, const vrd_conf* node, vrd_str text) {
  if (!err) return;
  err->text = (node ? node->where + ": " : "") + string_of(text);
}

}  // namespace

const vrd_core_conf_1* conf_table() {
  static const vrd_core_conf_1 kTable{sizeof(vrd_core_conf_1), 0, get, count, at, key_at, text, number, where, instance_of, state_dir, core_value, fail_with};
  return &kTable;
}

}  // namespace veredus::ptest
