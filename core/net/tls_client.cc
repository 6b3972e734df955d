// The client's side of a handshake. Priorities and our own certificates are made once and shared.
#include <map>
#include <mutex>

#include "base/text.h"
#include "net/tls_pair.h"
#include "net/tls_stream.h"

namespace veredus {

namespace {

constexpr const char* kPriority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SAFE_RENEGOTIATION";

// What clients of one kind share.
struct ClientKind {
  gnutls_priority_t priority = nullptr;
  TlsCredentials credentials;
  std::shared_ptr<const TlsPair> pair;
  ~ClientKind() {
    if (priority) gnutls_priority_deinit(priority);
  }
};

Result<std::shared_ptr<ClientKind>> make_kind(const TlsClientOptions& options) {
  auto out = std::make_shared<ClientKind>();
  const char* wrong = nullptr;
  std::string wanted = options.priority.empty() ? kPriority : options.priority;
  if (options.tls_1_3_only) wanted += ":-VERS-TLS1.2";
  if (gnutls_priority_init2(&out->priority, wanted.c_str(), &wrong, 0) < 0)
    return fail(Errc::invalid, "GnuTLS does not understand the priority string at \"" + printable(wrong ? wrong : wanted.c_str(), 60) + "\"");
  std::vector<std::shared_ptr<const TlsPair>> pairs;
  if (!options.cert.empty()) {
    auto pair = read_pair(options.cert, options.key, std::chrono::floor<Millis>(std::chrono::system_clock::now()));
    if (!pair) return pair.error();
    out->pair = *pair;
    pairs.push_back(std::move(*pair));
  }
  auto credentials = make_credentials(std::move(pairs), {});
  if (!credentials) return credentials.error();
  out->credentials = std::move(*credentials);
  return out;
}

bool still_good(const ClientKind& kind) {
  return !kind.pair || (stamp_of(kind.pair->cert_path) == kind.pair->cert_stamp && stamp_of(kind.pair->key_path) == kind.pair->key_stamp);
}

Result<std::shared_ptr<ClientKind>> kind_for(const TlsClientOptions& options) {
  constexpr size_t kMostKinds = 64;
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<ClientKind>> known;
  std::string key = options.priority + '\n' + options.cert + '\n' + options.key + (options.tls_1_3_only ? "\n1.3" : "");
  std::lock_guard lock(mutex);
  if (auto place = known.find(key); place != known.end() && still_good(*place->second)) return place->second;
  if (known.size() >= kMostKinds) known.clear();
  auto made = make_kind(options);
  if (made) known[key] = *made;
  return made;
}

void configure(TlsStream& stream, const ClientKind& kind, const TlsClientOptions& options) {
  gnutls_session_t session = stream.session();
  gnutls_priority_set(session, kind.priority);
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, kind.credentials.get());
  if (!options.sni.empty()) gnutls_server_name_set(session, GNUTLS_NAME_DNS, options.sni.data(), options.sni.size());
  if (!options.alpn.empty()) {
    std::string name = options.alpn;
    gnutls_datum_t protocol{reinterpret_cast<unsigned char*>(name.data()), static_cast<unsigned>(name.size())};
    gnutls_alpn_set_protocols(session, &protocol, 1, 0);
  }
  if (!options.resumption.empty()) gnutls_session_set_data(session, options.resumption.data(), options.resumption.size());
  stream.attach();
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> tls_connect(Loop&, std::unique_ptr<Stream> plain, TlsClientOptions options, Deadline deadline) {
  auto kind = kind_for(options);
  if (!kind) co_return kind.error();
  auto stream = std::make_unique<TlsStream>(std::move(plain), GNUTLS_CLIENT);
  stream->hold(*kind);
  configure(*stream, **kind, options);
  Status done = co_await stream->handshake(deadline);
  if (!done) co_return done.error();
  stream->note_facts();
  stream->facts().sni = options.sni;
  co_return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace veredus
