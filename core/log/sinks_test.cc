// Sinks: slow, vanished and shared readers.
#include "log/sinks.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/text.h"

using namespace veredus;

namespace {

struct Pair {
  int reader = -1;
  int writer = -1;
  ~Pair() {
    if (reader >= 0) close(reader);
    if (writer >= 0) close(writer);
  }
};

Pair make_pipe() {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {ends[0], ends[1]};
}

Pair make_sockets() {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {ends[0], ends[1]};
}

std::string read_all(int fd) {
  std::string out;
  char piece[65536];
  for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0;) out.append(piece, static_cast<size_t>(n));
  return out;
}

std::string numbered(int number, size_t width = 200) {
  std::string line = "line " + std::to_string(number) + " ";
  line.resize(width, 'x');
  return line + "\n";
}

// Every line begins as ours do and ends where it should.
void check_whole(const std::string& text, size_t width = 200) {
  REQUIRE((text.empty() || text.back() == '\n'));
  for (std::string_view line : split(text, '\n')) {
    if (line.empty() || line.starts_with("{")) continue;
    REQUIRE(line.starts_with("line "));
    REQUIRE(line.size() == width);
  }
}

void stall_and_recover(Pair& pair) {
  RealClock clock;
  FdSink sink(pair.writer, clock, 100'000);
  for (int i = 0; i < 5000; ++i) sink.write(numbered(i));  // would block for ever if it could block
  CHECK(sink.dropped() > 0);
  std::string got;
  for (int i = 0; i < 200; ++i) {
    got += read_all(pair.reader);
    sink.write(numbered(10'000 + i));
  }
  got += read_all(pair.reader);
  check_whole(got);
  CHECK(got.find("\"event\":\"log.dropped\"") != std::string::npos);
  CHECK(got.find("line 0 ") == 0);
  CHECK(got.find("line 10199 ") != std::string::npos);
}

}  // namespace

TEST_CASE("a stalled pipe neither blocks nor tears lines, and the loss is reported") {
  Pair pair = make_pipe();
  stall_and_recover(pair);
}

TEST_CASE("a stalled socket neither blocks nor tears lines, and the loss is reported") {
  Pair pair = make_sockets();
  stall_and_recover(pair);
}

TEST_CASE("a pipe that was made non-blocking by its owner") {
  Pair pair = make_pipe();
  fcntl(pair.writer, F_SETFL, O_NONBLOCK);
  stall_and_recover(pair);
}

TEST_CASE("the flags of the caller's descriptor stay as they were") {
  Pair pair = make_pipe();
  RealClock clock;
  FdSink sink(pair.writer, clock);
  sink.write("line\n");
  CHECK((fcntl(pair.writer, F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a vanished reader costs nothing but the lines") {
  std::signal(SIGPIPE, SIG_IGN);
  for (Pair pair : {make_pipe(), make_sockets()}) {
    close(pair.reader);
    pair.reader = -1;
    RealClock clock;
    FdSink sink(pair.writer, clock);
    for (int i = 0; i < 100; ++i) sink.write(numbered(i));
    CHECK(sink.dropped() == 100);
    pair.writer = (close(pair.writer), -1);
  }
}

TEST_CASE("a file gets everything") {
  char path[] = "/tmp/veredus-log-XXXXXX";
  int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  unlink(path);
  RealClock clock;
  FdSink sink(fd, clock);
  sink.write("one\n");
  sink.write("two\nthree\n");
  lseek(fd, 0, SEEK_SET);
  CHECK(read_all(fd) == "one\ntwo\nthree\n");
  close(fd);
}

TEST_CASE("several threads through one sink keep their lines whole") {
  Pair pair = make_pipe();
  RealClock clock;
  FdSink sink(pair.writer, clock);
  std::thread other([&sink] {
    for (int i = 0; i < 100; ++i) sink.write(numbered(i));
  });
  for (int i = 100; i < 200; ++i) sink.write(numbered(i));
  other.join();
  std::string got = read_all(pair.reader);
  check_whole(got);
  CHECK(split(got, '\n').size() == 201);
}

TEST_CASE("the fan-out reaches every sink until it is removed") {
  FanOutSink fan;
  ListSink a;
  ListSink b;
  fan.add(&a);
  fan.add(&b);
  fan.write("one\n");
  fan.remove(&b);
  fan.write("two\n");
  CHECK(a.text() == "one\ntwo\n");
  CHECK(b.text() == "one\n");
}
