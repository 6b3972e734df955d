// What both tools measure with: clocks, a histogram of durations with a bounded relative error, a JSON
// object written in order, and a buffered file of lines. Single-threaded.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::tools {

/// Monotonic nanoseconds.
std::int64_t now_ns();
/// Seconds since the epoch with microseconds, as used in every file the tools write.
double wall_seconds();
void append_wall_time(std::string& out);

/// Log-linear buckets of microseconds: 64 to each power of two, so a percentile is at most 1.6 % off.
class Histogram {
 public:
  Histogram();
  void record_ns(std::int64_t duration);
  std::uint64_t count() const { return count_; }
  double percentile_ms(double percent) const;
  double mean_ms() const;
  double max_ms() const { return static_cast<double>(max_) / 1000.0; }

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

/// One JSON object on one line, keys in the order they were added.
class JsonObject {
 public:
  JsonObject& add(std::string_view key, std::uint64_t value);
  JsonObject& add(std::string_view key, double value);
  JsonObject& add(std::string_view key, std::string_view value);
  JsonObject& add(std::string_view key, const JsonObject& value);
  JsonObject& add(std::string_view key, const Histogram& value);
  std::string text() const { return "{" + body_ + "}"; }

 private:
  void begin(std::string_view key);
  std::string body_;
};

/// Appends lines; the owner calls flush() often enough for whoever follows the file.
class LineFile {
 public:
  bool open(const std::string& path);
  bool is_open() const { return file_ != nullptr; }
  void write(std::string_view line);
  void flush();

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Closer> file_;
};

}  // namespace veredus::tools
