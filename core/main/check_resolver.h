// DaemonResolver: asks the running daemon what it would be answered, by the command `dns` of its control socket. For checks when the daemon
// resolves by a plugin, which runs nowhere else. On the check's loop.
#pragma once

#include <string>

#include "net/resolver.h"

namespace veredus {

class DaemonResolver final : public Resolver {
 public:
  DaemonResolver(Loop& loop, std::string control) : loop_(loop), control_(std::move(control)) {}
  Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) override;

  static bool reachable(const std::string& control);  // somebody listens there whom we may ask; blocks for a moment

 private:
  Task<Result<std::string>> ask(std::string name, DnsType type, Deadline deadline);
  Loop& loop_;
  std::string control_;
};

// The object that `veredus dns --json` prints, as an answer.
Result<DnsAnswer> read_dns_json(const std::string& text, DnsType type);

}  // namespace veredus
