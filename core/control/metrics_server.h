// MetricsServer: GET /metrics over HTTP on an address of its own. libmicrohttpd does HTTP inside the loop's thread; connections, their number
// per client and their time are bounded. An address that cannot be opened is logged, nothing more. Belongs to the loop whose values it shows.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/address_ip.h"
#include "log/log.h"
#include "loop/loop.h"

namespace veredus {

class MetricsServer {
 public:
  MetricsServer(Loop& loop, Endpoint address, std::function<std::string()> render, Log& log);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;

  bool open() const { return static_cast<bool>(http_); }
  Endpoint address() const;  // with the port the system chose when 0 was asked for

 private:
  class Http;
  std::unique_ptr<Http> http_;
};

}  // namespace veredus
