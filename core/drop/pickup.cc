// Taking over the drop directory.
#include "drop/pickup.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "log/events.h"
#include "smtp/reply_parser.h"

namespace veredus {

namespace {

constexpr Seconds kLook{30};
constexpr size_t kAtOnce = 8;
constexpr Millis kFirstRest{5'000}, kLongestRest{900'000};
constexpr Seconds kTalk{600};
constexpr size_t kMostComplaints = 1000;
constexpr Millis kStillWritten{600'000};
constexpr size_t kMostYoung = 100'000;

template <typename T>
Task<Result<T>> on_pool(SessionContext& context, WorkPool& pool, std::function<Result<T>()> work) {
  return run_on(context.loop, pool, std::move(work));
}

// The message of a file, for the report on it.
Result<std::shared_ptr<Message>> message_of(const Submission& from, MessageId id, WallTime written, std::string_view origin) {
  auto message = std::make_shared<Message>();
  message->envelope.id = id;
  message->envelope.arrived = written;
  message->envelope.origin.protocol = Protocol::local;
  if (!from.sender.empty()) {
    auto sender = Address::parse(with_domain(from.sender, origin));
    if (!sender) return sender.error();
    message->envelope.sender = std::move(*sender);
  }
  for (const std::string& text : from.recipients) {
    auto address = Address::parse(with_domain(text, origin));
    if (!address) return address.error();
    Recipient recipient;
    recipient.address = std::move(*address);
    if (from.notify == "NEVER") recipient.notify = kNotifyNever;
    message->envelope.recipients.push_back(std::move(recipient));
  }
  message->content.memory = std::make_shared<const std::string>(from.content);
  return message;
}

}  // namespace

DropPickup::DropPickup(PickupParts parts, std::string directory)
    : parts_(std::move(parts)), directory_(std::move(directory)), changed_(parts_.context.loop), room_(parts_.context.loop), tasks_(parts_.context.loop) {}

void DropPickup::stop() {
  stopping_ = true;
  watch_.reset();
  tasks_.cancel();
}

Task<void> DropPickup::run() {
  while (!stopping_) {
    if (!watch_ || !watch_->watching()) watch_ = std::make_unique<DirectoryWatch>(loop(), directory_.path(), changed_);
    changed_.reset();
    co_await look();
    co_await changed_.wait(next_look());
  }
}

Deadline DropPickup::next_look() {
  Deadline out = Deadline::in(loop(), kLook);
  for (const auto& [rest, until] : resting_) out = out.sooner(Deadline::in(loop(), std::max(Millis(50), std::chrono::duration_cast<Millis>(until.until - loop().now()))));
  return out;
}

Task<void> DropPickup::look() {
  finished_.clear();
  std::function<Result<std::vector<DropEntry>>()> list = [directory = directory_, now = loop().clock().wall()] { return directory.list(now); };
  auto entries = co_await on_pool(parts_.context, parts_.pool, std::move(list));
  if (!entries) co_return complain({}, entries.error());
  for (DropEntry& entry : *entries) {
    if (waits(entry)) continue;
    while (in_hand_.size() >= kAtOnce) {
      room_.reset();
      co_await room_.wait(Deadline::in(loop(), kTalk));
    }
    std::string key = entry.rest.empty() ? entry.name : entry.rest;
    in_hand_.insert(key);
    tasks_.spawn(take(std::move(entry)));
  }
}

bool DropPickup::waits(const DropEntry& entry) {
  const std::string& key = entry.rest.empty() ? entry.name : entry.rest;
  if (in_hand_.contains(key) || finished_.contains(key)) return true;
  if (entry.rest.empty() && complained_.contains(entry.name)) return true;  // it could not be set aside
  auto rest = resting_.find(key);
  return rest != resting_.end() && loop().now() < rest->second.until;
}

Task<void> DropPickup::take(DropEntry entry) {
  std::string key = entry.rest.empty() ? entry.name : entry.rest;
  if (entry.kind == DropEntry::Kind::foreign) {
    set_aside(entry.name, "its name is none that veredus-drop gives");
  } else if (entry.kind == DropEntry::Kind::stale) {
    set_aside(entry.name, "it was never finished");
  } else {
    Status done = co_await take_over(std::move(entry));
    if (done) resting_.erase(key);
    else defer(key, done.error().text);
  }
  in_hand_.erase(key);
  finished_.insert(key);
  room_.set();
}

// A claimed file may be a message that was stored a moment before the daemon was killed.
Task<Status> DropPickup::take_over(DropEntry entry) {
  MessageId id = entry.kind == DropEntry::Kind::claimed ? entry.id : parts_.context.ids.next();
  std::string name = claimed_name(id, entry.rest);
  if (entry.kind == DropEntry::Kind::fresh) {
    Status claimed = directory_.rename(entry.name, name);
    if (!claimed) co_return complain(entry.name, claimed.error()), claimed;
  } else {
    bool known = co_await stored(id);
    if (known) co_return done(name, id, 0), Status();
  }
  std::function<Result<DropFile>()> read = [directory = directory_, name] { return directory.read(name); };
  auto file = co_await on_pool(parts_.context, parts_.pool, std::move(read));
  if (!file && file.error().code == Errc::corrupt) co_return set_aside(name, file.error().text), Status();
  if (!file) co_return complain(name, file.error()), file.error();
  auto submission = decode_records(file->octets);
  if (!submission) co_return set_aside(name, submission.error().text), Status();
  file->octets = std::string();
  if (auto before = MessageId::parse(submission->id)) {
    bool known = co_await stored(*before);
    if (known) co_return done(name, *before, file->uid), Status();
  }
  auto shared = std::make_shared<const Submission>(std::move(*submission));
  co_return co_await hand_over(std::move(name), id, std::move(shared), std::move(*file));
}

// A message that was stored is delivered soon after the start, and then the queue knows nothing of it any more. Who handed it in may still be
// writing its file: so messages of the last minutes are remembered too.
Task<void> DropPickup::remember_stored() {
  std::function<Result<std::vector<MessageId>>()> read = [directory = directory_, now = loop().clock().wall()]() { return directory.promised(now); };
  auto promised = co_await on_pool(parts_.context, parts_.pool, std::move(read));
  for (MessageId id : promised ? *promised : std::vector<MessageId>()) {
    bool known = co_await stored(id);
    if (known) stored_.insert(id);
  }
  QueueFilter young;
  young.younger_than = kStillWritten;
  auto found = co_await parts_.context.queue.list(std::move(young), kMostYoung);
  for (const StoredMessage& message : found)
    if (message.envelope->origin.protocol == Protocol::local) stored_.insert(message.envelope->id);
}

Task<bool> DropPickup::stored(MessageId id) {
  if (stored_.contains(id)) co_return true;
  QueueFilter filter;
  filter.ids = {id};
  auto found = co_await parts_.context.queue.list(std::move(filter), 1);
  co_return !found.empty();
}

Task<Status> DropPickup::hand_over(std::string name, MessageId id, std::shared_ptr<const Submission> submission, DropFile file) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) co_return fail(Errc::io, "no descriptor is free");
  auto ours = adopt_stream(loop(), ends[0]);
  auto theirs = adopt_stream(loop(), ends[1]);
  if (!ours || !theirs) co_return fail(Errc::io, "no connection can be made");
  LocalPeer peer;
  peer.uid = file.uid;
  peer.user = parts_.user_name(file.uid);
  peer.id = id;
  peer.stored = [this_directory = directory_, name] { (void)this_directory.remove(name); };
  parts_.sessions.spawn(serve_local(parts_.context, std::move(*theirs), std::move(peer)));
  Reply last;
  HandIn::End end = co_await talk(std::move(*ours), submission, last);
  if (end == HandIn::End::accepted) co_return done(name, id, file.uid), Status();
  Millis expire = parts_.context.settings->queue.expire;
  bool expired = loop().clock().wall() - file.written > expire;
  if (end == HandIn::End::permanent) co_return co_await give_back(name, id, submission, file.written, last, ReportKind::failure);
  if (end == HandIn::End::temporary && expired) co_return co_await give_back(name, id, submission, file.written, last, ReportKind::expired);
  co_return fail(Errc::busy, end == HandIn::End::temporary ? last.joined() : "the session ended");
}

