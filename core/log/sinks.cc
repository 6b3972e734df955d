// FanOutSink and ListSink.
#include "log/sinks.h"

#include "base/text.h"

namespace veredus {

void FanOutSink::add(LogSink* sink) {
  std::lock_guard lock(mutex_);
  sinks_.push_back(sink);
}

void FanOutSink::remove(LogSink* sink) {
  std::lock_guard lock(mutex_);
  std::erase(sinks_, sink);
}

void FanOutSink::write(std::string_view lines) {
  std::lock_guard lock(mutex_);
  for (LogSink* sink : sinks_) sink->write(lines);
}

void ListSink::write(std::string_view lines) {
  std::lock_guard lock(mutex_);
  text_.append(lines);
}

std::vector<std::string> ListSink::lines() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (std::string_view line : split(text_, '\n'))
    if (!line.empty()) out.emplace_back(line);
  return out;
}

std::string ListSink::text() const {
  std::lock_guard lock(mutex_);
  return text_;
}

size_t ListSink::count(std::string_view event) const {
  std::string mark = "\"event\":\"" + std::string(event) + "\"";
  size_t found = 0;
  for (const std::string& line : lines()) found += line.find(mark) != std::string::npos;
  return found;
}

void ListSink::clear() {
  std::lock_guard lock(mutex_);
  text_.clear();
}

}  // namespace veredus
