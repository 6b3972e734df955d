// The HTTP client against a server on loopback that says what the test wants: right answers, slow, broken and endless ones.
#include "net/http_client.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <deque>
#include <functional>

#include "loop/scope.h"
#include "net/fake_resolver.h"

using namespace veredus;

namespace {

std::string ok(const std::string& body, const std::string& fields = "") {
  return "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Server {
  // The octets to send for a request, whole; nothing: it is left without an answer.
  std::function<std::string(const std::string&)> answer = [](const std::string&) { return ok("hello"); };
  bool closes = false;  // after each answer
  std::vector<std::string> requests;
  size_t accepted = 0, gone = 0;

  explicit Server(std::string unix_path = {}) {
    signal(SIGPIPE, SIG_IGN);
    listener_ = socket(unix_path.empty() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (unix_path.empty()) {
      sockaddr_storage address{};
      unsigned length = Endpoint::parse("127.0.0.1:0")->to(&address);
      REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
      socklen_t size = sizeof address;
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
      port = Endpoint::from(reinterpret_cast<sockaddr*>(&address)).port;
    } else {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      unix_path.copy(address.sun_path, sizeof address.sun_path - 1);
      REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    listen(listener_, 200);
  }
  ~Server() {
    stop();
    for (Connection& one : connections_) close(one.fd);
  }
  Server(const Server&) = delete;
  void stop() {
    if (listener_ >= 0) close(std::exchange(listener_, -1));
  }

  void pump() {
    for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0; ++accepted) connections_.push_back({fd, {}, {}, false});
    for (Connection& one : connections_) serve(one);
    std::erase_if(connections_, [](const Connection& one) { return one.fd < 0; });
  }
  size_t open() const { return connections_.size(); }
  std::string url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port) + path; }
  uint16_t port = 0;

 private:
  struct Connection {
    int fd;
    std::string in, out;
    bool answered;
  };
  static size_t whole(const std::string& in) {
    size_t end = in.find("\r\n\r\n");
    if (end == std::string::npos) return 0;
    size_t field = in.find("Content-Length: ");
    size_t body = field < end ? std::stoul(in.substr(field + 16)) : 0;
    return in.size() >= end + 4 + body ? end + 4 + body : 0;
  }
  void serve(Connection& one) {
    char octets[65536];
    ssize_t count = recv(one.fd, octets, sizeof octets, 0);
    if (count > 0) one.in.append(octets, static_cast<size_t>(count));
    while (size_t size = whole(one.in)) {
      requests.push_back(one.in.substr(0, size));
      one.in.erase(0, size);
      one.out += answer(requests.back());
      one.answered = true;
    }
    if (!one.out.empty())
      if (ssize_t sent = send(one.fd, one.out.data(), one.out.size(), MSG_NOSIGNAL); sent > 0) one.out.erase(0, static_cast<size_t>(sent));
    bool over = count == 0 || (closes && one.answered && one.out.empty());
    gone += count == 0;
    if (over) close(std::exchange(one.fd, -1));
  }

  int listener_ = -1;
  std::vector<Connection> connections_;
};

using Outcome = std::optional<Result<HttpResponse>>;

struct Web {
  explicit Web(HttpClientOptions options = {}) : client(std::make_unique<HttpClient>(loop, options)) {}
  static Task<void> ask(HttpClient& client, HttpRequest request, Outcome& into) { into.emplace(co_await client.request(std::move(request))); }
  template <typename F>
  void until(F so) {
    for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30); !so() && std::chrono::steady_clock::now() < end;) turn();
    REQUIRE(so());
  }
  void turn() {
    server.pump();
    loop.run_turn(Millis(1));
  }
  Result<HttpResponse> get(HttpRequest request) {
    Outcome outcome;
    Scope scope(loop);
    scope.spawn(ask(*client, std::move(request), outcome));
    until([&] { return outcome.has_value(); });
    return std::move(*outcome);
  }
  Result<HttpResponse> get() { return get(HttpRequest(server.url())); }
  Errc failure(const std::string& octets) {
    server.answer = [octets](const std::string&) { return octets; };
    server.closes = true;
    auto got = get();
    REQUIRE(!got);
    CHECK(!got.error().text.empty());
    return got.error().code;
  }

  RealClock clock;
  Loop loop{clock};
  Server server;
  std::unique_ptr<HttpClient> client;
};

}  // namespace

