// One link a helper: frames out in order, answers in by number.
#include "main/helper_hub.h"

#include <algorithm>

#include "log/events.h"
#include "main/helper_frames.h"

namespace veredus {

namespace {

constexpr size_t kMostName = 255;
constexpr int kFramesATurn = 64;  // then others have their turn

}  // namespace

// What libuv sees. Frees itself in its close callback.
struct HelperHub::Poll {
  uv_poll_t handle;
  HelperHub* hub;
  Link* link;  // null: the supervisor's channel

  static Poll* make(HelperHub* hub, Link* link, int fd) {
    auto poll = std::make_unique<Poll>();
    poll->hub = hub;
    poll->link = link;
    if (uv_poll_init(hub->loop_.uv(), &poll->handle, fd) != 0) return nullptr;
    poll->handle.data = poll.get();
    return poll.release();
  }
  void watch(int events) { uv_poll_start(&handle, events, &HelperHub::on_poll); }
  void close() {
    hub = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&handle), [](uv_handle_t* closed) { delete static_cast<Poll*>(closed->data); });
  }
};

// Tells the hub that nobody waits for a call any more.
struct HelperHub::Forget {
  Forget(HelperHub& h, std::string n, uint64_t k) : hub(h), name(std::move(n)), key(k) {}
  Forget(const Forget&) = delete;
  ~Forget() {
    if (!answered) hub.loop_.post_call([h = &hub, n = std::move(name), k = key] { h->forget(n, k); });
  }
  HelperHub& hub;
  std::string name;
  uint64_t key;
  bool answered = false;
};

HelperHub::HelperHub(Loop& loop, Log& log, std::vector<std::string> names, int channel) : loop_(loop), log_(log), channel_(channel) {
  for (std::string& name : names) {
    links_.push_back(std::make_unique<Link>());
    links_.back()->name = std::move(name);
  }
  if (channel_) channel_poll_ = Poll::make(this, nullptr, channel_.get());
  if (channel_poll_) channel_poll_->watch(UV_READABLE);
}

HelperHub::~HelperHub() {
  for (auto& link : links_) unwatch(*link);
  if (channel_poll_) channel_poll_->close();
}

HelperHub::Link* HelperHub::find(std::string_view name) {
  auto found = std::find_if(links_.begin(), links_.end(), [&](const auto& link) { return link->name == name; });
  return found == links_.end() ? nullptr : found->get();
}

bool HelperHub::known(std::string_view name) const {
  return std::any_of(links_.begin(), links_.end(), [&](const auto& link) { return link->name == name; });
}

Task<Result<HelperReply>> HelperHub::call(Loop& here, std::string name, std::string octets, UniqueFd fd, Deadline deadline) {
  if (octets.size() > kMostOctets) co_return fail(Errc::limit, "a request is at most 1 MiB");
  if (!known(name)) co_return fail(Errc::not_found, "there is no helper '" + name + "'");
  Remote<HelperReply> remote(here);
  Call call{next_key_++, std::move(octets), std::move(fd), remote.promise()};
  Forget forget(*this, name, call.key);
  loop_.post_call([this, name, call = std::move(call)]() mutable { submit(name, std::move(call)); });
  forget.answered = co_await remote.answered(deadline);
  co_return remote.take();
}

void HelperHub::submit(const std::string& name, Call call) {
  Link& link = *find(name);
  if (link.calls() >= kMostCalls) return call.promise.fulfil(fail(Errc::busy, "too many requests wait for the helper"));
  link.waiting.push_back(std::move(call));
  if (link.socket) send(link);
}

void HelperHub::forget(const std::string& name, uint64_t key) {
  Link& link = *find(name);
  std::erase_if(link.waiting, [&](const Call& call) { return call.key == key; });
  std::erase_if(link.under_way, [&](const auto& one) { return one.second.key == key; });
}

void HelperHub::connect(const std::string& name, UniqueFd socket) {
  Link* link = find(name);
  if (!link) return;
  if (link->socket) broken(*link, fail(Errc::closed, "the helper was started again"));
  link->poll = Poll::make(this, link, socket.get());
  if (!link->poll) return;
  link->socket = std::move(socket);
  send(*link);
}

