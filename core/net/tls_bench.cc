// What a handshake costs our server, against a server of bare GnuTLS in this file (blocking sockets, one thread): full and resumed
// handshakes with an elliptic certificate over loopback, processor time of the server's thread alone. Then what an idle connection holds.
// Arguments: handshakes of one measurement (2,000), idle connections (500). Figures mean something in a release build only.
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>

#include "base/text.h"
#include "loop/scope.h"
#include "net/tls.h"
#include "net/tls_test_support.h"

using namespace veredus;
using namespace veredus::testing;

namespace {

constexpr const char* kServerPriority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE";
constexpr const char* kClientPriority[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
constexpr int kRepeats = 3;

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

[[noreturn]] void give_up(const char* doing, const std::string& why) {
  std::fprintf(stderr, "tls_bench: %s: %s\n", doing, why.c_str());
  std::_Exit(1);
}

struct Cost {
  double cpu = 0, wall = 0;  // seconds of all handshakes
};

struct Wish {
  const char* priority;  // of the client
  bool resumed;
  int count;
};

int listen_somewhere(sockaddr_in& where) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  where = {};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  if (bind(fd, reinterpret_cast<sockaddr*>(&where), size) != 0 || listen(fd, 128) != 0) std::abort();
  getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
  return fd;
}

int connect_to(const sockaddr_in& where) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) std::abort();
  return fd;
}

// One octet; tickets come before it.
void receive_octet(gnutls_session_t session) {
  char octet;
  ssize_t got = 0;
  do got = gnutls_record_recv(session, &octet, 1);
  while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
  if (got != 1) give_up("receiving", got < 0 ? gnutls_strerror(static_cast<int>(got)) : "the end");
}

void shake_hands(gnutls_session_t session) {
  if (int code = gnutls_handshake(session); code < 0) give_up("handshake", gnutls_strerror(code));
}

// The same client in both measurements: a handshake, one octet from the server, the end.
class Client {
 public:
  explicit Client(const char* priority) {
    gnutls_certificate_allocate_credentials(&credentials_);
    if (gnutls_priority_init2(&priority_, priority, nullptr, 0) < 0) std::abort();
  }
  ~Client() {
    gnutls_free(ticket_.data);
    gnutls_priority_deinit(priority_);
    gnutls_certificate_free_credentials(credentials_);
  }
  Client(const Client&) = delete;

  void connect(const sockaddr_in& where, bool resume) {
    int fd = connect_to(where);
    gnutls_session_t session = nullptr;
    gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
    gnutls_priority_set(session, priority_);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials_);
    gnutls_server_name_set(session, GNUTLS_NAME_DNS, "mx.test", 7);
    if (resume && ticket_.data) gnutls_session_set_data(session, ticket_.data, ticket_.size);
    gnutls_transport_set_int(session, fd);
    shake_hands(session);
    receive_octet(session);
    resumed_ += gnutls_session_is_resumed(session) != 0 ? 1 : 0;
    if (resume) {
      gnutls_free(ticket_.data);
      if (gnutls_session_get_data2(session, &ticket_) < 0) std::abort();
    }
    gnutls_deinit(session);
    ::close(fd);
  }
  int resumed() const { return resumed_; }

 private:
  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_priority_t priority_ = nullptr;
  gnutls_datum_t ticket_{};
  int resumed_ = 0;
};

void run_client(const sockaddr_in& where, const Wish& wish, int extra) {
  Client client(wish.priority);
  for (int i = 0; i < wish.count + extra; ++i) client.connect(where, wish.resumed);
  int expected = wish.resumed ? wish.count + extra - 1 : 0;
  if (client.resumed() != expected) std::printf("NOT AS WISHED: %d of %d handshakes were resumed\n", client.resumed(), expected);
}

// --- bare GnuTLS

struct Bare {
  gnutls_certificate_credentials_t credentials = nullptr;
  gnutls_priority_t priority = nullptr;
  gnutls_datum_t tickets{};
  explicit Bare(const MadeCertificate& made) {
    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_datum_t cert = as_datum(made.cert_pem), key = as_datum(made.key_pem);
    if (gnutls_certificate_set_x509_key_mem2(credentials, &cert, &key, GNUTLS_X509_FMT_PEM, nullptr, 0) < 0) std::abort();
    if (gnutls_priority_init2(&priority, kServerPriority, nullptr, 0) < 0) std::abort();
    gnutls_session_ticket_key_generate(&tickets);
  }
  ~Bare() {
    gnutls_free(tickets.data);
    gnutls_priority_deinit(priority);
    gnutls_certificate_free_credentials(credentials);
  }
  Bare(const Bare&) = delete;

  void serve(int fd) const {
    gnutls_session_t session = nullptr;
    gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_priority_set(session, priority);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_session_ticket_enable_server(session, &tickets);
    gnutls_transport_set_int(session, fd);
    shake_hands(session);
    if (gnutls_record_send(session, "+", 1) != 1) give_up("sending", "not taken");
    gnutls_bye(session, GNUTLS_SHUT_WR);
    gnutls_deinit(session);
    ::close(fd);
  }
};

int accept_next(int listening, int flags) {
  int fd = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | flags), on = 1;
  if (fd < 0) std::abort();
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

Cost measure_bare(const Bare& bare, const Wish& wish) {
  sockaddr_in where;
  int listening = listen_somewhere(where);
  std::thread client([&] { run_client(where, wish, 1); });
  bare.serve(accept_next(listening, 0));  // warms up, and gives the first ticket
  double cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
  for (int i = 0; i < wish.count; ++i) bare.serve(accept_next(listening, 0));
  Cost out{seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu, seconds_of(CLOCK_MONOTONIC) - wall};
  client.join();
  ::close(listening);
  return out;
}

// --- ours

