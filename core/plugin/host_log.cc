// core.log/1: events of plugins. Threads that run no loop leave the writing to the main loop.
#include <veredus/log.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "plugin/calls.h"
#include "plugin/instance.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kMostValues = 16, kLongestValue = 1024, kLongestName = 48;

struct PluginEvent {
  std::string name, plugin, id;
  Severity severity{};
  std::vector<std::pair<std::string, std::string>> values;
};

// Whatever is no event name becomes one.
std::string word(std::string_view text) {
  std::string out(text.substr(0, kLongestName));
  for (char& c : out)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) c = '_';
  return out.empty() ? "_" : out;
}

Severity severity_of(uint32_t level) { return static_cast<Severity>(std::min<uint32_t>(level, VRD_LOG_ERROR)); }

template <size_t... I>
void write_fields(Log& log, const EventDef& event, const Field* fields, std::index_sequence<I...>) {
  log.write(event, {fields[I]...});
}

using WriteFields = void (*)(Log&, const EventDef&, const Field*);
template <size_t... N>
constexpr std::array<WriteFields, sizeof...(N)> writers(std::index_sequence<N...>) {
  return {[](Log& log, const EventDef& event, const Field* fields) { write_fields(log, event, fields, std::make_index_sequence<N>()); }...};
}

void write_event(Log& log, const PluginEvent& event) {
  static constexpr auto kWriters = writers(std::make_index_sequence<kMostValues + 3>());
  EventDef def{event.name, event.severity, {}};
  std::vector<Field> fields{{"plugin", event.plugin}};
  if (!event.id.empty()) fields.emplace_back("id", event.id);
  for (const auto& [name, value] : event.values) fields.emplace_back(name, value);
  kWriters[fields.size()](log, def, fields.data());
}

std::string id_of(const vrd_view* given) {
  vrd_view* view = given ? checked(given, "core.log write") : nullptr;
  const Envelope* envelope = view ? view->subject->envelope : nullptr;
  return envelope && envelope->id ? envelope->id.text() : std::string();
}

int32_t log_wants(const vrd_host*, uint32_t level) {
  if (LoopServices* here = LoopServices::here()) return here->log.wants(severity_of(level)) ? 1 : 0;
  return level >= VRD_LOG_INFO ? 1 : 0;
}

void log_write(const vrd_host* host, uint32_t level, vrd_str event, const vrd_view* view, const vrd_pair* values, size_t count) {
  if (!host) return;
  LoopServices* here = LoopServices::here();
  if (here && !here->log.wants(severity_of(level))) return;
  Instance& instance = Instance::of(host);
  PluginEvent out;
  out.severity = severity_of(level);
  out.name = instance.name() + "." + word(text_of(event));
  out.plugin = instance.label();
  out.id = id_of(view);
  for (size_t i = 0; values && i < std::min(count, kMostValues); ++i)
    out.values.emplace_back(word(text_of(values[i].name)), text_of(values[i].value).substr(0, kLongestValue));
  if (here) return write_event(here->log, out);
  if (LoopServices* main = LoopServices::of(0))
    main->loop.post_call([main, out = std::move(out)] { write_event(main->log, out); });
}

constexpr vrd_core_log_1 kTable{VRD_SIZED(vrd_core_log_1), 0, log_wants, log_write};

}  // namespace

const vrd_core_log_1& core_log() { return kTable; }

}  // namespace veredus