Task<HandIn::End> DropPickup::talk(std::unique_ptr<Stream> stream, std::shared_ptr<const Submission> submission, Reply& last) {
  HandIn dialogue(*submission, true);
  ReplyParser parser;
  Deadline deadline = Deadline::in(loop(), kTalk);
  for (HandIn::Turn turn = dialogue.turn(); !turn.over; turn = dialogue.turn()) {
    std::string_view views[] = {turn.head, turn.body};
    Status written = co_await stream->write_views(views, deadline);
    if (!written) dialogue.lost();
    while (written && turn.replies > 0) {
      stream->consume(parser.feed(stream->buffered()));
      if (parser.state() == ReplyParser::State::complete) {
        dialogue.take(parser.take());
        --turn.replies;
        continue;
      }
      auto got = co_await stream->fill(deadline);
      if (got && *got > 0 && parser.state() != ReplyParser::State::broken) continue;
      dialogue.lost();
      break;
    }
  }
  last = dialogue.reply();
  co_return dialogue.end();
}

// Refused for good: the sender hears of it, and only then is the file removed.
Task<Status> DropPickup::give_back(std::string name, MessageId id, std::shared_ptr<const Submission> submission, WallTime written, Reply reply,
                                   ReportKind kind) {
  auto message = message_of(*submission, id, written, parts_.context.settings->origin);
  if (!message) co_return set_aside(name, message.error().text), Status();
  log().write(events::kDropReturned, {{"id", id.text()}, {"sender", submission->sender}, {"reply", reply.joined()}});
  std::vector<ReportedRecipient> recipients;
  for (uint32_t i = 0; i < (*message)->envelope.recipients.size(); ++i) {
    ReportedRecipient one;
    one.recipient = i;
    one.reply = reply;
    recipients.push_back(std::move(one));
  }
  std::shared_ptr<const Message> shared = std::move(*message);
  if (!shared->envelope.sender.empty()) {
    Status told = co_await parts_.reporter.report(std::move(shared), kind, std::move(recipients));
    if (!told) co_return told;
  }
  if (Status removed = directory_.remove(name); !removed) complain(name, removed.error());
  co_return Status();
}

