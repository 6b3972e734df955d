// Fuzz target: a client that says anything to a server that waits for a handshake. The ClientHello is looked at in pieces, and the whole goes
// through the server's side of a handshake over a real socket. It must end, with an error that says something.
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "loop/scope.h"
#include "net/client_hello.h"
#include "net/tls.h"
#include "net/tls_test_support.h"

namespace {

using namespace veredus;

void require(bool condition) {
  if (!condition) std::abort();
}

struct World {
  RealClock clock;
  Loop loop{clock};
  testing::CertificateFiles files;
  std::shared_ptr<TlsServer> server;

  World() {
    std::signal(SIGPIPE, SIG_IGN);
    testing::MadeCertificate made = testing::make_certificate({});
    TlsServerOptions options;
    options.certificates.push_back({files.put("c.pem", made.cert_pem), files.put("c.key", made.key_pem), ""});
    options.tickets = Millis(3'600'000);
    auto built = TlsServer::make(std::move(options), nullptr, {}, clock);
    require(built.ok());
    server = *built;
  }
};

// Less of it is never more: what is complete stays what it is when more octets follow.
void look_in_pieces(std::string_view octets) {
  HelloRead whole = read_client_hello(octets);
  require(whole.hello.sni.size() <= 255 && whole.hello.sni.find('\0') == std::string::npos);
  for (size_t count = 0; count < octets.size() && count < 600; count += 1 + count / 8) {
    HelloRead part = read_client_hello(octets.substr(0, count));
    if (part.state == HelloRead::State::complete) require(whole.state == part.state && whole.hello.sni == part.hello.sni);
    if (part.state == HelloRead::State::other) require(whole.state == part.state);
  }
}

Task<void> shake_hands(World& world, std::unique_ptr<Stream> wire) {
  auto got = co_await tls_accept(world.loop, std::move(wire), world.server, {}, Deadline::in(world.loop, Millis(2'000)));
  require(got.ok() || !got.error().text.empty());
}

void feed(int fd, std::string_view octets, size_t step) {
  while (!octets.empty()) {
    ssize_t sent = send(fd, octets.data(), std::min(step, octets.size()), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) return;
    octets.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size < 1 || size > 40'000) return 0;
  std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  look_in_pieces(octets);
  int fds[2];
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  auto wire = adopt_stream(world.loop, fds[0]);
  require(wire.ok());
  Scope scope(world.loop);
  scope.spawn(shake_hands(world, std::move(*wire)));
  feed(fds[1], octets, 1 + data[0] * 64u);
  shutdown(fds[1], SHUT_WR);
  while (scope.running() > 0) world.loop.run_turn(Millis(100));
  close(fds[1]);
  world.loop.run_turn(Millis(0));
  return 0;
}
