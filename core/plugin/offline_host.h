// OfflineHost: a host for one command of one plugin, in the calling process: one loop, default settings, no daemon, no configuration. Ends
// within kOfflineLimit, whatever the plugin does. Main thread; once a process.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address_ip.h"
#include "base/clock.h"
#include "base/result.h"

namespace veredus {

constexpr Seconds kOfflineLimit{20};

struct OfflineOptions {
  std::optional<Endpoint> dns;   // --dns HOST:PORT: the only resolver asked
  std::optional<WallTime> time;  // --time EPOCH: what the clock says at the beginning
};
// Takes them out of the words.
Result<OfflineOptions> take_offline_options(std::vector<std::string>& words);

// `words`: the command's name and its arguments. What it prints goes to the standard streams. Its exit code; 75 when the time is over, 70
// when it fails in itself, 78 when the plugin does not start without settings.
int run_offline_command(const std::string& object_path, std::vector<std::string> words, const OfflineOptions& options);

}  // namespace veredus