void DropPickup::done(const std::string& name, MessageId id, uint32_t uid) {
  if (Status removed = directory_.remove(name); !removed) complain(name, removed.error());
  ++taken_;
  log().write(events::kDropTaken, {{"id", id.text()}, {"uid", uid}, {"file", name}});
}

void DropPickup::defer(const std::string& rest, std::string_view reason) {
  Rest& resting = resting_[rest];
  resting.pause = resting.pause == Millis(0) ? kFirstRest : std::min(resting.pause * 2, kLongestRest);
  resting.until = loop().now() + resting.pause;
  changed_.set();  // the next look is due sooner than was thought
  log().write(events::kDropDeferred, {{"file", rest}, {"reason", reason}, {"seconds", resting.pause / Millis(1000)}});
}

void DropPickup::set_aside(const std::string& name, std::string_view reason) {
  Status renamed = directory_.rename(name, aside_name(name));
  std::string now = renamed ? aside_name(name) : renamed.error().text;
  if (!renamed && complained_.size() < kMostComplaints) complained_.insert(name);
  log().write(events::kDropSetAside, {{"file", printable(name, 200)}, {"reason", reason}, {"now", now}});
}

void DropPickup::complain(const std::string& name, const Error& error) {
  if (complained_.size() >= kMostComplaints || !complained_.insert(name + ": " + error.text).second) return;
  log().write(events::kDropFailed, {{"directory", directory_.path()}, {"file", printable(name, 200)}, {"reason", error.text}});
}

}  // namespace veredus