void HelperHub::watch(Link& link) {
  bool writing = !link.out.empty() || !link.waiting.empty();
  link.poll->watch(writing ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

void HelperHub::unwatch(Link& link) {
  if (link.poll) std::exchange(link.poll, nullptr)->close();
}

void HelperHub::on_poll(uv_poll_t* handle, int status, int events) {
  auto* poll = static_cast<Poll*>(handle->data);
  if (!poll->hub) return;
  if (!poll->link) return poll->hub->channel_ready();
  if (status < 0) return poll->hub->broken(*poll->link, fail(Errc::closed, uv_strerror(status)));
  poll->hub->ready(*poll->link, events);
}

void HelperHub::ready(Link& link, int events) {
  if (events & UV_READABLE) receive(link);
  if (link.socket && (events & UV_WRITABLE)) send(link);
}

bool HelperHub::next_frame(Link& link) {
  if (link.waiting.empty()) return false;
  Call call = std::move(link.waiting.front());
  link.waiting.pop_front();
  uint32_t number = link.next_number++;
  link.out = encode_frame(number, call.octets);
  link.out_fd = std::move(call.fd);
  call.octets = {};
  link.under_way.insert_or_assign(number, std::move(call));
  return true;
}

void HelperHub::send(Link& link) {
  while (!link.out.empty() || next_frame(link)) {
    auto sent = send_with(link.socket.get(), link.out, link.out_fd.get());
    if (!sent) return broken(link, sent.error());
    if (*sent == 0) break;
    link.out_fd.reset();
    link.out.erase(0, *sent);
  }
  watch(link);
}

void HelperHub::receive(Link& link) {
  for (int frames = 0; frames < kFramesATurn;) {
    auto got = receive_piece(link);
    if (!got) return broken(link, got.error());
    if (!*got) return;
    if (link.in_size < kFrameHead || link.in_size < link.in.size()) continue;
    answered(link);
    ++frames;
  }
}

// Reads the rest of the head, or of the frame; false: nothing is there.
Result<bool> HelperHub::receive_piece(Link& link) {
  if (link.in.empty()) link.in.resize(kFrameHead);
  auto got = receive_with(link.socket.get(), link.in.data() + link.in_size, link.in.size() - link.in_size, link.in_fd);
  if (!got) return got.error();
  link.in_size += *got;
  if (link.in_size != kFrameHead || link.in.size() != kFrameHead) return *got > 0;
  auto head = decode_frame_head(link.in, kMostOctets);
  if (!head) return head.error();
  link.in.resize(kFrameHead + head->octets);
  return true;
}

void HelperHub::answered(Link& link) {
  uint32_t number = decode_frame_head(link.in, kMostOctets)->number;
  HelperReply reply{link.in.substr(kFrameHead), std::move(link.in_fd)};
  link.in.clear();
  link.in_size = 0;
  auto call = link.under_way.find(number);
  if (call == link.under_way.end()) return;  // nobody waits any more
  call->second.promise.fulfil(std::move(reply));
  link.under_way.erase(call);
}

// Requests that were not begun wait for the next start; of the others nobody knows what became.
void HelperHub::broken(Link& link, const Error& why) {
  log_.write(events::kHelperClosed, {{"helper", link.name}, {"requests", link.under_way.size()}, {"reason", why.text}});
  unwatch(link);
  link.socket.reset();
  link.out.clear();
  link.out_fd.reset();
  link.in.clear();
  link.in_size = 0;
  link.in_fd.reset();
  for (auto& one : std::exchange(link.under_way, {})) one.second.promise.fulfil(fail(Errc::closed, "the helper ended"));
}

void HelperHub::channel_ready() {
  for (;;) {
    char name[kMostName];
    UniqueFd socket;
    auto got = receive_with(channel_.get(), name, sizeof name, socket);
    if (got && *got == 0) return;
    if (got && socket) {
      connect(std::string(name, *got), std::move(socket));
    } else if (!got) {
      std::exchange(channel_poll_, nullptr)->close();
      channel_.reset();
      return;
    }
  }
}

}  // namespace veredus