TEST_CASE("status, header and body of an answer, whatever the status") {
  Web web;
  for (int status : {200, 204, 404, 500, 599}) {
    CAPTURE(status);
    std::string body = status == 204 ? "" : "the body";
    web.server.answer = [&](const std::string&) {
      std::string length = status == 204 ? "" : "Content-Length: 8\r\n";
      return "HTTP/1.1 " + std::to_string(status) + " Word\r\nX-Some:  a value \r\n" + length + "x-some: two\r\n\r\n" + body;
    };
    auto got = web.get();
    REQUIRE(got);
    CHECK(got->status == status);
    CHECK(got->body == body);
    CHECK(got->header("x-some") == "a value");
    CHECK(got->header("absent").empty());
  }
}

TEST_CASE("chunked answers, interim answers, answers that end with the connection") {
  Web web;
  web.server.answer = [](const std::string&) {
    return std::string("HTTP/1.1 103 Early Hints\r\nLink: early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab\r\n\r\n3;x=y\r\ncde\r\n0\r\n\r\n");
  };
  auto got = web.get();
  REQUIRE(got);
  CHECK(got->body == "ab\r\ncde");
  CHECK(got->header("link").empty());
  web.server.answer = [](const std::string&) { return std::string("HTTP/1.1 200 OK\r\n\r\nuntil the end"); };
  web.server.closes = true;
  got = web.get();
  REQUIRE(got);
  CHECK(got->body == "until the end");
}

