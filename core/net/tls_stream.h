// TlsStream: a Stream whose octets GnuTLS encrypts onto another one. Holds no buffer of plain text while idle. Made by tls_accept() and
// tls_connect(). Belongs to one loop.
#pragma once

#include <gnutls/gnutls.h>

#include <memory>
#include <string>

#include "net/tls.h"

namespace veredus {

// What goes with a session and must live as long as it does: credentials, priorities.
using TlsHolds = std::shared_ptr<const void>;

class TlsStream final : public Stream, public TlsLink {
 public:
  // `side`: GNUTLS_SERVER or GNUTLS_CLIENT. The session is made here and configured by the caller through session().
  TlsStream(std::unique_ptr<Stream> plain, unsigned side);
  ~TlsStream() override;

  gnutls_session_t session() const { return session_; }
  void hold(TlsHolds what) { holds_ = std::move(what); }
  void attach();  // before the handshake: octets go through `plain`
  Task<Status> handshake(Deadline deadline);
  void note_facts();  // once it is done

  std::string_view buffered() const override { return std::string_view(plain_in_).substr(used_); }
  void consume(size_t count) override;
  Task<Result<size_t>> fill(Deadline deadline) override;
  bool input_pending() override;
  Task<Status> write(std::string octets, Deadline deadline) override;
  Task<Status> write_views(std::span<const std::string_view> octets, Deadline deadline) override;
  Result<size_t> try_write(std::span<const std::string_view> octets) override;
  void shutdown() override;
  void close() override;
  void reset() override;
  Endpoint peer() const override { return wire_->peer(); }
  Endpoint local() const override { return wire_->local(); }
  const TlsLink* tls() const override { return this; }

  const TlsFacts& facts() const override { return facts_; }
  TlsFacts& facts() { return facts_; }
  std::string channel_binding(std::string_view type) const override;
  std::string resumption() const override;

  static constexpr size_t kRecord = 16'384;
  static constexpr size_t kMostDecrypted = 64 * 1024;  // by one fill()
  static constexpr size_t kMostUnsent = 256 * 1024;    // encrypted octets that wait for the kernel

 private:
  static ssize_t on_push(gnutls_transport_ptr_t self, const giovec_t* pieces, int count);
  static ssize_t on_pull(gnutls_transport_ptr_t self, void* into, size_t size);
  static int on_pull_timeout(gnutls_transport_ptr_t self, unsigned milliseconds);
  ssize_t push(std::span<const giovec_t> pieces);
  Task<Status> flush(Deadline deadline);
  void flush_now();
  Status encrypt(std::string_view octets);
  Task<Status> send(std::string_view octets, Deadline deadline);
  void decrypt();
  void take(long received, const char* octets);
  Error failure(long code, const char* doing) const;

  std::unique_ptr<Stream> wire_;
  gnutls_session_t session_ = nullptr;
  TlsHolds holds_;
  TlsFacts facts_;
  std::string plain_in_;  // decrypted
  size_t used_ = 0;       // of it, consumed
  size_t unseen_ = 0;     // of it, not told by fill() yet
  std::string unsent_;    // encrypted, not with the kernel yet
  std::string gathered_;  // small pieces of plain text for one record
  long read_error_ = 0;   // final
  bool ended_ = false;    // the peer has said that no more comes, or has closed
  bool wire_ended_ = false, broken_ = false, established_ = false;
  bool flushing_ = false;  // a write of encrypted octets is under way
  unsigned warnings_ = 0;
};

// "the peer does not know our certificate authority (alert 48)": what a code of GnuTLS means for this session.
std::string tls_error_text(gnutls_session_t session, long code);

}  // namespace veredus
