// Log: events as JSON lines on stderr, buffered per loop and written once a turn. Each event has one declared
// name (log/events.h). One Log per thread; not shared.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/clock.h"

namespace veredus {

enum class Severity : uint8_t { debug, info, notice, warning, error };
std::string_view severity_name(Severity severity);

struct EventDef {
  std::string_view name;  // "message.accepted"
  Severity severity;
  std::string_view doc;  // one sentence for the manual
};

struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, bool v) : key(k), value(v) {}
  template <typename T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Field(std::string_view k, T v) : key(k), value(static_cast<int64_t>(v)) {}
  Field(std::string_view k, double v) : key(k), value(v) {}
  std::string_view key;
  std::variant<std::string_view, int64_t, bool, double> value;
};

// Where finished lines go: stderr, a test's list, the control socket's followers. write() gets whole lines.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(std::string_view lines) = 0;
};

class Log {
 public:
  Log(const Clock& clock, LogSink& sink, Severity threshold = Severity::info);
  ~Log();
  void write(const EventDef& event, std::initializer_list<Field> fields);
  void flush();  // called at the end of a loop's turn
  void set_threshold(Severity threshold) { threshold_ = threshold; }
  bool wants(Severity severity) const { return severity >= threshold_; }  // before costly fields are made
  LogSink& sink() { return sink_; }  // for a Log of another thread

  // A line never exceeds this, its line feed included; values are cut, and "cut":true says so.
  static constexpr size_t kMaxLine = 8192;

 private:
  void append_time();

  const Clock& clock_;
  LogSink& sink_;
  Severity threshold_;
  std::string buffer_;
  int64_t second_ = -1;      // what second_text_ shows
  std::string second_text_;  // "2006-01-02T15:04:05."
};

}  // namespace veredus
