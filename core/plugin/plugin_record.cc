// Records by number, and the log of what plugins do wrong.
#include "plugin/plugin_record.h"

#include <chrono>
#include <map>
#include <mutex>

#include "log/events.h"
#include "plugin/loop_services.h"
#include "plugin/serial_calls.h"

namespace veredus {

namespace {

struct Records {
  std::mutex mutex;
  std::map<uint32_t, std::weak_ptr<PluginRecord>> by_number;
  uint32_t last = 0;
};

Records& records() {
  static auto* table = new Records;  // outlives every thread that may still ask
  return *table;
}

int64_t steady_ms() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool is_time(std::atomic<int64_t>& last) {
  int64_t now = steady_ms(), before = last.load(std::memory_order_relaxed);
  return (before == 0 || now - before >= 1000) && last.compare_exchange_strong(before, now, std::memory_order_relaxed);
}

// Threads that run no loop leave it to the main loop.
void write(const EventDef& event, const std::string& plugin, std::string_view function, std::string_view reason) {
  if (LoopServices* here = LoopServices::here()) {
    here->log.write(event, {{"plugin", plugin}, {"function", function}, {"reason", reason}});
  } else if (LoopServices* main = LoopServices::of(0)) {
    main->loop.post_call([main, &event, plugin, function = std::string(function), reason = std::string(reason)] {
      main->log.write(event, {{"plugin", plugin}, {"function", function}, {"reason", reason}});
    });
  }
}

}  // namespace

PluginRecord::PluginRecord(std::string label, uint32_t number) : label_(std::move(label)), number_(number) {}

PluginRecord::~PluginRecord() {
  std::lock_guard lock(records().mutex);
  records().by_number.erase(number_);
}

std::shared_ptr<PluginRecord> PluginRecord::make(std::string label, bool serial) {
  Records& table = records();
  std::lock_guard lock(table.mutex);
  table.last = table.last + 1 == kMostNumbers ? 1 : table.last + 1;
  std::shared_ptr<PluginRecord> out(new PluginRecord(std::move(label), table.last));
  if (serial) out->serial_ = std::make_unique<SerialCalls>();
  table.by_number[table.last] = out;
  return out;
}

std::shared_ptr<PluginRecord> PluginRecord::of(uint32_t number) {
  std::lock_guard lock(records().mutex);
  auto found = records().by_number.find(number);
  return found == records().by_number.end() ? nullptr : found->second.lock();
}

void PluginRecord::misbehaved(std::string_view function, std::string_view reason) {
  misdeeds.fetch_add(1, std::memory_order_relaxed);
  if (is_time(last_misdeed_)) write(events::kPluginMisbehaved, label_, function, reason);
}

void PluginRecord::late(std::string_view function) {
  late_answers.fetch_add(1, std::memory_order_relaxed);
  if (is_time(last_late_)) write(events::kPluginLate, label_, function, "answered, timed out or aborted before");
}

}  // namespace veredus
