// Log: one JSON object a line, built in place in the buffer. No allocation once the buffer has grown.
#include "log/log.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "log/json_text.h"
#include "log/redaction.h"

namespace veredus {

namespace {

constexpr size_t kFlushAt = 256 * 1024;  // a turn that logs more than this writes early
constexpr size_t kMaxKey = 64;
constexpr std::string_view kCutMark = ",\"cut\":true";
constexpr size_t kLineRoom = Log::kMaxLine - kCutMark.size() - 2;  // 2: "}\n"
constexpr size_t kLeastValue = 40;  // less room than this: the field is left out

template <typename T>
void append_number(std::string& out, T value) {
  char digits[40];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

void append_double(std::string& out, double value) {
  if (std::isfinite(value))
    append_number(out, value);
  else
    out.append("null");
}

bool append_value(std::string& out, const Field& field, size_t room) {
  if (is_secret_key(field.key)) return append_json_string(out, kHiddenValue, room);
  if (auto* text = std::get_if<std::string_view>(&field.value)) return append_json_string(out, *text, room);
  if (auto* number = std::get_if<int64_t>(&field.value))
    append_number(out, *number);
  else if (auto* yes = std::get_if<bool>(&field.value))
    out.append(*yes ? "true" : "false");
  else
    append_double(out, std::get<double>(field.value));
  return true;
}

// Returns false when the field did not fit whole.
bool append_field(std::string& out, size_t line_start, const Field& field) {
  size_t used = out.size() - line_start;
  if (used + kMaxKey + kLeastValue > kLineRoom) return false;
  out.push_back(',');
  append_json_string(out, field.key, kMaxKey);
  out.push_back(':');
  return append_value(out, field, kLineRoom - (out.size() - line_start));
}

}  // namespace

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::debug:
      return "debug";
    case Severity::info:
      return "info";
    case Severity::notice:
      return "notice";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "error";
}

Log::Log(const Clock& clock, LogSink& sink, Severity threshold)
    : clock_(clock), sink_(sink), threshold_(threshold) {}

Log::~Log() {
  flush();
}

void Log::append_time() {
  WallTime now = clock_.wall();
  auto second = std::chrono::floor<Seconds>(now);
  if (second.time_since_epoch().count() != second_) {
    second_ = second.time_since_epoch().count();
    second_text_ = iso8601(second);
    second_text_.resize(second_text_.size() - 4);  // without "000Z"
  }
  auto millis = static_cast<unsigned>((now - second).count());
  char tail[] = {static_cast<char>('0' + millis / 100), static_cast<char>('0' + millis / 10 % 10),
                 static_cast<char>('0' + millis % 10), 'Z'};
  buffer_.append(second_text_).append(tail, sizeof tail);
}

void Log::write(const EventDef& event, std::initializer_list<Field> fields) {
  if (!wants(event.severity)) return;
  size_t start = buffer_.size();
  buffer_.append("{\"time\":\"");
  append_time();
  buffer_.append("\",\"level\":\"").append(severity_name(event.severity)).append("\",\"event\":");
  append_json_string(buffer_, event.name, kMaxKey);
  bool whole = true;
  for (const Field& field : fields) whole &= append_field(buffer_, start, field);
  if (!whole) buffer_.append(kCutMark);
  buffer_.append("}\n");
  if (buffer_.size() >= kFlushAt) flush();
}

void Log::flush() {
  if (buffer_.empty()) return;
  sink_.write(buffer_);
  buffer_.clear();
}

}  // namespace veredus
