// Performs the steps of the client machine on a stream. Every wait has the time-out of RFC 5321 4.5.3.2 that the settings give for it.
#include "outbound/conversation.h"

#include <algorithm>

#include "outbound/classify.h"

namespace veredus {

namespace {

using Kind = ClientStep::Kind;

ClientOptions options_for(const Target& target, const Source& source) {
  ClientOptions out;
  out.helo = source.helo;
  out.lmtp = target.lmtp;
  return out;
}

}  // namespace

Conversation::Conversation(OutboundContext& context, SettingsPtr settings, Target target, Source source, Security security, std::string credentials)
    : context_(context),
      settings_(std::move(settings)),
      target_(std::move(target)),
      source_(std::move(source)),
      security_(std::move(security)),
      credentials_(std::move(credentials)),
      remote_(target_.text()),
      machine_(options_for(target_, source_)) {
  ++context_.counters.connections_now;
}

Conversation::~Conversation() {
  keep_session();
  --context_.counters.connections_now;
}

Task<Reply> Conversation::open() {
  ConnectOptions options;
  options.to = target_.to;
  options.unix_path = target_.unix_path;
  options.bind = source_.bind;
  auto connected =
      co_await connect_stream(context_.loop, std::move(options), Deadline::in(context_.loop, settings_->outbound.connect_timeout));
  if (!connected) co_return connect_failure(remote_, connected.error());
  stream_ = std::move(connected).value();
  security_.told.source = stream_->local().ip;
  co_await advance();
  if (machine_.step().kind != Kind::ready) co_return trouble();
  Reply why;
  if (security_.wanted) why = co_await secure();
  if (why.code == 0 && !credentials_.empty()) why = co_await authenticate();
  co_return why;
}

Reply Conversation::trouble() const {
  Reply why = machine_.problem();
  if (machine_.banner() == why || !machine_.greeted()) why.lines = {remote_ + " takes no mail now: " + why.joined()};
  return why;
}

Task<void> Conversation::transact(std::shared_ptr<const Message> message, std::span<const uint32_t> recipients) {
  if (machine_.step().kind == Kind::finished) machine_.next();
  message_ = std::move(message);
  ++context_.counters.transactions;
  machine_.begin(*message_, recipients);
  co_await advance();
  ++transactions_;
}

bool Conversation::usable() const {
  bool idle = machine_.step().kind == Kind::ready || machine_.step().kind == Kind::finished;
  return idle && machine_.problem().code == 0 && stream_ && stream_->buffered().empty();
}

void Conversation::abandon() {
  machine_.lost(local_reply(451, {4, 3, 2}, "This host is shutting down"));
}

Task<void> Conversation::quit() {
  if (machine_.step().kind == Kind::finished) machine_.next();
  if (machine_.step().kind != Kind::ready) co_return;
  machine_.quit();
  co_await advance();
}

Task<void> Conversation::advance() {
  for (;;) {
    ClientStep step = machine_.step();
    if (step.kind == Kind::write) co_await send(step.content);
    else if (step.kind == Kind::read) co_await receive(step.phase);
    else co_return;
  }
}

// Waits for one whole reply; its lines share one time-out.
Task<void> Conversation::receive(ClientPhase phase) {
  Millis span = cut_off_ ? std::min(kQuitPatience, patience(phase)) : patience(phase);
  Deadline deadline = Deadline::in(context_.loop, span);
  uint64_t before = machine_.replies();
  for (;;) {
    if (std::string_view here = stream_->buffered(); !here.empty()) {
      stream_->consume(machine_.feed(here));
      if (machine_.replies() != before || machine_.step().kind != Kind::read) co_return;
    }
    auto filled = co_await stream_->fill(deadline);
    if (filled && *filled > 0) continue;
    if (filled) machine_.lost(closed_connection(remote_, phase));
    else machine_.lost(lost_connection(remote_, filled.error(), phase));
    co_return;
  }
}

Millis Conversation::patience(ClientPhase phase) const {
  const OutboundSettings& times = settings_->outbound;
  switch (phase) {
    case ClientPhase::banner: return times.banner_timeout;
    case ClientPhase::helo: return times.helo_timeout;
    case ClientPhase::starttls: return settings_->tls.handshake;
    case ClientPhase::auth:
    case ClientPhase::mail:
    case ClientPhase::reset: return times.mail_timeout;
    case ClientPhase::rcpt: return times.rcpt_timeout;
    case ClientPhase::data: return times.data_timeout;
    case ClientPhase::dot: return times.dot_timeout;
    case ClientPhase::quit: return std::min(kQuitPatience, times.mail_timeout);
  }
  return times.mail_timeout;
}

Task<void> Conversation::send(ClientStep::Content form) {
  views_.assign(1, machine_.output());
  Status sent;
  if (form == ClientStep::Content::none) {
    sent = co_await flush();
  } else {
    ContentEncoder encoder(form == ClientStep::Content::dotted);
    sent = co_await send_content(encoder);
  }
  if (sent) machine_.wrote();
  else broke(sent.error());
}

Task<Status> Conversation::send_content(ContentEncoder& encoder) {
  const Content& content = message_->content;
  auto sent = co_await send_piece(content.head, encoder);
  if (sent && content.memory) sent = co_await send_piece(std::string_view(*content.memory).substr(content.skip), encoder);
  if (sent && content.file) sent = co_await send_file(encoder);
  if (!sent) co_return sent;
  encoder.finish(views_);
  co_return co_await flush();
}

// Views gather until a write is worth it or they are too many; the last ones go with the end of the content.
Task<Status> Conversation::send_piece(std::string_view piece, ContentEncoder& encoder) {
  constexpr size_t kMostViews = 60;
  while (!piece.empty()) {
    std::string_view part = piece.substr(0, kPiece);
    size_t taken = encoder.encode(part, views_, kMostViews);
    piece.remove_prefix(taken);
    if (piece.empty() && views_.size() < kMostViews) break;
    auto sent = co_await flush();
    if (!sent) co_return sent;
  }
  co_return Status();
}

Task<Status> Conversation::send_file(ContentEncoder& encoder) {
  std::shared_ptr<LargeBody> file = message_->content.file;
  for (uint64_t at = message_->content.skip; at < file->size();) {
    size_t count = static_cast<size_t>(std::min<uint64_t>(kPiece, file->size() - at));
    auto piece = co_await context_.spool.read_body(context_.loop, file, at, count);
    if (!piece || piece->size() != count) {
      local_trouble_ = true;
      co_return fail(Errc::io, "the stored message could not be read");
    }
    auto sent = co_await send_piece(*piece, encoder);
    if (sent) sent = co_await flush();
    if (!sent) co_return sent;
    at += count;
  }
  co_return Status();
}

Task<Status> Conversation::flush() {
  if (views_.empty()) co_return Status();
  auto sent = co_await stream_->write_views(views_, Deadline::in(context_.loop, settings_->outbound.block_timeout));
  views_.clear();
  co_return sent;
}

// A next hop that closes while we write has often said why before: what it sent is still read, for a short while.
void Conversation::broke(const Error& error) {
  ClientPhase phase = machine_.step().phase;
  views_.clear();
  if (local_trouble_) {
    stream_->reset();
    return machine_.lost(local_reply(451, {4, 3, 0}, "The stored message could not be read"));
  }
  machine_.write_failed();
  cut_off_ = true;
  if (error.code == Errc::timeout) machine_.lost(lost_connection(remote_, error, phase));
}

}  // namespace veredus
