// Implementation of clocks, histogram, JSON object and line file.
#include "common/measure.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <ctime>

#include "common/text.h"

namespace veredus::tools {
namespace {

constexpr unsigned kSubBits = 6;
constexpr std::size_t kBuckets = (64 - kSubBits) << kSubBits;

std::size_t bucket_of(std::uint64_t micros) {
  const unsigned width = static_cast<unsigned>(std::bit_width(micros));
  if (width <= kSubBits + 1) return micros;
  const unsigned shift = width - kSubBits - 1;
  return (static_cast<std::size_t>(shift) << kSubBits) + (micros >> shift);
}

double bucket_middle(std::size_t bucket) {
  if (bucket < (2U << kSubBits)) return static_cast<double>(bucket);
  const std::size_t shift = (bucket >> kSubBits) - 1;
  const std::size_t base = bucket - (shift << kSubBits);
  return (static_cast<double>(base) + 0.5) * std::ldexp(1.0, static_cast<int>(shift));
}

timespec read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time;
}

}  // namespace

std::int64_t now_ns() {
  const auto time = read_clock(CLOCK_MONOTONIC);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

double wall_seconds() {
  const auto time = read_clock(CLOCK_REALTIME);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void append_wall_time(std::string& out) {
  const auto time = read_clock(CLOCK_REALTIME);
  append_number(out, static_cast<std::uint64_t>(time.tv_sec));
  const auto micros = static_cast<std::uint64_t>(time.tv_nsec / 1000);
  std::array<char, 7> digits{'.', '0', '0', '0', '0', '0', '0'};
  auto rest = micros;
  for (std::size_t i = 6; rest != 0; --i, rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
  out.append(digits.data(), digits.size());
}

Histogram::Histogram() : buckets_(kBuckets + (2U << kSubBits)) {}

void Histogram::record_ns(std::int64_t duration) {
  const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(duration, 0)) / 1000;
  ++buckets_[bucket_of(micros)];
  ++count_;
  sum_ += micros;
  max_ = std::max(max_, micros);
}

double Histogram::percentile_ms(double percent) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(static_cast<double>(count_) * percent / 100.0));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(bucket_middle(i), static_cast<double>(max_)) / 1000.0;
  }
  return max_ms();
}

double Histogram::mean_ms() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_) / 1000.0;
}

void JsonObject::begin(std::string_view key) {
  if (!body_.empty()) body_ += ", ";
  body_ += '"';
  body_ += key;
  body_ += "\": ";
}

JsonObject& JsonObject::add(std::string_view key, std::uint64_t value) {
  begin(key);
  append_number(body_, value);
  return *this;
}

JsonObject& JsonObject::add(std::string_view key, double value) {
  begin(key);
  std::array<char, 48> digits{};
  const int length = std::snprintf(digits.data(), digits.size(), "%.6f", std::isfinite(value) ? value : 0.0);
  body_.append(digits.data(), static_cast<std::size_t>(length));
  return *this;
}

JsonObject& JsonObject::add(std::string_view key, std::string_view value) {
  begin(key);
  body_ += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') body_ += '\\';
    body_ += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  body_ += '"';
  return *this;
}

JsonObject& JsonObject::add(std::string_view key, const JsonObject& value) {
  begin(key);
  body_ += value.text();
  return *this;
}

JsonObject& JsonObject::add(std::string_view key, const Histogram& value) {
  JsonObject inner;
  inner.add("p50", value.percentile_ms(50)).add("p99", value.percentile_ms(99));
  inner.add("p99.9", value.percentile_ms(99.9)).add("mean", value.mean_ms()).add("max", value.max_ms());
  return add(key, inner);
}

bool LineFile::open(const std::string& path) {
  file_.reset(std::fopen(path.c_str(), "we"));
  if (file_) std::setvbuf(file_.get(), nullptr, _IOFBF, 1U << 16);
  return is_open();
}

void LineFile::write(std::string_view line) {
  if (file_) fwrite_unlocked(line.data(), 1, line.size(), file_.get());
}

void LineFile::flush() {
  if (file_) std::fflush(file_.get());
}

}  // namespace veredus::tools
