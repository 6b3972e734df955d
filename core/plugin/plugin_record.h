// PluginRecord: what is known of one instance of a plugin for as long as anybody may ask, also after it has ended: its name, what of the
// host's it still holds, and how often it did what it may not. Shared; everything here may be used on any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace veredus {

class SerialCalls;

class PluginRecord {
 public:
  static constexpr uint32_t kMostNumbers = 1 << 24;
  static std::shared_ptr<PluginRecord> make(std::string label, bool serial);
  static std::shared_ptr<PluginRecord> of(uint32_t number);  // null when there is none any more
  ~PluginRecord();

  const std::string& label() const { return label_; }  // "NAME" or "NAME/INSTANCE"
  uint32_t number() const { return number_; }          // never used twice, never 0

  // The plugin did what the interface does not allow. Counted always, logged at most once a second: plugin.misbehaved.
  void misbehaved(std::string_view function, std::string_view reason);
  // It answered what had been answered, timed out or aborted before. Counted and logged likewise: plugin.late.
  void late(std::string_view function);

  std::atomic<uint64_t> views{0}, edits{0};  // held now
  std::atomic<uint64_t> misdeeds{0}, late_answers{0};
  SerialCalls* serial() const { return serial_.get(); }  // of a serial plugin: its calls that wait for an answer

 private:
  PluginRecord(std::string label, uint32_t number);

  std::string label_;
  uint32_t number_;
  std::unique_ptr<SerialCalls> serial_;
  std::atomic<int64_t> last_misdeed_{0}, last_late_{0};  // when it was logged
};

// A call into a plugin. Nothing that it throws comes further: false, and the plugin is named in the log.
template <typename F>
bool guarded(PluginRecord& record, std::string_view function, F call) noexcept {
  try {
    call();
    return true;
  } catch (const std::exception& error) {
    record.misbehaved(function, std::string("threw an exception: ") + error.what());
  } catch (...) {
    record.misbehaved(function, "threw an exception");
  }
  return false;
}

}  // namespace veredus
