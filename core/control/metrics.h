// Metrics: the table of what is counted (metrics.def), and MetricsText, which renders values as Prometheus text. Other folders keep their
// counters; the worker hands over their values, so this knows neither sessions nor connections. Values; any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/stub_resolver.h"
#include "queue/queue.h"
#include "spool/spool.h"

namespace veredus {

struct MetricDef {
  enum class Kind : uint8_t { counter, gauge, histogram };
  std::string_view name;
  Kind kind;
  std::string_view labels;  // names, separated by commas
  std::string_view help;
};

namespace metrics {

#define VRD_METRIC(constant, name, kind, labels, help) inline constexpr MetricDef constant{name, MetricDef::Kind::kind, labels, help};
#include "control/metrics.def"
#undef VRD_METRIC

}  // namespace metrics

std::span<const MetricDef* const> all_metrics();  // in the order of metrics.def

// Collects samples in any order; text() groups them by metric in the order of the table. A metric without a sample is left out.
class MetricsText {
 public:
  MetricsText();
  template <std::integral T>
  void add(const MetricDef& metric, T value) {
    add_text(metric, {}, std::to_string(value));
  }
  void add(const MetricDef& metric, double value);
  // One value a label, in the order of the definition: `add(metrics::kSessions, {"0"}, 17)`.
  template <std::integral T>
  void add(const MetricDef& metric, std::initializer_list<std::string_view> label_values, T value) {
    add_text(metric, label_values, std::to_string(value));
  }

  // One labelled histogram: counts by bucket, the last one open, and the sum; upper limits in seconds.
  void add_histogram(const MetricDef& metric, std::string_view label_value, std::span<const uint64_t> buckets, std::span<const double> limits,
                     double sum);
  void add_queue(const QueueCounters& counters);
  void add_spool(const SpoolStatus& status);
  void add_dns(unsigned loop, const StubResolver::Counts& counts);
  // Version, start, memory and processor time of this process.
  void add_process(std::string_view version, WallTime started);

  std::string text() const;

 private:
  void add_text(const MetricDef& metric, std::initializer_list<std::string_view> label_values, std::string value);
  std::vector<std::string> samples_;  // one entry a row of the table: its lines
};

}  // namespace veredus