TEST_CASE("the request on the wire: method, header fields, body as they are, nothing unasked") {
  Web web;
  HttpRequest request(web.server.url("/path?q=1"));
  request.method = "POST";
  request.headers = {{"Authorization", "Bearer abc"}, {"X-Empty", ""}, {"Content-Type", "application/json"}};
  request.body = std::string("{\0}", 3);
  REQUIRE(web.get(request));
  const std::string& seen = web.server.requests.at(0);
  CHECK(seen.starts_with("POST /path?q=1 HTTP/1.1\r\n"));
  CHECK(seen.find("Authorization: Bearer abc\r\n") != std::string::npos);
  CHECK(seen.find("X-Empty:\r\n") != std::string::npos);
  CHECK(seen.find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(seen.ends_with(std::string("\r\n\r\n{\0}", 7)));
  for (const char* method : {"GET", "DELETE", "PUT", "HEAD"}) {
    CAPTURE(method);
    HttpRequest other(web.server.url());
    other.method = method;
    if (other.method == "PUT") other.body = std::string(2'000'000, 'b');
    auto got = web.get(other);
    REQUIRE(got);
    CHECK(got->body == (other.method == "HEAD" ? "" : "hello"));
    CHECK(web.server.requests.back().starts_with(other.method + " / HTTP/1.1\r\n"));
    CHECK(web.server.requests.back().find("Expect:") == std::string::npos);
    CHECK(web.server.requests.back().find("Content-Type:") == std::string::npos);
  }
}

TEST_CASE("requests that cannot be are refused before anything is sent") {
  Web web;
  for (const char* url : {"", "nonsense", "http://", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y"}) {
    CAPTURE(url);
    CHECK(web.get(HttpRequest(url)).error().code == Errc::invalid);
  }
  HttpRequest request(web.server.url());
  request.method = "GET / HTTP/1.1\r\nX:";
  CHECK(web.get(request).error().code == Errc::invalid);
  request.method = "GET";
  for (auto field : HttpHeaders{{"X", "a\r\nY: b"}, {"X:Y", "a"}, {"", "a"}, {"X y", "a"}, {"X", std::string("a\0b", 3)}}) {
    request.headers = {field};
    CHECK(web.get(request).error().code == Errc::invalid);
  }
  CHECK(web.server.accepted == 0);
}

TEST_CASE("a connection is used again; one that the server closed is replaced") {
  Web web;
  for (int i = 0; i < 5; ++i) REQUIRE(web.get());
  CHECK(web.server.accepted == 1);
  web.server.closes = true;  // the one that is open too
  REQUIRE(web.get());
  REQUIRE(web.get());
  CHECK(web.server.accepted == 3);
  CHECK(web.server.requests.size() == 7);
}

TEST_CASE("a hundred requests at once share a bounded number of connections") {
  HttpClientOptions options;
  options.max_connections_per_host = 5;
  Web web(options);
  web.server.answer = [](const std::string& request) { return ok(request.substr(5, request.find(' ', 5) - 5)); };
  std::vector<Outcome> outcomes(100);
  Scope scope(web.loop);
  for (size_t i = 0; i < outcomes.size(); ++i)
    scope.spawn(Web::ask(*web.client, HttpRequest(web.server.url("/" + std::to_string(i))), outcomes[i]));
  CHECK(web.client->under_way() == 100);
  web.until([&] { return scope.running() == 0; });
  for (size_t i = 0; i < outcomes.size(); ++i) {
    REQUIRE(outcomes[i]);
    REQUIRE(*outcomes[i]);
    CHECK((*outcomes[i])->body == std::to_string(i));
  }
  CHECK(web.server.accepted <= 5);
  CHECK(web.client->under_way() == 0);
}

TEST_CASE("more requests than allowed are answered busy at once") {
  HttpClientOptions options;
  options.max_requests = 2;
  Web web(options);
  std::vector<Outcome> outcomes(3);
  Scope scope(web.loop);
  for (Outcome& one : outcomes) scope.spawn(Web::ask(*web.client, HttpRequest(web.server.url()), one));
  REQUIRE(outcomes[2]);
  CHECK(outcomes[2]->error().code == Errc::busy);
  web.until([&] { return scope.running() == 0; });
  CHECK(*outcomes[0]);
}

TEST_CASE("a server that does not answer, or stops half-way, runs into the time-out; also one waiting for a connection") {
  HttpClientOptions options;
  options.max_connections_per_host = 1;
  Web web(options);
  for (const char* begun : {"", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"}) {
    web.server.answer = [begun](const std::string&) { return std::string(begun); };
    std::vector<Outcome> outcomes(2);
    Scope scope(web.loop);
    HttpRequest request(web.server.url());
    request.timeout = Millis(100);
    for (Outcome& one : outcomes) scope.spawn(Web::ask(*web.client, request, one));
    web.until([&] { return scope.running() == 0; });
    for (Outcome& one : outcomes) {
      CHECK(one->error().code == Errc::timeout);
      CHECK(one->error().text == "no answer within 100 ms");
    }
  }
  web.until([&] { return web.server.open() == 0; });
}

TEST_CASE("nobody listens") {
  Web web;
  web.server.stop();
  auto got = web.get();
  REQUIRE(!got);
  CHECK(got.error().code == Errc::refused);
  CHECK(got.error().text.find("127.0.0.1") != std::string::npos);
}

TEST_CASE("a body beyond the maximum is an error, and no more of it is read") {
  Web web;
  web.server.answer = [](const std::string&) { return ok(std::string(50'000'000, 'x')); };
  HttpRequest request(web.server.url());
  request.max_response = 100'000;
  CHECK(web.get(request).error().code == Errc::limit);
  web.until([&] { return web.server.open() == 0; });
  web.server.answer = [](const std::string&) { return ok(std::string(100'000, 'x')); };
  auto exact = web.get(request);
  REQUIRE(exact);
  CHECK(exact->body.size() == 100'000);
}

TEST_CASE("answers that are no HTTP, or end too early, or have no end of header") {
  Web web;
  CHECK(web.failure("220 mail.example.test ESMTP\r\n") == Errc::corrupt);
  CHECK(web.failure("HTTP/9.9 200 OK\r\n\r\n") == Errc::corrupt);
  CHECK(web.failure("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort") == Errc::closed);
  CHECK(web.failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") != Errc::invalid);
  std::string fields;
  for (int i = 0; i < 3000; ++i) fields += "X-Field-" + std::to_string(i) + ": some value or other\r\n";
  CHECK(web.failure("HTTP/1.1 200 OK\r\n" + fields + "\r\n") == Errc::limit);
  web.server.answer = [](const std::string&) { return std::string(); };
  CHECK(web.get().error().code == Errc::closed);
  web.server.answer = [](const std::string&) { return ok("fine"); };
  CHECK(web.get()->body == "fine");
}

TEST_CASE("TLS is not guessed: https to a server that has none fails") {
  Web web;
  web.server.answer = [](const std::string&) { return std::string(); };
  HttpRequest request("https://127.0.0.1:" + std::to_string(web.server.port) + "/");
  request.timeout = Millis(300);
  auto got = web.get(request);
  REQUIRE(!got);
  CHECK(web.server.requests.empty());
  request.ca_file = "/nowhere/ca.pem";
  CHECK(web.get(request).error().code != Errc::invalid);
}

TEST_CASE("redirections: the answer itself, or followed as often as allowed, to http only") {
  Web web;
  std::string target = "/next";
  web.server.answer = [&](const std::string& request) {
    if (request.starts_with("GET /next ")) return ok("there");
    return "HTTP/1.1 302 Found\r\nLocation: " + target + "\r\nContent-Length: 0\r\n\r\n";
  };
  HttpRequest request(web.server.url());
  auto got = web.get(request);
  REQUIRE(got);
  CHECK(got->status == 302);
  CHECK(got->header("location") == "/next");
  request.max_redirects = 1;
  got = web.get(request);
  REQUIRE(got);
  CHECK(got->body == "there");
  CHECK(got->header("location").empty());
  target = "/again";
  CHECK(web.get(request).error().code == Errc::limit);
  target = "file:///etc/passwd";
  CHECK(!web.get(request));
}

TEST_CASE("cancelled at any moment: the connection goes, nothing comes back, others go on") {
  Web web;
  web.server.answer = [](const std::string& request) {
    return request.starts_with("GET /slow") ? std::string("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome") : ok("fast");
  };
  for (int turns = 0; turns < 12; ++turns) {
    Outcome slow, fast;
    Scope others(web.loop);
    {
      Scope scope(web.loop);
      scope.spawn(Web::ask(*web.client, HttpRequest(web.server.url("/slow")), slow));
      others.spawn(Web::ask(*web.client, HttpRequest(web.server.url("/fast")), fast));
      for (int i = 0; i < turns; ++i) web.turn();
    }
    web.until([&] { return fast.has_value(); });
    CHECK(!slow);
    CHECK(*fast);
  }
  CHECK(web.client->under_way() == 0);
}

TEST_CASE("a client that ends answers its requests") {
  Web web;
  web.server.answer = [](const std::string&) { return std::string(); };
  std::vector<Outcome> outcomes(3);
  Scope scope(web.loop);
  for (Outcome& one : outcomes) scope.spawn(Web::ask(*web.client, HttpRequest(web.server.url()), one));
  web.until([&] { return web.server.requests.size() == 3; });
  web.client.reset();
  web.until([&] { return scope.running() == 0; });
  for (Outcome& one : outcomes) CHECK(one->error().code == Errc::cancelled);
}

TEST_CASE("names are looked up by the resolver") {
  RealClock clock;
  Loop names(clock);
  FakeResolver resolver(names);
  resolver.add_a("service.test", "127.0.0.1");
  resolver.fail_with("broken.test", DnsType::a, DnsStatus::server_failure);
  HttpClientOptions options;
  options.resolver = &resolver;
  Web web(options);
  auto where = [&](const std::string& host) { return HttpRequest("http://" + host + ":" + std::to_string(web.server.port) + "/"); };
  auto got = web.get(where("service.test"));
  REQUIRE(got);
  CHECK(web.server.requests.at(0).find("Host: service.test:") != std::string::npos);
  CHECK(web.get(where("nobody.test")).error().code == Errc::not_found);
  CHECK(web.get(where("broken.test")).error().code == Errc::timeout);
  size_t asked = resolver.asked.size();
  REQUIRE(web.get());
  CHECK(resolver.asked.size() == asked);
}

TEST_CASE("a Unix socket, and no proxy from the environment") {
  char directory[] = "/tmp/veredus-http-XXXXXX";
  REQUIRE(mkdtemp(directory));
  std::string path = std::string(directory) + "/socket";
  {
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    Web web;
    Server local(path);
    REQUIRE(web.get());
    Outcome outcome;
    Scope scope(web.loop);
    HttpRequest request("http://service.local/x");
    request.unix_path = path;
    scope.spawn(Web::ask(*web.client, request, outcome));
    web.until([&] { return local.pump(), outcome.has_value(); });
    REQUIRE(*outcome);
    CHECK((*outcome)->body == "hello");
    CHECK(local.requests.at(0).find("Host: service.local\r\n") != std::string::npos);
    unsetenv("http_proxy");
  }
  unlink(path.c_str());
  rmdir(directory);
}
