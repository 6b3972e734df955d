// Metrics: the table, the text, and the HTTP server that offers it.
#include "control/metrics.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "control/metrics_server.h"
#include "log/sinks.h"

using namespace veredus;

TEST_CASE("the table: names that Prometheus takes, each once, all documented") {
  std::set<std::string_view> names;
  for (const MetricDef* metric : all_metrics()) {
    CAPTURE(metric->name);
    CHECK(names.insert(metric->name).second);
    CHECK(metric->name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
    CHECK(metric->name.ends_with("_total") == (metric->kind == MetricDef::Kind::counter));
    CHECK(!metric->help.empty());
  }
  for (const char* fixed : {"veredus_recipients_accepted_total", "veredus_recipients_finished_total", "veredus_recipients_queued"})
    CHECK(names.contains(fixed));
}

TEST_CASE("samples are grouped by metric; labels are escaped") {
  MetricsText text;
  text.add(metrics::kSessions, {"1"}, 7);
  text.add(metrics::kRecipientsQueued, 3);
  text.add(metrics::kSessions, {"a\"b\\c\nd"}, 8);
  CHECK(text.text() ==
        "# HELP veredus_recipients_queued Recipients that have no final state: waiting, in hand or held.\n"
        "# TYPE veredus_recipients_queued gauge\nveredus_recipients_queued 3\n"
        "# HELP veredus_sessions Sessions that are open.\n# TYPE veredus_sessions gauge\n"
        "veredus_sessions{loop=\"1\"} 7\nveredus_sessions{loop=\"a\\\"b\\\\c\\nd\"} 8\n");
}

TEST_CASE("the balance holds in the text") {
  QueueCounters counters;
  counters.accepted = 10;
  counters.delivered = 4;
  counters.discarded = 1;
  counters.queued = 5;
  MetricsText text;
  text.add_queue(counters);
  CHECK(text.text().find("veredus_recipients_accepted_total 10\n") != std::string::npos);
  CHECK(text.text().find("veredus_recipients_finished_total{state=\"discarded\"} 1\n") != std::string::npos);
  CHECK(text.text().find("veredus_recipients_finished_total{state=\"delivered\"} 4\n") != std::string::npos);
  CHECK(text.text().find("veredus_recipients_queued 5\n") != std::string::npos);
}

namespace {

struct Http {
  RealClock clock;
  Loop loop{clock};
  ListSink sink;
  Log log{clock, sink};
  int rendered = 0;
  std::unique_ptr<MetricsServer> server = std::make_unique<MetricsServer>(
      loop, *Endpoint::parse("127.0.0.1:0"), [this] { return "m " + std::to_string(++rendered) + "\n" + std::string(300'000, '#'); }, log);

  Http() { signal(SIGPIPE, SIG_IGN); }  // as the worker does
  ~Http() {
    server.reset();
    for (int i = 0; i < 3; ++i) loop.run_turn(Millis(1));
  }
  int connect() {
    sockaddr_storage to{};
    unsigned length = server->address().to(&to);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&to), length) == 0);
    return fd;
  }
  std::string finish(int fd) {
    std::string all;
    char piece[65536];
    for (MonoTime until = clock.mono() + Seconds(40); clock.mono() < until;) {
      ssize_t count = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
      if (count == 0 || (count < 0 && errno != EAGAIN)) break;
      if (count > 0) all.append(piece, static_cast<size_t>(count));
      else loop.run_turn(Millis(5));
    }
    close(fd);
    return all;
  }
  std::string ask(std::string_view request) {
    int fd = connect();
    (void)send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    return finish(fd);
  }
};

}  // namespace

TEST_CASE("GET /metrics, and nothing else") {
  Http http;
  REQUIRE(http.server->open());
  std::string got = http.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(got.starts_with("HTTP/1.1 200 "));
  CHECK(got.find("text/plain; version=0.0.4") != std::string::npos);
  CHECK(got.find("\r\n\r\nm 1\n") != std::string::npos);
  CHECK(got.size() > 300'000);
  CHECK(http.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404 "));
  CHECK(http.ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").starts_with("HTTP/1.1 405 "));
  CHECK(http.ask("DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 405 "));
  std::string head = http.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 "));
  CHECK(head.size() < 500);
  CHECK(http.ask(std::string("\0\1\2 nonsense\r\n\r\n", 15)).find("m ") == std::string::npos);
  CHECK(http.ask("GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n").find("200 OK") == std::string::npos);
  CHECK(http.sink.count("metrics.started") + (http.log.flush(), http.sink.count("metrics.started")) >= 1);
}

TEST_CASE("connections beyond the bound wait or are closed; the next scrape works") {
  Http http;
  std::vector<int> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(http.connect());
    http.loop.run_turn(Millis(1));
  }
  for (int fd : idle) close(fd);
  for (int i = 0; i < 10; ++i) http.loop.run_turn(Millis(1));
  CHECK(http.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("an address that is taken is logged, and that is all") {
  Http http;
  ListSink sink;
  Log log(http.clock, sink);
  MetricsServer second(http.loop, http.server->address(), [] { return std::string(); }, log);
  CHECK(!second.open());
  log.flush();
  CHECK(sink.count("metrics.failed") == 1);
}
