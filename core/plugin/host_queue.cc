// core.queue/1: messages into the queue and orders on what is in it. A message is injected on the loop that asks; orders go to the queue's.
#include <veredus/queue.h>

#include "loop/remote.h"
#include "mail/headers.h"
#include "plugin/host_support.h"
#include "plugin/interfaces.h"
#include "plugin/plugin_host.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

constexpr size_t kMost = 1'000, kMostRecipients = 1'000, kMostIds = 100'000, kLongestText = 1'024;

// Orders on the queue's loop.

using Order = std::function<Task<Result<uint64_t>>(Queue*)>;

Task<void> carry_out(Queue* queue, Order order, Remote<uint64_t>::Promise promise) {
  auto done = co_await order(queue);
  promise.fulfil(std::move(done));
}

Task<Result<uint64_t>> at_queue(LoopServices& services, Order order) {
  if (services.queue_loop == &services.loop) co_return co_await order(services.queue);
  Remote<uint64_t> remote(services.loop);
  services.queue_loop->post_call([main = &services.host->main(), queue = services.queue, order = std::move(order), promise = remote.promise()]() mutable {
    ServiceCalls::of(*main).chores().spawn(carry_out(queue, std::move(order), std::move(promise)));
  });
  co_await remote.answered(Deadline::never());  // the queue answers, or its loop ends and says so
  co_return remote.take();
}

Task<Result<uint64_t>> act_now(Queue* queue, QueueFilter filter, QueueAction action, std::string by) {
  co_return co_await queue->act(std::move(filter), action, std::move(by));
}
Task<Result<uint64_t>> touch_nothing() { co_return uint64_t{0}; }
Task<Result<uint64_t>> suspend_now(Queue* queue, std::string pattern, std::string by) { co_return queue->suspend(pattern, std::move(by)); }
Task<Result<uint64_t>> resume_now(Queue* queue, std::string pattern) { co_return queue->resume(pattern); }

OpTask order_it(Shard* shard, Order order, void* ctx, vrd_queue_fn fn) {
  Op& op = co_await CurrentOp();
  auto done = co_await at_queue(shard->services, std::move(order));
  op.release();
  vrd_status status = done ? VRD_OK : status_of(done.error().code);
  call_back(shard, "queue answer", [&] { fn(ctx, status, str_of({}), done ? *done : 0); });
}

bool read_text(vrd_str text, std::string& out) {
  if (!readable(text) || text.len > kLongestText || view_of(text).find('\0') != std::string_view::npos) return false;
  out = view_of(text);
  return true;
}

bool read_ids(const vrd_queue_selector& given, std::vector<MessageId>& out) {
  if (given.id_count > kMostIds || (given.id_count > 0 && !given.ids)) return false;
  for (uint64_t i = 0; i < given.id_count; ++i) {
    auto id = readable(given.ids[i]) ? MessageId::parse(view_of(given.ids[i])) : std::nullopt;
    if (!id) return false;
    out.push_back(*id);
  }
  return true;
}

bool gives_something(const QueueFilter& filter) {
  return !filter.ids.empty() || !filter.sender.empty() || !filter.recipient.empty() || !filter.domain.empty() || !filter.destination.empty() ||
         filter.state || filter.older_than > Millis(0) || filter.younger_than > Millis(0) || !filter.tenant.empty();
}

bool read_selector(const vrd_queue_selector& given, QueueFilter& out) {
  if (!VRD_HAS(vrd_queue_selector, &given, younger_than_ms) || given.held > 2 || !read_ids(given, out.ids)) return false;
  bool read = read_text(given.sender, out.sender) && read_text(given.recipient, out.recipient) && read_text(given.domain, out.domain) &&
              read_text(given.destination, out.destination) && read_text(given.tenant, out.tenant);
  if (!read || given.older_than_ms > INT64_MAX / 2 || given.younger_than_ms > INT64_MAX / 2) return false;
  out.older_than = Millis(static_cast<int64_t>(given.older_than_ms));
  out.younger_than = Millis(static_cast<int64_t>(given.younger_than_ms));
  if (given.held == 1) out.state = RecipientState::held;
  if (given.held == 2) out.state = RecipientState::queued;
  return true;
}

std::optional<QueueAction> action_of(uint32_t number) {
  switch (number) {
    case VRD_QUEUE_RETRY: return QueueAction::retry;
    case VRD_QUEUE_HOLD: return QueueAction::hold;
    case VRD_QUEUE_RELEASE: return QueueAction::release;
    case VRD_QUEUE_BOUNCE: return QueueAction::bounce;
    case VRD_QUEUE_REMOVE: return QueueAction::remove;
    default: return std::nullopt;
  }
}

std::string by_whom(Shard& shard, const std::string& reason) {
  return "plugin " + shard.instance.label() + (reason.empty() ? "" : ": " + reason);
}

bool offers_orders(LoopServices& services) {
  return services.queue && services.queue_loop && (services.queue_loop == &services.loop || services.host);
}

// Messages.

bool well_formed(std::string_view octets) {
  for (size_t at = octets.find_first_of(std::string_view("\r\n\0", 3)); at != octets.npos; at = octets.find_first_of(std::string_view("\r\n\0", 3), at + 2))
    if (octets[at] != '\r' || at + 1 == octets.size() || octets[at + 1] != '\n') return false;
  return true;
}

