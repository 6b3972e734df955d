// Implementation of the report.
#include "load/report.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

#include "common/text.h"

namespace veredus::tools {
namespace {

std::string_view queue_id(std::string_view text) {
  for (const std::string_view before : {"queued as ", "id="}) {
    const auto at = text.find(before);
    if (at == std::string_view::npos) continue;
    const auto rest = text.substr(at + before.size());
    return rest.substr(0, rest.find_first_of(" \n;,"));
  }
  return "-";
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(micros) / 1e6;
}

bool open_one(LineFile& file, const std::string& path) {
  if (path.empty() || file.open(path)) return true;
  std::fprintf(stderr, "veredus-load: cannot write %s\n", path.c_str());
  return false;
}

std::string milliseconds(std::int64_t nanoseconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f", static_cast<double>(nanoseconds) / 1e6);
  return text.data();
}

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, 200));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return line;
}

}  // namespace

bool Report::open_files() {
  return open_one(ids_, options_.ids_file) && open_one(refused_file_, options_.refused_file) &&
         open_one(latency_, options_.latency_file);
}

void Report::flush() {
  ids_.flush();
  refused_file_.flush();
  latency_.flush();
}

void Report::write_refused(const Finished& result, const char* outcome) {
  if (!refused_file_.is_open()) return;
  line_.clear();
  append_wall_time(line_);
  line_.append("\t").append(result.message->tag).append("\t").append(outcome);
  line_.append("\t").append(result.stage).append("\t");
  append_number(line_, static_cast<std::uint64_t>(result.code));
  line_.append(" ").append(one_line(result.text)).append("\n");
  refused_file_.write(line_);
}

void Report::finished(const Finished& result, std::int64_t now) {
  recipients_accepted_ += result.recipients_accepted;
  recipients_refused_ += result.recipients_refused;
  const auto reply_class = static_cast<std::size_t>(result.code / 100);
  if (result.code != 0 && reply_class < classes_.size()) ++classes_[reply_class];
  switch (result.outcome) {
    case Outcome::kRefused:
      ++refused_;
      return write_refused(result, "refused");
    case Outcome::kUnknown:
      ++unknown_;
      return write_refused(result, "unknown");
    case Outcome::kAborted:
      ++aborted_;
      return write_refused(result, "aborted");
    case Outcome::kAcknowledged:
      break;
  }
  ++acknowledged_;
  last_acknowledged_ = now;
  octets_ += result.message->size();
  dot_.record_ns(result.dot_ns);
  whole_.record_ns(result.whole_ns);
  if (!ids_.is_open() && !latency_.is_open()) return;
  line_.clear();
  append_wall_time(line_);
  const auto time_length = line_.size();
  line_.append("\t").append(result.message->tag).append("\t").append(queue_id(result.text)).append("\n");
  ids_.write(line_);
  if (!latency_.is_open()) return;
  line_.resize(time_length);
  line_.append("\t").append(milliseconds(result.dot_ns)).append("\t").append(milliseconds(result.whole_ns));
  latency_.write(line_.append("\n"));
}

JsonObject Report::summary(std::int64_t now, std::uint64_t idle_open, std::uint64_t idle_lost) const {
  const auto end = last_acknowledged_ != 0 ? last_acknowledged_ : now;
  const double elapsed = static_cast<double>(end - started_) / 1e9;
  JsonObject classes;
  for (std::size_t i = 2; i < classes_.size(); ++i) classes.add(std::to_string(i) + "xx", classes_[i]);
  JsonObject losses;
  for (const auto& [why, count] : losses_) losses.add(why, count);
  JsonObject all;
  all.add("begun", begun_).add("acknowledged", acknowledged_).add("refused", refused_);
  all.add("unknown", unknown_).add("aborted", aborted_);
  all.add("recipients_accepted", recipients_accepted_).add("recipients_refused", recipients_refused_);
  all.add("octets", octets_).add("seconds", elapsed);
  all.add("rate", elapsed > 0 ? static_cast<double>(acknowledged_) / elapsed : 0.0);
  all.add("dot_ms", dot_).add("transaction_ms", whole_).add("replies", classes);
  all.add("connects", connects_).add("losses", losses);
  all.add("idle_open", idle_open).add("idle_lost", idle_lost).add("cpu_seconds", cpu_seconds());
  return all;
}

void Report::print(std::int64_t now, std::uint64_t idle_open, std::uint64_t idle_lost) {
  flush();
  const auto all = summary(now, idle_open, idle_lost);
  if (options_.json) {
    std::printf("%s\n", all.text().c_str());
  } else {
    const double elapsed =
        static_cast<double>(std::max(last_acknowledged_ - started_, std::int64_t{1})) / 1e9;
    std::printf("%llu acknowledged, %llu refused, %llu unknown, %llu aborted in %.3f s: %.1f a second\n",
                static_cast<unsigned long long>(acknowledged_), static_cast<unsigned long long>(refused_),
                static_cast<unsigned long long>(unknown_), static_cast<unsigned long long>(aborted_), elapsed,
                static_cast<double>(acknowledged_) / elapsed);
    std::printf(
        "dot to 250: p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms; transaction: p50 %.3f ms, p99 %.3f ms\n",
        dot_.percentile_ms(50), dot_.percentile_ms(99), dot_.percentile_ms(99.9), whole_.percentile_ms(50),
        whole_.percentile_ms(99));
    for (const auto& [why, count] : losses_) {
      std::printf("connection lost: %s: %llu\n", why.c_str(), static_cast<unsigned long long>(count));
    }
  }
  std::fflush(stdout);
}

}  // namespace veredus::tools
