// The settings of one veredus-sink run, as given on its command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/args.h"
#include "common/net.h"
#include "sink/faults.h"

namespace veredus::tools {

struct SinkOptions {
  std::vector<Endpoint> listen;
  bool lmtp = false;
  std::string hostname = "sink.test";
  std::string maildir;
  std::string store;
  bool fsync = false;
  std::string ids_file;
  std::string count_file;
  double delay_dot = 0;
  double delay_banner = 0;
  double refuse_rate = 0;
  Stage refuse_at = Stage::kRcpt;
  double reject_rate = 0;
  Stage reject_at = Stage::kRcpt;
  std::string refuse_domain;
  FaultPlan faults;
  std::uint64_t seed = 1;
  bool pipelining = true;
  bool chunking = true;
  bool eightbitmime = true;
  bool smtputf8 = true;
  bool dsn = true;
  bool enhanced = true;
  bool size = true;
  std::uint64_t max_size = 0;
  std::uint64_t max_connections = 0;
  std::uint64_t rcpt_limit = 0;
  std::uint64_t messages_per_connection = 0;
  std::uint64_t stop_after = 0;
  std::uint64_t ready_fd = 1;
};

ArgsOutcome read_sink_options(int argc, char** argv, SinkOptions& options);

}  // namespace veredus::tools