struct Ours {
  RealClock clock;
  CertificateFiles files;
  std::shared_ptr<TlsServer> server;
  explicit Ours(const MadeCertificate& made) {
    TlsServerOptions options;
    options.certificates.push_back({files.put("a.pem", made.cert_pem), files.put("a.key", made.key_pem), ""});
    options.tickets = Millis(3'600'000);
    auto got = TlsServer::make(std::move(options), nullptr, {}, clock);
    if (!got) std::abort();
    server = *got;
  }
};

Task<void> serve_one(Loop& loop, std::shared_ptr<TlsServer> server, int fd) {
  auto wire = adopt_stream(loop, fd);
  auto stream = co_await tls_accept(loop, std::move(*wire), std::move(server), {}, Deadline::in(loop, Seconds(10)));
  if (!stream) give_up("tls_accept", stream.error().text);
  auto sent = co_await (*stream)->write("+", Deadline::in(loop, Seconds(10)));
  if (!sent) give_up("write", sent.error().text);
  (*stream)->close();
}

Cost measure_ours(const Ours& ours, const Wish& wish) {
  sockaddr_in where;
  int listening = listen_somewhere(where);
  std::thread client([&] { run_client(where, wish, 1); });
  Loop loop(ours.clock);
  Scope scope(loop);
  auto serve = [&] {
    scope.spawn(serve_one(loop, ours.server, accept_next(listening, SOCK_NONBLOCK)));
    while (scope.running() > 0) loop.run_turn(Millis(100));
  };
  serve();
  double cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
  for (int i = 0; i < wish.count; ++i) serve();
  Cost out{seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu, seconds_of(CLOCK_MONOTONIC) - wall};
  client.join();
  ::close(listening);
  return out;
}

void compare(const Bare& bare, const Ours& ours, const char* name, const Wish& wish) {
  Cost best_bare, best_ours;
  for (int i = 0; i < kRepeats; ++i) {
    Cost a = measure_bare(bare, wish), b = measure_ours(ours, wish);
    if (i == 0 || a.cpu < best_bare.cpu) best_bare = a;
    if (i == 0 || b.cpu < best_ours.cpu) best_ours = b;
  }
  double count = wish.count;
  std::printf("%-16s bare %6.0f/s %7.1f us CPU   ours %6.0f/s %7.1f us CPU   ratio %.2f\n", name, count / best_bare.wall, best_bare.cpu / count * 1e6,
              count / best_ours.wall, best_ours.cpu / count * 1e6, best_ours.cpu / best_bare.cpu);
}

// --- idle connections

Task<void> accept_idle(Loop& loop, std::shared_ptr<TlsServer> server, int fd, std::unique_ptr<Stream>& out) {
  auto wire = adopt_stream(loop, fd);
  auto stream = co_await tls_accept(loop, std::move(*wire), std::move(server), {}, Deadline::in(loop, Seconds(10)));
  if (!stream) give_up("tls_accept", stream.error().text);
  out = std::move(*stream);
  (void)co_await out->write("+", Deadline::in(loop, Seconds(10)));
}

// A child is the client, so that only the server's side is in this process.
void idle_client(const sockaddr_in& where, const char* priority, int count) {
  gnutls_certificate_credentials_t credentials = nullptr;
  gnutls_certificate_allocate_credentials(&credentials);
  for (int i = 0; i < count; ++i) {
    gnutls_session_t session = nullptr;
    gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct(session, priority, nullptr);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    int fd = connect_to(where);
    gnutls_transport_set_int(session, fd);
    shake_hands(session);
    receive_octet(session);
  }
  pause();
}

void measure_idle(const Ours& ours, const char* name, const char* priority, int count) {
  sockaddr_in where;
  int listening = listen_somewhere(where);
  pid_t child = fork();
  if (child == 0) {
    idle_client(where, priority, count);
    _exit(0);
  }
  {
    Loop loop(ours.clock);
    Scope scope(loop);
    std::vector<std::unique_ptr<Stream>> streams(static_cast<size_t>(count) + 1);
    auto accept_into = [&](std::unique_ptr<Stream>& place) {
      scope.spawn(accept_idle(loop, ours.server, accept_next(listening, SOCK_NONBLOCK), place));
      while (scope.running() > 0) loop.run_turn(Millis(100));
    };
    accept_into(streams[0]);
    size_t before = mallinfo2().uordblks;
    for (int i = 1; i < count; ++i) accept_into(streams[static_cast<size_t>(i)]);
    size_t held = (mallinfo2().uordblks - before) / static_cast<size_t>(count - 1);
    std::printf("%-16s %.1f KiB of memory each, of %d\n", name, static_cast<double>(held) / 1024, count);
    kill(child, SIGKILL);
    streams.clear();
    for (int turn = 0; turn < 5; ++turn) loop.run_turn(Millis(0));
  }
  ::close(listening);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::signal(SIGCHLD, SIG_IGN);
  int count = argc > 1 ? std::max(2, std::atoi(argv[1])) : 2'000;
  int idle = argc > 2 ? std::max(2, std::atoi(argv[2])) : 500;
  CertificateWish wish;
  MadeCertificate made = make_certificate(wish);
  Bare bare(made);
  Ours ours(made);
  measure_idle(ours, "idle, TLS 1.3", kClientPriority[0], idle);
  measure_idle(ours, "idle, TLS 1.2", kClientPriority[1], idle);
  compare(bare, ours, "full, TLS 1.3", {kClientPriority[0], false, count});
  compare(bare, ours, "resumed, TLS 1.3", {kClientPriority[0], true, count});
  compare(bare, ours, "full, TLS 1.2", {kClientPriority[1], false, count});
  compare(bare, ours, "resumed, TLS 1.2", {kClientPriority[1], true, count});
}