bool has_8bit(std::string_view octets) {
  return std::any_of(octets.begin(), octets.end(), [](char c) { return static_cast<unsigned char>(c) > 127; });
}

bool read_content(std::string_view octets, Message& out) {
  auto block = HeaderBlock::parse(octets);
  if (!well_formed(octets) || !block || block->fields().empty()) return false;
  for (const HeaderField& field : block->fields())
    if (field.name_size == 0) return false;
  out.envelope.header_8bit = has_8bit(block->text());
  out.envelope.content_8bit = has_8bit(octets.substr(block->size()));
  if (out.envelope.content_8bit) out.envelope.body = BodyType::eight_bit;
  out.content.memory = std::make_shared<const std::string>(octets);
  return true;
}

bool read_addresses(const vrd_queue_message& given, Envelope& out) {
  if (!readable(given.sender) || !within(given.recipient_count, kMostRecipients) || !given.recipients) return false;
  if (given.sender.len > 0) {
    auto sender = Address::parse(view_of(given.sender));
    if (!sender) return false;
    out.sender = std::move(*sender);
  }
  for (uint64_t i = 0; i < given.recipient_count; ++i) {
    auto address = readable(given.recipients[i]) ? Address::parse(view_of(given.recipients[i])) : fail(Errc::invalid, "");
    if (!address) return false;
    Recipient recipient;
    recipient.address = std::move(*address);
    out.recipients.push_back(std::move(recipient));
  }
  return true;
}

OpTask inject_it(Shard* shard, Message message, void* ctx, vrd_queue_fn fn) {
  Op& op = co_await CurrentOp();
  auto ids = co_await shard->services.inject(std::move(message));
  op.release();
  std::string id = ids && !ids->empty() ? ids->front().text() : "";
  vrd_status status = ids ? VRD_OK : VRD_E_TEMPORARY;
  call_back(shard, "queue answer", [&] { fn(ctx, status, str_of(id), ids ? ids->size() : 0); });
}

vrd_status inject(const vrd_host* host, const vrd_queue_message* given, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  Asking asking(host, "core.queue inject", OpService::queue, kMost);
  if (!asking) return asking.status();
  LoopServices& services = asking.services();
  if (!given || !fn || !VRD_HAS(vrd_queue_message, given, stream) || !readable(given->octets)) return VRD_E_INVALID;
  if (!services.inject || !services.settings) return VRD_E_UNSUPPORTED;
  Message message;
  if (given->octets.len > services.settings()->limits.message_size || !read_addresses(*given, message.envelope)) return VRD_E_INVALID;
  if (!read_text(given->tenant, message.envelope.tenant) || !read_text(given->stream, message.envelope.stream)) return VRD_E_INVALID;
  if (!read_content(view_of(given->octets), message)) return VRD_E_INVALID;
  message.envelope.origin.protocol = Protocol::internal;
  message.envelope.arrived = services.loop.clock().wall();
  return asking.begin(inject_it(&asking.shard(), std::move(message), ctx, fn), op);
}

vrd_status act(const vrd_host* host, const vrd_queue_selector* selector, uint32_t number, vrd_str reason, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  Asking asking(host, "core.queue act", OpService::queue, kMost);
  if (!asking) return asking.status();
  QueueFilter filter;
  std::string why;
  auto action = action_of(number);
  if (!selector || !fn || !action || !read_text(reason, why) || !read_selector(*selector, filter)) return VRD_E_INVALID;
  if (!offers_orders(asking.services())) return VRD_E_UNSUPPORTED;
  Order order;
  if (gives_something(filter))
    order = [filter, a = *action, by = by_whom(asking.shard(), why)](Queue* queue) { return act_now(queue, filter, a, by); };
  else
    order = [](Queue*) { return touch_nothing(); };
  return asking.begin(order_it(&asking.shard(), std::move(order), ctx, fn), op);
}

vrd_status suspend(const vrd_host* host, vrd_str pattern, vrd_str reason, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  Asking asking(host, "core.queue suspend", OpService::queue, kMost);
  if (!asking) return asking.status();
  std::string what, why;
  if (!fn || !read_text(pattern, what) || what.empty() || !read_text(reason, why)) return VRD_E_INVALID;
  if (!offers_orders(asking.services())) return VRD_E_UNSUPPORTED;
  Order order = [what, by = by_whom(asking.shard(), why)](Queue* queue) { return suspend_now(queue, what, by); };
  return asking.begin(order_it(&asking.shard(), std::move(order), ctx, fn), op);
}

vrd_status resume(const vrd_host* host, vrd_str pattern, void* ctx, vrd_queue_fn fn, vrd_op* op) {
  Asking asking(host, "core.queue resume", OpService::queue, kMost);
  if (!asking) return asking.status();
  std::string what;
  if (!fn || !read_text(pattern, what) || what.empty()) return VRD_E_INVALID;
  if (!offers_orders(asking.services())) return VRD_E_UNSUPPORTED;
  Order order = [what](Queue* queue) { return resume_now(queue, what); };
  return asking.begin(order_it(&asking.shard(), std::move(order), ctx, fn), op);
}

void cancel(const vrd_host* host, vrd_op op) { cancel_op(host, "core.queue cancel", OpService::queue, op); }

}  // namespace

const vrd_core_queue_1& core_queue() {
  static constexpr vrd_core_queue_1 table{VRD_SIZED(vrd_core_queue_1), 0, inject, act, suspend, resume, cancel};
  return table;
}

}  // namespace veredus
