// Octets between GnuTLS and a stream. GnuTLS never waits: what it cannot read or write at once is waited for here.
#include "net/tls_stream.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <cerrno>

#include "net/tls_verify.h"

namespace veredus {

TlsStream::TlsStream(std::unique_ptr<Stream> plain, unsigned side) : wire_(std::move(plain)) {
  if (gnutls_init(&session_, side | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) throw std::bad_alloc();
}

TlsStream::~TlsStream() { gnutls_deinit(session_); }

void TlsStream::attach() {
  gnutls_transport_set_ptr(session_, this);
  gnutls_transport_set_vec_push_function(session_, &TlsStream::on_push);
  gnutls_transport_set_pull_function(session_, &TlsStream::on_pull);
  gnutls_transport_set_pull_timeout_function(session_, &TlsStream::on_pull_timeout);
  gnutls_handshake_set_timeout(session_, 0);
}

ssize_t TlsStream::on_push(gnutls_transport_ptr_t self, const giovec_t* pieces, int count) {
  return static_cast<TlsStream*>(self)->push({pieces, static_cast<size_t>(count)});
}

// Takes everything: what the kernel does not take now is kept, and sent before anything else.
ssize_t TlsStream::push(std::span<const giovec_t> pieces) {
  if (broken_) {
    gnutls_transport_set_errno(session_, EPIPE);
    return -1;
  }
  size_t size = 0, taken = 0;
  for (const giovec_t& piece : pieces) size += piece.iov_len;
  if (unsent_.empty() && !flushing_) {
    std::array<std::string_view, 8> views;
    size_t used = 0;
    for (; used < std::min(pieces.size(), views.size()); ++used)
      views[used] = std::string_view(static_cast<const char*>(pieces[used].iov_base), pieces[used].iov_len);
    auto sent = wire_->try_write({views.data(), used});
    broken_ = !sent;
    if (sent) taken = *sent;
  }
  for (const giovec_t& piece : pieces) {
    size_t skip = std::min<size_t>(taken, piece.iov_len);
    taken -= skip;
    if (!broken_) unsent_.append(static_cast<const char*>(piece.iov_base) + skip, piece.iov_len - skip);
  }
  if (!broken_) return static_cast<ssize_t>(size);
  gnutls_transport_set_errno(session_, EPIPE);
  return -1;
}

ssize_t TlsStream::on_pull(gnutls_transport_ptr_t self, void* into, size_t size) {
  auto* stream = static_cast<TlsStream*>(self);
  std::string_view here = stream->wire_->buffered();
  if (here.empty() && stream->wire_ended_) return 0;
  if (here.empty()) {
    gnutls_transport_set_errno(stream->session_, EAGAIN);
    return -1;
  }
  size_t count = std::min(size, here.size());
  std::copy_n(here.data(), count, static_cast<char*>(into));
  stream->wire_->consume(count);
  return static_cast<ssize_t>(count);
}

int TlsStream::on_pull_timeout(gnutls_transport_ptr_t self, unsigned) {
  auto* stream = static_cast<TlsStream*>(self);
  return !stream->wire_->buffered().empty() || stream->wire_ended_ ? 1 : 0;
}

Error TlsStream::failure(long code, const char* doing) const {
  bool gone = code == GNUTLS_E_PUSH_ERROR || code == GNUTLS_E_PULL_ERROR || code == GNUTLS_E_PREMATURE_TERMINATION;
  return fail(gone ? Errc::closed : Errc::io, std::string(doing) + " " + peer().text() + ": " + tls_error_text(session_, code));
}

Task<Status> TlsStream::flush(Deadline deadline) {
  Status sent;
  while (sent && !unsent_.empty()) {
    std::string octets = std::exchange(unsent_, {});
    flushing_ = true;
    sent = co_await wire_->write(std::move(octets), deadline);
    flushing_ = false;
  }
  broken_ |= !sent;
  co_return sent;
}

// What came up while reading (an alert, a key update): as much as the kernel takes. The rest goes with the next write; one that is under way
// takes it along.
void TlsStream::flush_now() {
  if (flushing_ || broken_ || unsent_.empty()) return;
  std::string_view rest(unsent_);
  auto sent = wire_->try_write({&rest, 1});
  broken_ = !sent;
  if (sent) unsent_.erase(0, *sent);
}

Task<Status> TlsStream::handshake(Deadline deadline) {
  constexpr unsigned kMostWarnings = 8;
  for (;;) {
    int code = gnutls_handshake(session_);
    if (code < 0 && gnutls_error_is_fatal(code)) gnutls_alert_send_appropriate(session_, code);
    auto sent = co_await flush(deadline);
    if (code == GNUTLS_E_SUCCESS) {
      established_ = sent.ok();
      co_return sent;
    }
    if (gnutls_error_is_fatal(code)) co_return failure(code, "TLS with");
    if (!sent) co_return sent;
    if (code != GNUTLS_E_AGAIN && code != GNUTLS_E_INTERRUPTED && ++warnings_ > kMostWarnings) co_return fail(Errc::io, "TLS with " + peer().text() + ": too many warning alerts");
    if (code != GNUTLS_E_AGAIN || gnutls_record_get_direction(session_) == 1 || !wire_->buffered().empty()) continue;
    auto filled = co_await wire_->fill(deadline);
    if (!filled && filled.error().code == Errc::timeout) co_return fail(Errc::timeout, "TLS with " + peer().text() + ": the handshake was not finished in time");
    if (!filled) co_return filled.error();
    if (*filled == 0 && wire_ended_) co_return fail(Errc::closed, "TLS with " + peer().text() + ": the peer closed the connection in the middle of the handshake");
    wire_ended_ = *filled == 0;
  }
}

void TlsStream::note_facts() {
  facts_.version = gnutls_protocol_get_name(gnutls_protocol_get_version(session_));
  if (const char* suite = gnutls_ciphersuite_get(session_)) facts_.cipher = suite;
  facts_.resumed = gnutls_session_is_resumed(session_) != 0;
  gnutls_datum_t protocol{};
  if (gnutls_alpn_get_selected_protocol(session_, &protocol) == 0) facts_.alpn.assign(reinterpret_cast<char*>(protocol.data), protocol.size);
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session_, &count);
  for (unsigned i = 0; chain && i < std::min(count, 16u); ++i)
    facts_.peer_chain.emplace_back(reinterpret_cast<const char*>(chain[i].data), chain[i].size);
  if (facts_.peer_chain.empty()) return;
  facts_.peer_subject = certificate_subject(facts_.peer_chain[0]);
  facts_.peer_fingerprint = certificate_fingerprint(facts_.peer_chain[0]);
}

// --- reading

void TlsStream::consume(size_t count) {
  used_ += count;
  if (used_ == plain_in_.size()) {
    std::string().swap(plain_in_);
    used_ = 0;
  }
  unseen_ = std::min(unseen_, plain_in_.size() - used_);
}

void TlsStream::take(long received, const char* octets) {
  if (received > 0) {
    if (used_ > 0) plain_in_.erase(0, std::exchange(used_, 0));
    plain_in_.append(octets, static_cast<size_t>(received));
    unseen_ += static_cast<size_t>(received);
  } else if (received == 0 || received == GNUTLS_E_PREMATURE_TERMINATION) {
    ended_ = true;
  } else if (received == GNUTLS_E_REHANDSHAKE || received == GNUTLS_E_REAUTH_REQUEST) {
    gnutls_alert_send(session_, GNUTLS_AL_FATAL, GNUTLS_A_NO_RENEGOTIATION);
    read_error_ = received;
  } else if (gnutls_error_is_fatal(static_cast<int>(received))) {
    gnutls_alert_send_appropriate(session_, static_cast<int>(received));
    read_error_ = received;
  } else if (received == GNUTLS_E_WARNING_ALERT_RECEIVED && ++warnings_ > 64) {
    read_error_ = GNUTLS_E_TOO_MANY_EMPTY_PACKETS;
  }
}

// What is here now, up to a bound.
void TlsStream::decrypt() {
  std::array<char, kRecord> record;
  for (size_t taken = 0; taken < kMostDecrypted && !ended_ && !read_error_;) {
    long received = gnutls_record_recv(session_, record.data(), record.size());
    if (received == GNUTLS_E_AGAIN || received == GNUTLS_E_INTERRUPTED) {
      if (wire_->buffered().empty()) return;
      continue;
    }
    take(received, record.data());
    if (received > 0) taken += static_cast<size_t>(received);
  }
}

Task<Result<size_t>> TlsStream::fill(Deadline deadline) {
  for (;;) {
    if (unseen_ == 0) decrypt();
    flush_now();
    if (unseen_ > 0) co_return std::exchange(unseen_, 0);
    if (read_error_) co_return failure(read_error_, "reading from");
    if (ended_) co_return size_t{0};
    auto filled = co_await wire_->fill(deadline);
    if (!filled) co_return filled.error();
    if (*filled == 0) wire_ended_ = true;
  }
}

bool TlsStream::input_pending() {
  if (used_ < plain_in_.size()) return true;
  return gnutls_record_check_pending(session_) > 0 || !wire_->buffered().empty() || wire_->input_pending();
}

// --- writing

Status TlsStream::encrypt(std::string_view octets) {
  while (!octets.empty()) {
    ssize_t sent = gnutls_record_send(session_, octets.data(), octets.size());
    if (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED) continue;  // push() takes everything, so this does not last
    if (sent < 0) return failure(sent, "writing to");
    octets.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Task<Status> TlsStream::send(std::string_view octets, Deadline deadline) {
  while (!octets.empty()) {
    std::string_view piece = octets.substr(0, kMostUnsent);
    if (Status done = encrypt(piece); !done) co_return done;
    octets.remove_prefix(piece.size());
    auto sent = co_await flush(deadline);
    if (!sent) co_return sent;
  }
  co_return Status();
}

Task<Status> TlsStream::write(std::string octets, Deadline deadline) {
  std::string_view view(octets);
  co_return co_await write_views({&view, 1}, deadline);
}

// Small pieces share a record; long ones are encrypted from where they are.
Task<Status> TlsStream::write_views(std::span<const std::string_view> octets, Deadline deadline) {
  constexpr size_t kLong = 4096;
  if (!established_ || broken_) co_return fail(Errc::closed, "writing to " + peer().text() + ": the connection is closed");
  Status done;
  for (size_t i = 0; i < octets.size() && done; ++i) {
    std::string_view piece = octets[i];
    bool alone = gathered_.empty() && (piece.size() >= kLong || i + 1 == octets.size());
    if (!alone && gathered_.size() + piece.size() <= kRecord) {
      gathered_.append(piece);
      continue;
    }
    if (!gathered_.empty()) done = encrypt(std::exchange(gathered_, {}));
    if (!done) break;
    if (piece.size() < kLong && i + 1 < octets.size()) gathered_.append(piece);
    else done = co_await send(piece, deadline);
  }
  if (done && !gathered_.empty()) done = encrypt(gathered_);
  std::string().swap(gathered_);
  if (!done) co_return done;
  co_return co_await flush(deadline);
}

Result<size_t> TlsStream::try_write(std::span<const std::string_view> octets) {
  if (!established_ || broken_) return fail(Errc::closed, "writing to " + peer().text() + ": the connection is closed");
  if (!unsent_.empty()) {
    std::string_view rest(unsent_);
    auto sent = wire_->try_write({&rest, 1});
    if (!sent) return sent.error();
    unsent_.erase(0, *sent);
    if (!unsent_.empty()) return size_t{0};
  }
  size_t taken = 0;
  for (std::string_view piece : octets) {
    if (!unsent_.empty()) break;
    piece = piece.substr(0, kRecord);
    if (Status done = encrypt(piece); !done) return done.error();
    taken += piece.size();
    if (piece.size() == kRecord) break;
  }
  return taken;
}

void TlsStream::shutdown() {
  if (established_ && !broken_) gnutls_bye(session_, GNUTLS_SHUT_WR);
  flush_now();
  wire_->shutdown();
}

void TlsStream::close() {
  if (established_ && !broken_) gnutls_bye(session_, GNUTLS_SHUT_WR);
  flush_now();
  broken_ = true;
  if (!read_error_) read_error_ = GNUTLS_E_PULL_ERROR;
  wire_->close();
}

void TlsStream::reset() {
  broken_ = true;
  if (!read_error_) read_error_ = GNUTLS_E_PULL_ERROR;
  wire_->reset();
}

// --- what is known of the session

std::string TlsStream::channel_binding(std::string_view type) const {
  auto which = type == "tls-exporter" ? GNUTLS_CB_TLS_EXPORTER : GNUTLS_CB_TLS_SERVER_END_POINT;
  if (type != "tls-exporter" && type != "tls-server-end-point") return {};
  gnutls_datum_t data{};
  if (gnutls_session_channel_binding(session_, which, &data) < 0) return {};
  std::string out(reinterpret_cast<char*>(data.data), data.size);
  gnutls_free(data.data);
  return out;
}

std::string TlsStream::resumption() const {
  bool ticket = gnutls_protocol_get_version(session_) != GNUTLS_TLS1_3 || (gnutls_session_get_flags(session_) & GNUTLS_SFLAGS_SESSION_TICKET) != 0;
  gnutls_datum_t data{};
  if (!established_ || !ticket || gnutls_session_get_data2(session_, &data) < 0) return {};
  std::string out(reinterpret_cast<char*>(data.data), data.size);
  gnutls_free(data.data);
  return out;
}

std::string tls_error_text(gnutls_session_t session, long code) {
  if (code == GNUTLS_E_FATAL_ALERT_RECEIVED || code == GNUTLS_E_WARNING_ALERT_RECEIVED) {
    auto alert = gnutls_alert_get(session);
    const char* name = gnutls_alert_get_name(alert);
    return "the peer ended it with alert " + std::to_string(static_cast<int>(alert)) + (name ? " (" + std::string(name) + ")" : std::string());
  }
  switch (code) {
    case GNUTLS_E_PREMATURE_TERMINATION: return "the peer closed the connection in the middle";
    case GNUTLS_E_PUSH_ERROR:
    case GNUTLS_E_PULL_ERROR: return "the connection is closed";
    case GNUTLS_E_NO_APPLICATION_PROTOCOL: return "the peer offers no application protocol that is spoken here (smtp)";
    case GNUTLS_E_NO_CIPHER_SUITES: return "there is no cipher that both sides allow";
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET: return "there is no protocol version that both sides allow";
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_RECORD_OVERFLOW:
    case GNUTLS_E_UNEXPECTED_PACKET: return "what came is not TLS";
    case GNUTLS_E_REHANDSHAKE:
    case GNUTLS_E_REAUTH_REQUEST: return "the peer asked for a renegotiation, which is refused";
    default: return gnutls_strerror(static_cast<int>(code));
  }
}

}  // namespace veredus
