// Prometheus text: grouping, escaping, and the values that control can read by itself.
#include "control/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cassert>
#include <charconv>
#include <cstdio>

#include "base/text.h"

namespace veredus {

namespace {

constexpr const MetricDef* kAll[] = {
#define VRD_METRIC(constant, name, kind, labels, help) &metrics::constant,
#include "control/metrics.def"
#undef VRD_METRIC
};

size_t row_of(const MetricDef& metric) {
  size_t row = 0;
  while (row < std::size(kAll) && kAll[row] != &metric) ++row;
  assert(row < std::size(kAll));
  return row;
}

std::string_view kind_name(MetricDef::Kind kind) {
  if (kind == MetricDef::Kind::histogram) return "histogram";
  return kind == MetricDef::Kind::counter ? "counter" : "gauge";
}

std::string decimal(double value) {
  char digits[40];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  return error == std::errc() ? std::string(digits, end) : "NaN";
}

std::string escaped(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\n') out += "\\n";
    else if (c == '"' || c == '\\') (out += '\\') += c;
    else out += c;
  }
  return out;
}

uint64_t resident_octets() {
  unsigned long long pages = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (!file) return 0;
  bool read = std::fscanf(file, "%llu %llu", &pages, &resident) == 2;
  std::fclose(file);
  return read ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

double seconds_of(const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; }

}  // namespace

std::span<const MetricDef* const> all_metrics() { return kAll; }

MetricsText::MetricsText() : samples_(std::size(kAll)) {}

void MetricsText::add(const MetricDef& metric, double value) {
  char digits[40];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, 3);
  add_text(metric, {}, error == std::errc() ? std::string(digits, end) : "NaN");
}

void MetricsText::add_text(const MetricDef& metric, std::initializer_list<std::string_view> label_values, std::string value) {
  std::string& lines = samples_[row_of(metric)];
  lines.append(metric.name);
  std::vector<std::string_view> names;
  if (!metric.labels.empty()) names = split(metric.labels, ',');
  assert(names.size() == label_values.size());
  for (size_t i = 0; i < names.size() && i < label_values.size(); ++i)
    lines.append(i ? "," : "{").append(names[i]).append("=\"").append(escaped(label_values.begin()[i])).append("\"");
  lines.append(names.empty() ? " " : "} ").append(value).append("\n");
}

void MetricsText::add_histogram(const MetricDef& metric, std::string_view label_value, std::span<const uint64_t> buckets,
                                std::span<const double> limits, double sum) {
  std::string& lines = samples_[row_of(metric)];
  std::string name(metric.name), label = std::string(metric.labels) + "=\"" + escaped(label_value) + "\"";
  uint64_t below = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    below += buckets[i];
    std::string limit = i < limits.size() ? decimal(limits[i]) : "+Inf";
    lines += name + "_bucket{" + label + ",le=\"" + limit + "\"} " + std::to_string(below) + "\n";
  }
  lines += name + "_sum{" + label + "} " + decimal(sum) + "\n" + name + "_count{" + label + "} " + std::to_string(below) + "\n";
}

void MetricsText::add_queue(const QueueCounters& counters) {
  add(metrics::kRecipientsAccepted, counters.accepted);
  add(metrics::kRecipientsFinished, {state_name(RecipientState::delivered)}, counters.delivered);
  add(metrics::kRecipientsFinished, {state_name(RecipientState::bounced)}, counters.bounced);
  add(metrics::kRecipientsFinished, {state_name(RecipientState::expired)}, counters.expired);
  add(metrics::kRecipientsFinished, {state_name(RecipientState::discarded)}, counters.discarded);
  add(metrics::kRecipientsFinished, {state_name(RecipientState::removed)}, counters.removed);
  add(metrics::kRecipientsQueued, counters.queued);
  add(metrics::kRecipientsHeld, counters.held);
  add(metrics::kMessagesQueued, counters.messages);
}

void MetricsText::add_spool(const SpoolStatus& status) {
  add(metrics::kSpoolWritable, static_cast<int>(status.writable));
  add(metrics::kSpoolMessages, status.messages);
  add(metrics::kSpoolSegments, status.segments);
  add(metrics::kSpoolOctets, status.octets);
  add(metrics::kSpoolFree, status.free_octets);
  add(metrics::kSpoolSyncs, status.syncs);
  add(metrics::kSpoolRecords, status.records);
  add(metrics::kSpoolSetAside, status.set_aside);
}

void MetricsText::add_dns(unsigned loop, const StubResolver::Counts& counts) {
  std::string label = std::to_string(loop);
  add(metrics::kDnsQuestions, {label}, counts.asked);
  add(metrics::kDnsFromCache, {label}, counts.from_cache);
  add(metrics::kDnsJoined, {label}, counts.joined);
  add(metrics::kDnsOnTheWire, {label}, counts.on_the_wire);
  add(metrics::kDnsByTcp, {label}, counts.by_tcp);
  add(metrics::kDnsFailed, {label}, counts.failed);
}

void MetricsText::add_process(std::string_view version, WallTime started) {
  add(metrics::kBuildInfo, {version}, 1);
  add(metrics::kStartTime, static_cast<double>(started.time_since_epoch().count()) / 1000.0);
  add(metrics::kResidentMemory, resident_octets());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  add(metrics::kCpuSeconds, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
}

std::string MetricsText::text() const {
  std::string out;
  for (size_t row = 0; row < samples_.size(); ++row) {
    if (samples_[row].empty()) continue;
    const MetricDef& metric = *kAll[row];
    out.append("# HELP ").append(metric.name).append(" ").append(metric.help).append("\n");
    out.append("# TYPE ").append(metric.name).append(" ").append(kind_name(metric.kind)).append("\n");
    out.append(samples_[row]);
  }
  return out;
}

}  // namespace veredus
