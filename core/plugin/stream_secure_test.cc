// Streams of plugins over TLS, against a server of ours on the same loop: certificates that are accepted, and those that are not.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <veredus/veredus.h>

#include <csignal>

#include "net/fake_resolver.h"
#include "net/listener.h"
#include "net/tls.h"
#include "net/tls_test_support.h"
#include "plugin/host_test_rig.h"
#include "plugin/interfaces.h"

using namespace veredus;
using namespace veredus::test;
using veredus::testing::CertificateFiles;
using veredus::testing::make_certificate;
using veredus::testing::MadeCertificate;

namespace {

struct Talk {
  int opened = 0, closed = 0;
  vrd_status status = 1;
  std::string data;
};

const vrd_stream_events kTalk{VRD_SIZED(vrd_stream_events), 0,
                              [](void* ctx, vrd_op, vrd_status status) {
                                ++static_cast<Talk*>(ctx)->opened;
                                static_cast<Talk*>(ctx)->status = status;
                              },
                              [](void* ctx, vrd_op, vrd_str octets) {
                                if (octets.len > 0) static_cast<Talk*>(ctx)->data.append(octets.ptr, octets.len);
                              },
                              [](void* ctx, vrd_op, vrd_status) { ++static_cast<Talk*>(ctx)->closed; }};

// Sends back what comes first.
Task<void> echo(Loop& loop, int fd, std::shared_ptr<TlsServer> server) {
  auto wire = adopt_stream(loop, fd);
  auto stream = co_await tls_accept(loop, std::move(*wire), std::move(server), {}, Deadline::in(loop, Seconds(10)));
  if (!stream) co_return;
  auto got = co_await (*stream)->fill(Deadline::in(loop, Seconds(10)));
  if (!got || *got == 0) co_return;
  (void)co_await (*stream)->write(std::string((*stream)->buffered()), Deadline::in(loop, Seconds(10)));
  (*stream)->shutdown();
}

struct SecureRig : HostRig {
  SecureRig() {
    std::signal(SIGPIPE, SIG_IGN);
    all[0]->services.pool = &pool;
    all[0]->services.resolver = &resolver;
    resolver.add_a("tls.test", "127.0.0.1");
    resolver.add_a("other.test", "127.0.0.1");
    auto settings = std::make_shared<Settings>();
    settings->tls.ca = files.put("ca.pem", authority.cert_pem);
    all[0]->services.settings = [settings] { return settings; };
    REQUIRE(enable({"plugin: servant\n"}) == "");
    plugin = host->current()->find("servant")->host();
  }
  ~SecureRig() {
    listener.reset();
    connections.reset();
    finish();
  }
  // Serves `name` with a certificate of `issuer`; null: one that signs itself.
  void serve(const std::string& name, const MadeCertificate* issuer) {
    MadeCertificate made = make_certificate({.names = {name}, .issuer = issuer});
    TlsServerOptions options;
    options.certificates.push_back({files.put("a.pem", made.cert_pem), files.put("a.key", made.key_pem), ""});
    options.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    server = *TlsServer::make(std::move(options), nullptr, {}, clock);
    connections.emplace(main());
    listen_with([this](int accepted, Endpoint) { connections->spawn(echo(main(), accepted, server)); });
  }
  void listen_with(Listener::OnAccept on_accept) {
    int fd = *bind_listener(Endpoint{*IpAddress::parse("127.0.0.1"), 0});
    sockaddr_in where{};
    socklen_t size = sizeof where;
    getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
    port = std::to_string(ntohs(where.sin_port));
    listener = std::make_unique<Listener>(main(), fd, std::move(on_accept));
  }
  vrd_op open(const std::string& target, Talk& talk) {
    vrd_stream_request request{VRD_SIZED(vrd_stream_request), 5000, 10'000, 0, {target.data(), target.size()}};
    vrd_op stream = 0;
    CHECK(core_stream().open(plugin, &request, &kTalk, &talk, &stream) == VRD_OK);
    REQUIRE(until([&] { return talk.opened == 1; }));
    return stream;
  }

  WorkPool pool{2};
  FakeResolver resolver{main()};
  CertificateFiles files;
  MadeCertificate authority = make_certificate({.names = {"authority"}, .ca = true});
  std::shared_ptr<TlsServer> server;
  std::string port;
  std::optional<Scope> connections;
  std::unique_ptr<Listener> listener;
  const vrd_host* plugin = nullptr;
};

}  // namespace

TEST_CASE("streams over TLS: octets pass when the certificate is of a known authority and for the host") {
  SecureRig rig;
  rig.serve("tls.test", &rig.authority);
  Talk talk;
  vrd_op stream = rig.open("tls://tls.test:" + rig.port, talk);
  REQUIRE(talk.status == VRD_OK);
  CHECK(core_stream().send(rig.plugin, stream, {"hello", 5}) == VRD_OK);
  CHECK(rig.until([&] { return talk.closed == 1; }));
  CHECK(talk.data == "hello");
}

TEST_CASE("streams over TLS: another name, an unknown authority, and a server without TLS are refused") {
  SecureRig rig;
  rig.serve("tls.test", &rig.authority);
  Talk other;
  rig.open("tls://other.test:" + rig.port, other);
  CHECK(other.status == VRD_E_IO);
  Talk address;
  rig.open("tls://127.0.0.1:" + rig.port, address);
  CHECK(address.status == VRD_E_IO);
  rig.serve("tls.test", nullptr);
  Talk unknown;
  rig.open("tls://tls.test:" + rig.port, unknown);
  CHECK(unknown.status == VRD_E_IO);
  rig.listen_with([](int fd, Endpoint) {
    CHECK(send(fd, "220 in clear\r\n", 14, MSG_NOSIGNAL) == 14);
    ::close(fd);
  });
  Talk clear;
  rig.open("tls://tls.test:" + rig.port, clear);
  CHECK(clear.status == VRD_E_IO);
}
