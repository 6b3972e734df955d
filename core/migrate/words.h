// Words of Postfix in words of ours: YAML texts, next hops, networks, durations. Values without I/O; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::migrate {

// A scalar that YAML reads as this text, whatever is in it.
std::string yaml_text(std::string_view text);
std::string yaml_list(const std::vector<std::string>& texts);

struct Hop {
  std::string to;            // "smtp://mail.a.test:587"; empty: it cannot be said
  std::string host;          // "mail.a.test", for finding passwords
  bool looked_up_as_mx = false;  // it had a port and no brackets: Postfix would have asked for its mail exchangers
};
// "[host]:port", "host", "host:port", "[::1]"; for LMTP also unix:/path and inet:host:port.
Hop read_hop(std::string_view text, bool lmtp, std::string_view queue_directory);

std::optional<unsigned> read_port(std::string_view text);  // 25, smtp, submission, ...

// "5d" of "5d", "5" with the unit "d"; nothing for what is no duration.
std::optional<std::string> read_duration(std::string_view text, char unit);
std::optional<unsigned long long> seconds_of(std::string_view duration);

// "192.0.2.0/24" of [..], "::1/128" of "[::1]/128"; empty with `why` when it cannot be taken over.
std::string read_network(std::string_view text, std::string& why);

}  // namespace veredus::migrate
