// HttpClient: HTTP and HTTPS for whoever asks a service by URL, over libcurl's multi interface on this loop's polls and timers. Owns the
// pool of connections that are kept alive. Destroying the task of a request cancels it. Belongs to one loop; it may end before the requests
// do (they answer cancelled), and must end before the loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "loop/task.h"
#include "net/resolver.h"

namespace veredus {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  HttpRequest() = default;
  explicit HttpRequest(std::string where) : url(std::move(where)) {}

  std::string method = "GET";
  std::string url;       // http or https
  HttpHeaders headers;
  std::string body;
  Millis timeout{30'000};         // for all of it, waiting for a connection included
  Millis connect_timeout{5'000};  // one connection and its TLS handshake
  size_t max_response = 1 << 20;  // octets of the body; a longer one is an error
  unsigned max_redirects = 0;     // 0: a redirection is the answer
  std::string ca_file;            // instead of the system's authorities
  std::string unix_path;          // a socket to connect to instead of the URL's host
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // names in lower case; of the last answer when redirections were followed
  std::string body;
  std::string_view header(std::string_view name) const;  // the first of this lower-case name, or nothing
};

struct HttpClientOptions {
  HttpClientOptions() = default;
  unsigned max_connections = 64, max_connections_per_host = 16;
  size_t max_requests = 1000;  // under way or waiting for a connection; more are answered busy
  Resolver* resolver = nullptr;  // else, and for the hosts of redirections, libcurl's thread asks the system
};

class HttpClient {
 public:
  HttpClient(Loop& loop, HttpClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  // Any status is an answer. Errors: invalid (the request), busy, not_found (no such host), refused (connection or certificate), timeout,
  // closed (ended too early), corrupt (not HTTP), limit (too large or too many redirections), cancelled, io.
  Task<Result<HttpResponse>> request(HttpRequest request);
  size_t under_way() const;

 private:
  struct Call;
  struct Multi;
  static Task<Result<std::string>> look_up(Resolver& resolver, std::string host, Deadline deadline);
  static Task<Status> resolve(std::shared_ptr<Multi> multi, Call& call, Deadline deadline);
  static Task<Result<HttpResponse>> carry_out(std::shared_ptr<Multi> multi, HttpRequest request);
  std::shared_ptr<Multi> multi_;  // shared with the requests under way, so that it ends after the last of them looked at it
};

}  // namespace veredus
