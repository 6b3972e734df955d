// The settings of one veredus-load run, as given on its command line.
#pragma once

#include <cstdint>
#include <string>

#include "common/args.h"
#include "common/net.h"

namespace veredus::tools {

struct LoadOptions {
  Endpoint to;
  bool have_to = false;
  std::uint64_t connections = 1;
  std::uint64_t messages = 0;
  std::uint64_t per_connection = 0;
  std::uint64_t size = 4096;
  std::string sizes;
  double rate = 0;
  bool pipelining = false;
  bool bdat = false;
  std::uint64_t bdat_chunk = 0;
  bool lmtp = false;
  std::uint64_t rcpts = 1;
  std::string from = "load@client.test";
  std::string rcpt;
  std::uint64_t to_domains = 0;
  std::uint64_t sources = 0;
  std::string helo = "load.client.test";
  std::string mail_args;
  std::string rcpt_args;
  std::uint64_t idle = 0;
  double idle_seconds = 0;
  std::uint64_t body_seed = 1;
  std::string tag;
  std::string content_file;
  std::string ids_file;
  std::string refused_file;
  std::string latency_file;
  bool json = false;
  double timeout = 300;
  double duration = 0;
  bool all_first = false;
  bool reconnect = false;
  double reconnect_for = 30;
};

/// Reads the command line and fills in what follows from it.
ArgsOutcome read_load_options(int argc, char** argv, LoadOptions& options);

}  // namespace veredus::tools
