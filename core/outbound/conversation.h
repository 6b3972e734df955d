// Conversation: one connection to a next hop, a Stream driven by a ClientMachine. Sends contents from memory as views, or from the spool piece
// by piece as the next hop takes them. Belongs to one delivery.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "net/stream.h"
#include "outbound/context.h"
#include "outbound/host_walk.h"
#include "outbound/security.h"
#include "sasl/sasl.h"
#include "smtp/client_machine.h"
#include "smtp/content_encoder.h"

namespace veredus {

class Conversation {
 public:
  Conversation(OutboundContext& context, SettingsPtr settings, Target target, Source source, Security security, std::string credentials);
  ~Conversation();
  Conversation(const Conversation&) = delete;

  Task<Reply> open();  // connect, greeting, handshakes; code 0 = ready. What was settled about TLS is in security().told
  // Runs one transaction to its end; results() until the next one. The message is shared with the caller's frame.
  Task<void> transact(std::shared_ptr<const Message> message, std::span<const uint32_t> recipients);
  Task<void> quit();
  void abandon();  // ends a running transaction as lost

  std::span<const RecipientResult> results() const { return machine_.results(); }
  const ClientMachine& machine() const { return machine_; }
  bool usable() const;  // another transaction may begin
  bool used() const { return transactions_ > 0; }
  bool local_trouble() const { return local_trouble_; }  // the content could not be read here
  const std::string& remote() const { return remote_; }
  const Source& source() const { return source_; }
  const Security& security() const { return security_; }
  bool better_in_clear() const { return better_in_clear_; }  // open() failed in a handshake that nothing demanded

  static constexpr size_t kPiece = 256 * 1024;
  static constexpr Millis kQuitPatience{2'000};

 private:
  Task<void> advance();
  Reply trouble() const;
  // conversation_auth.cc
  Task<Reply> authenticate();
  Task<Reply> run_mechanism(std::unique_ptr<SaslClient> client, std::string mechanism);
  Reply auth_failed(std::string text);
  // conversation_tls.cc
  Task<Reply> secure();
  Task<Reply> upgrade();
  Reply judge();
  Reply insecure(const char* word, uint8_t detail, std::string text);
  std::string session_key() const;
  void keep_session();
  Task<void> receive(ClientPhase phase);
  Task<void> send(ClientStep::Content form);
  Task<Status> send_content(ContentEncoder& encoder);
  Task<Status> send_piece(std::string_view piece, ContentEncoder& encoder);
  Task<Status> send_file(ContentEncoder& encoder);
  Task<Status> flush();
  void broke(const Error& error);
  Millis patience(ClientPhase phase) const;

  OutboundContext& context_;
  SettingsPtr settings_;
  Target target_;
  Source source_;
  Security security_;
  std::string credentials_;  // name of an entry; empty: none
  std::string remote_;
  ClientMachine machine_;
  std::unique_ptr<Stream> stream_;
  std::shared_ptr<const Message> message_;
  std::vector<std::string_view> views_;
  uint64_t transactions_ = 0;
  bool local_trouble_ = false, cut_off_ = false, better_in_clear_ = false;
};

}  // namespace veredus
