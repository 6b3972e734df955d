// What a host offers to conditions, in memory, for unit tests: settings, a view, tables that answer when they are told to. One thread.
#ifndef VEREDUS_PLUGINS_COMMON_TEST_HOST_HPP
#define VEREDUS_PLUGINS_COMMON_TEST_HOST_HPP

#include <veredus/plugin.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

/** A setting: a scalar, a list, or a mapping. */
struct vrd_conf {
  std::string text;
  int64_t number = 0;
  std::vector<vrd_conf> items;
  std::vector<std::string> keys = {};  // of a mapping
};

/** A message with its session. */
struct vrd_view {
  std::map<uint32_t, std::string> texts;
  std::vector<std::string> recipients;
  std::map<std::string, std::string> notes;
  std::vector<std::pair<std::string, std::string>> headers;
  uint64_t size = 0;
};

namespace test {

inline vrd_conf text(std::string value, int64_t number = 0) { return {std::move(value), number, {}, {}}; }
inline vrd_conf list(std::vector<vrd_conf> items) { return {"", 0, std::move(items), {}}; }
inline vrd_conf map(std::vector<std::pair<std::string, vrd_conf>> entries) {
  vrd_conf out;
  for (auto& [key, value] : entries) {
    out.keys.push_back(std::move(key));
    out.items.push_back(std::move(value));
  }
  return out;
}

/** Whether `body` refuses the configuration, and with what words. */
template <class Body>
std::string refusal(Body body) {
  try {
    body();
  } catch (const vrd::Refused& refused) {
    return refused.what();
  }
  return "accepted";
}

class FakeHost {
 public:
  FakeHost() { host = this; }
  ~FakeHost() { host = nullptr; }
  FakeHost(const FakeHost&) = delete;

  /** Answers look-ups that were asked for, those too that the answers ask for. */
  void answer() {
    while (!asked.empty()) {
      Asked one = std::move(asked.front());
      asked.erase(asked.begin());
      std::vector<vrd_table_row> rows;
      for (const std::string& key : one.keys) {
        const auto found = tables[one.table].find(key);
        const bool has = found != tables[one.table].end();
        rows.push_back({has ? 1u : 0u, 0, has ? vrd::str(found->second) : vrd_str{nullptr, 0}});
      }
      one.fn(one.context, broken ? VRD_E_TEMPORARY : VRD_OK, broken ? nullptr : rows.data(), broken ? 0 : rows.size());
    }
  }

  struct Asked {
    uint32_t table;
    std::vector<std::string> keys;
    void* context;
    vrd_table_fn fn;
  };
  std::vector<std::string> names;
  std::map<uint32_t, std::map<std::string, std::string>> tables;
  std::vector<Asked> asked;
  size_t look_ups = 0;
  bool broken = false;

  static inline FakeHost* host = nullptr;
  static const void* iface(const vrd_host*, const char* id) {
    const std::string_view name(id);
    if (name == VRD_CORE_CONF_1) return &kConf;
    if (name == VRD_CORE_MESSAGE_1) return &kMessage;
    if (name == VRD_CORE_TABLE_1) return &kTable;
    return nullptr;
  }
  static inline const vrd_host raw{VRD_SIZED(vrd_host), VRD_ABI, "0", &iface};

 private:
  static const vrd_conf* get(const vrd_conf* map, const char* key) {
    for (size_t i = 0; i < map->keys.size(); i++)
      if (map->keys[i] == key) return &map->items[i];
    return nullptr;
  }
  static bool is_list(const vrd_conf* node) { return !node->items.empty() && node->keys.empty(); }
  static size_t count(const vrd_conf* node) { return node == nullptr ? 0 : is_list(node) ? node->items.size() : 1; }
  static const vrd_conf* at(const vrd_conf* node, size_t index) {
    if (!is_list(node)) return index == 0 ? node : nullptr;
    return index < node->items.size() ? &node->items[index] : nullptr;
  }
  static vrd_str text_of(const vrd_conf* node) { return vrd::str(node->text); }
  static int64_t number_of(const vrd_conf* node) { return node->number; }
  static constexpr vrd_core_conf_1 kConf{VRD_SIZED(vrd_core_conf_1), 0, get, count, at, nullptr, text_of, number_of, nullptr, nullptr, nullptr, nullptr, nullptr};

  static vrd_status say(std::string_view text, vrd_value* out) {
    out->kind = text.empty() ? VRD_NONE : VRD_TEXT;
    out->text = vrd::str(text);
    return VRD_OK;
  }
  static vrd_status attr_of(const vrd_view* view, uint32_t id, uint32_t index, vrd_value* out) {
    if (index >= view->recipients.size()) return VRD_E_INVALID;
    const std::string_view all = view->recipients[index];
    return say(id == VRD_ATTR_RECIPIENT ? all : all.substr(all.rfind('@') + 1), out);
  }
  static vrd_status attr(const vrd_view* view, uint32_t id, vrd_value* out) {
    if (id == VRD_ATTR_RECIPIENT_COUNT) return *out = {VRD_NUMBER, 0, static_cast<int64_t>(view->recipients.size()), {}}, VRD_OK;
    if (id == VRD_ATTR_RECIPIENT || id == VRD_ATTR_RECIPIENT_DOMAIN) return attr_of(view, id, 0, out);
    const auto found = view->texts.find(id);
    return say(found == view->texts.end() ? std::string_view() : found->second, out);
  }
  static vrd_status note(const vrd_view* view, vrd_str key, vrd_str* out) {
    const auto found = view->notes.find(vrd::copy(key));
    if (found == view->notes.end()) return VRD_E_NOT_FOUND;
    return *out = vrd::str(found->second), VRD_OK;
  }
  static vrd_status header(const vrd_view* view, vrd_str name, uint32_t occurrence, vrd_str* value, uint32_t*) {
    for (const auto& [known, text] : view->headers)
      if (known == vrd::view(name) && --occurrence == 0) return *value = vrd::str(text), VRD_OK;
    return VRD_E_NOT_FOUND;
  }
  static uint64_t size_of(const vrd_view* view) { return view->size; }
  static constexpr vrd_core_message_1 kMessage{VRD_SIZED(vrd_core_message_1), 0, attr, attr_of, nullptr, note, nullptr, nullptr, header, size_of, nullptr, nullptr};

  static vrd_status open(const vrd_host*, vrd_str name, uint32_t* table) {
    host->names.push_back(vrd::copy(name));
    return *table = static_cast<uint32_t>(host->names.size()), VRD_OK;
  }
  static vrd_status lookup(const vrd_host*, uint32_t table, const vrd_str* keys, size_t key_count, uint32_t, void* context, vrd_table_fn fn, vrd_op* op) {
    Asked one{table, {}, context, fn};
    for (size_t i = 0; i < key_count; i++) one.keys.push_back(vrd::copy(keys[i]));
    host->asked.push_back(std::move(one));
    return *op = ++host->look_ups, VRD_OK;
  }
  static void cancel(const vrd_host*, vrd_op) {}
  static constexpr vrd_core_table_1 kTable{VRD_SIZED(vrd_core_table_1), 0, open, lookup, cancel};
};

}  // namespace test
#endif
