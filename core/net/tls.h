// TLS on a Stream: the same interface over an encrypted connection, for both sides. TlsServer has the certificates and keys of one
// configuration, shared by all loops; TlsFacts is what a handshake settled. GnuTLS is known to the files tls_*.cc only.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "loop/table_port.h"
#include "loop/work_pool.h"
#include "net/stream.h"

namespace veredus {

struct TlsFacts {
  std::string version;  // "TLS1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384", as IANA names it
  std::string alpn;     // empty: none was agreed on
  std::string sni;      // the server name that the client asked for
  bool resumed = false;
  // Of the peer's certificate; empty when it sent none.
  std::string peer_subject;
  std::string peer_fingerprint;         // SHA-256 of the certificate, lower-case hex
  bool peer_trusted = false;            // server side: verified against the CA for clients
  std::vector<std::string> peer_chain;  // DER, the peer's own first, as sent (also of a resumed session)

  std::string text() const { return version.empty() ? std::string() : version + " " + cipher; }
};

// A TLS connection as a stream; stream->tls() gives it back.
class TlsLink {
 public:
  virtual ~TlsLink() = default;
  virtual const TlsFacts& facts() const = 0;
  // For SCRAM-*-PLUS: RFC 9266 "tls-exporter", RFC 5929 "tls-server-end-point". Empty when the session cannot give it.
  virtual std::string channel_binding(std::string_view type) const = 0;
  // Client side: what the next connection to the same server may offer to resume; empty until the server has sent it.
  virtual std::string resumption() const = 0;
};

struct TlsServerOptions {
  TlsServerOptions() = default;
  struct Pair {
    std::string cert, key;  // PEM files: certificate with its chain, private key
    std::string place;      // "conf.d/00-core.yaml:7:5", for error messages
  };
  std::vector<Pair> certificates;  // found by the names in them; the first is for clients that name none known
  std::string table;               // server name -> "CERT KEY"; empty: none
  size_t cache = 1000;             // certificates of the table kept loaded
  std::string priority;            // GnuTLS priority string; empty = the safe default
  std::string client_ca;           // PEM file; empty: client certificates are not asked for unless ask_client
  bool ask_client = false;         // ask for one and tell its fingerprint, whoever signed it
  Millis tickets{};                // how long a key for session tickets lives; 0 = no resumption
  WorkPool* pool = nullptr;        // reads the files of the table; null: done where it is asked for
};

// What the client wants, before the server answers.
struct TlsHello {
  std::string sni;  // lower case; empty: none
  std::vector<std::string> alpn;
};

// One a configuration. Files are looked at again when they change; a pair that cannot be used then leaves the one in use in place and is
// reported through `report`. [any] except what says otherwise.
class TlsServer {
 public:
  // `refused`: it is not used; else it is, and needs attention soon. [any]
  using Report = std::function<void(bool refused, std::string text)>;
  // Loads every pair of the options; an error names the file, what is wrong and what to do. `before`: the server that this one replaces;
  // keys for tickets go on. `tables` may be null.
  static Result<std::shared_ptr<TlsServer>> make(TlsServerOptions options, TablePort* tables, Report report, const Clock& clock,
                                                 const TlsServer* before = nullptr);
  virtual ~TlsServer() = default;
  virtual bool offers_tls() const = 0;   // there is a certificate, or a table of them
  struct CertificateInfo {
    std::string file, subject, fingerprint;
    std::vector<std::string> names;
    WallTime expires{};
    std::vector<std::string> chain{};  // DER, as clients get it
  };
  // An error refuses a renewed pair that could be used otherwise; it is looked at again after a minute.
  using Accept = std::function<Status(const CertificateInfo& renewed)>;
  // [one thread at a time] both block for the files; called every few seconds
  virtual bool files_changed() const = 0;  // whether look_for_changes has something to do
  virtual void look_for_changes(const Accept& accept = {}) = 0;
  virtual std::vector<CertificateInfo> certificates() const = 0;  // those of the options

 protected:
  TlsServer() = default;
};

// Asked once the client has said what it wants; an error ends the handshake with an alert. May be empty.
using OnTlsHello = std::function<Task<Status>(TlsHello)>;

// Runs the server's side of a handshake over `plain`, which is given up in any case. Octets that `plain` has buffered are taken as the
// beginning of the handshake: after STARTTLS the caller makes sure that there are none. The error's text is for a log.
Task<Result<std::unique_ptr<Stream>>> tls_accept(Loop& loop, std::unique_ptr<Stream> plain, std::shared_ptr<TlsServer> server,
                                                 OnTlsHello on_hello, Deadline deadline);

struct TlsClientOptions {
  TlsClientOptions() = default;
  std::string sni;              // empty: none is sent
  std::string alpn = "smtp";    // empty: none is offered
  std::string priority;         // empty = the safe default
  std::string cert, key;        // PEM files of our own certificate; empty: none
  std::string resumption;       // of an earlier connection to the same server
  bool tls_1_3_only = false;
};

// Runs the client's side. The server's certificate is not judged here: callers look at facts().peer_chain (tls_verify.h, dane.h) before
// they say anything.
Task<Result<std::unique_ptr<Stream>>> tls_connect(Loop& loop, std::unique_ptr<Stream> plain, TlsClientOptions options, Deadline deadline);

}  // namespace veredus
