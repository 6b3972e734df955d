// Trust anchors are read on the work pool and kept, shared by all loops, until the file changes.
#include "plugin/stream_secure.h"

#include <filesystem>
#include <mutex>

#include "net/dns_name.h"
#include "net/tls_verify.h"

namespace veredus {

namespace {

using Anchors = std::shared_ptr<const TrustAnchors>;

// Blocks.
Result<Anchors> anchors_in(const std::string& file) {
  static std::mutex mutex;
  static std::string known_file;
  static std::filesystem::file_time_type known_time;
  static Anchors known;
  std::error_code error;
  auto time = std::filesystem::last_write_time(file, error);
  std::lock_guard lock(mutex);
  if (known && !error && known_file == file && known_time == time) return known;
  auto loaded = TrustAnchors::load(file);
  if (!loaded) return loaded;
  known = *loaded;
  known_file = file;
  known_time = time;
  return loaded;
}

Task<Result<Anchors>> anchors_for(LoopServices& services) {
  if (!services.settings) co_return fail(Errc::unsupported, "no settings");
  std::string file = services.settings()->tls.ca;
  std::function<Result<Anchors>()> work = [file] { return anchors_in(file); };
  if (!services.pool) co_return work();
  co_return co_await run_on<Anchors>(services.loop, *services.pool, std::move(work));
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> secure_stream(LoopServices& services, std::unique_ptr<Stream> plain, std::string host, Deadline deadline) {
  auto anchors = co_await anchors_for(services);
  if (!anchors) co_return anchors.error();
  auto ascii = to_ascii_domain(host);
  std::string name = IpAddress::parse(host) || !ascii ? host : *ascii;
  TlsClientOptions options;
  if (!IpAddress::parse(host)) options.sni = name;
  options.alpn.clear();  // what is spoken is the plugin's business
  auto stream = co_await tls_connect(services.loop, std::move(plain), std::move(options), deadline);
  if (!stream) co_return stream.error();
  std::vector<std::string> names{name};
  CertificateVerdict verdict = verify_chain((*stream)->tls()->facts().peer_chain, **anchors, names, services.loop.clock().wall());
  if (verdict.fault == CertificateFault::none) co_return std::move(*stream);
  (*stream)->close();
  co_return fail(Errc::io, "the certificate of " + host + " is not accepted: " + verdict.text);
}

}  // namespace veredus
