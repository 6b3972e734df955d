// What a run has seen so far: counts by outcome, latencies, the files of ids, refusals and latencies, and
// the summary for people or programs.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "common/measure.h"
#include "load/host.h"

namespace veredus::tools {

class Report {
 public:
  explicit Report(const LoadOptions& options) : options_(options) {}
  bool open_files();
  void start(std::int64_t now) { started_ = now; }
  void finished(const Finished& result, std::int64_t now);
  void connection_lost(const char* why) { ++losses_[why]; }
  void connected() { ++connects_; }
  void begun() { ++begun_; }
  void flush();
  void print(std::int64_t now, std::uint64_t idle_open, std::uint64_t idle_lost);
  std::uint64_t settled() const { return acknowledged_ + refused_ + unknown_; }
  bool every_message_answered() const { return unknown_ == 0 && aborted_ == 0; }
  std::uint64_t connects() const { return connects_; }

 private:
  void write_refused(const Finished& result, const char* outcome);
  JsonObject summary(std::int64_t now, std::uint64_t idle_open, std::uint64_t idle_lost) const;

  const LoadOptions& options_;
  LineFile ids_;
  LineFile refused_file_;
  LineFile latency_;
  std::string line_;
  Histogram dot_;
  Histogram whole_;
  std::int64_t started_ = 0;
  std::int64_t last_acknowledged_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t unknown_ = 0;
  std::uint64_t aborted_ = 0;
  std::uint64_t connects_ = 0;
  std::uint64_t recipients_accepted_ = 0;
  std::uint64_t recipients_refused_ = 0;
  std::uint64_t octets_ = 0;
  std::array<std::uint64_t, 6> classes_{};
  std::map<std::string, std::uint64_t> losses_;
};

}  // namespace veredus::tools
