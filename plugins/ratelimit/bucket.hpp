// Rates as they are written in settings, and the buckets of core.kv that keep them. Values; any thread.
#ifndef VEREDUS_PLUGINS_RATELIMIT_BUCKET_HPP
#define VEREDUS_PLUGINS_RATELIMIT_BUCKET_HPP

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace ratelimit {

/** So much in so long: "100/1h", "50MiB/1d", "1/s". */
struct Rate {
  int64_t count = 0, period_ms = 0;
};

constexpr int64_t kMostCount = int64_t{1} << 40;

namespace detail {

inline int64_t factor_of(std::string_view unit, std::string_view rate) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  for (const auto& [name, factor] : kUnits)
    if (name == unit) return factor;
  throw std::invalid_argument("'" + std::string(rate) + "': the count is a number, or a size in KiB, MiB, GiB");
}

inline int64_t milliseconds_of(std::string_view unit, std::string_view rate) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {{"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  for (const auto& [name, time] : kUnits)
    if (name == unit) return time;
  throw std::invalid_argument("'" + std::string(rate) + "': the time behind the slash is a number with s, m, h or d");
}

/** The number that `text` begins with, `otherwise` when it begins with none, and the rest. */
inline std::pair<int64_t, std::string_view> leading(std::string_view text, int64_t otherwise) {
  int64_t value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return {-1, text};
  if (error != std::errc()) return {otherwise, text};
  return {value, text.substr(static_cast<size_t>(at - text.data()))};
}

}  // namespace detail

/** Throws std::invalid_argument. */
inline Rate rate_of(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == text.npos) throw std::invalid_argument("'" + std::string(text) + "' is no rate: write 100/1h");
  const auto [count, size_unit] = detail::leading(text.substr(0, slash), -1);
  const auto [periods, time_unit] = detail::leading(text.substr(slash + 1), 1);
  const int64_t factor = detail::factor_of(size_unit, text), period = detail::milliseconds_of(time_unit, text);
  if (count < 1 || count > kMostCount / factor) throw std::invalid_argument("'" + std::string(text) + "': the count is 1 to 1024GiB");
  if (periods < 1 || periods > 366LL * 86'400'000 / period) throw std::invalid_argument("'" + std::string(text) + "': the time is 1s to 366d");
  return {count * factor, periods * period};
}

/** A bucket of core.kv. It counts thousandths of a token a second, which is too coarse for slow rates: one of ours is `scale` of its tokens. */
struct Bucket {
  int64_t scale = 1, capacity = 1, per_second = 1;

  Bucket() = default;
  Bucket(const Rate& rate, int64_t burst) {
    constexpr double kPrecise = 1e5;
    constexpr int64_t kMostTokens = 1'000'000'000'000;
    const double thousandths = static_cast<double>(rate.count) * 1e6 / static_cast<double>(rate.period_ms);
    while (thousandths * static_cast<double>(scale) < kPrecise && burst <= kMostTokens / (scale * 10)) scale *= 10;
    capacity = burst * scale;
    per_second = static_cast<int64_t>(std::ceil(thousandths * static_cast<double>(scale)));  // never slower than was promised
  }
  /** Tokens for so many of ours; what is more than the bucket ever holds takes all of it. */
  int64_t tokens(int64_t count) const { return count >= capacity / scale ? capacity : count * scale; }
};

}  // namespace ratelimit
#endif
