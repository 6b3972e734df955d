// One question to one server: by UDP from a fresh connected socket whose port the kernel draws, or by TCP. Belongs to one loop; destroying
// the task closes the socket.
#pragma once

#include <memory>
#include <string>

#include "base/address_ip.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "net/dns_message.h"

namespace veredus {

// The message that answers the query. Errc::timeout; Errc::refused = nobody listens there; Errc::limit = so much came that did not match
// that somebody may be guessing: ask by TCP.
Task<Result<std::string>> ask_by_udp(Loop& loop, Endpoint server, std::shared_ptr<const DnsQuery> query, Deadline deadline);
Task<Result<std::string>> ask_by_tcp(Loop& loop, Endpoint server, std::shared_ptr<const DnsQuery> query, Deadline deadline);

constexpr unsigned kMaxStrayDatagrams = 20;

}  // namespace veredus
