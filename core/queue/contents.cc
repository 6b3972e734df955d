// Contents in memory: kept from acceptance until the first attempt ended, under the cap queue.memory; read
// back before later attempts, ahead of time where a destination works through such items.
#include "log/events.h"
#include "queue/queue_core.h"

namespace veredus::queue_detail {

namespace {

constexpr uint64_t kOverhead = 1024;  // of an envelope with one recipient
constexpr uint64_t kPerRecipient = 160;
constexpr int kMostInspected = 16;
constexpr uint32_t kMostPrefetching = 64;
constexpr uint32_t kMostAhead = 32;

uint64_t cost_of(const Message& message) {
  const Content& content = message.content;
  return kOverhead + kPerRecipient * message.envelope.recipients.size() + content.head.size() +
         (content.memory ? content.memory->size() : 0);
}

}  // namespace

void QueueCore::keep_content(Index message, const MessagePtr& content, uint32_t users) {
  uint64_t cost = cost_of(*content);
  uint64_t cap = settings_->queue.memory;
  if (resident_octets_ + cost > cap && !make_room(cost)) return;
  Index index = residents_.take();
  residents_[index].message = content;
  residents_[index].cost = cost;
  residents_[index].users = users;
  resident_octets_ += cost;
  messages_[message].resident = index;
  kept_.push_back(messages_.handle(message));
  if (kept_.size() > 2 * residents_.live() + kMostInspected) forget_released();
}

// Most messages are delivered long before memory is scarce; their entries go now and then, all at once.
void QueueCore::forget_released() {
  std::erase_if(kept_, [this](uint64_t handle) {
    Index message = messages_.find(handle);
    return message == kNone || messages_[message].resident == kNone;
  });
}

// Looks at the oldest few: those that do not get an attempt soon give way.
bool QueueCore::make_room(uint64_t cost) {
  for (int i = 0; i < kMostInspected && !kept_.empty(); ++i) {
    uint64_t oldest = kept_.front();
    kept_.pop_front();
    Index message = messages_.find(oldest);
    if (message == kNone || messages_[message].resident == kNone) continue;
    if (tried_soon(message))
      kept_.push_back(oldest);
    else
      drop_resident(message);
    if (resident_octets_ + cost <= settings_->queue.memory) return true;
  }
  return false;
}

bool QueueCore::tried_soon(Index message) const {
  Index first = messages_[message].first_item;
  if (first == kNone) return true;
  const ItemRecord& item = items_[first];
  if (item.state == ItemState::routing || item.state == ItemState::in_hand) return true;
  return item.state == ItemState::ready && destinations_[ready_.flow(item.flow).key.destination].level == 0;
}

void QueueCore::add_user(Index index) {
  ItemRecord& item = items_[index];
  Index resident = messages_[item.message].resident;
  if (resident == kNone || item.keeps_resident) return;
  item.keeps_resident = 1;
  ++residents_[resident].users;
}

void QueueCore::drop_user(Index index) {
  ItemRecord& item = items_[index];
  if (!item.keeps_resident) return;
  item.keeps_resident = 0;
  drop_content_user(item.message);
}

void QueueCore::drop_content_user(Index message) {
  Index resident = messages_[message].resident;
  if (resident != kNone && --residents_[resident].users == 0) drop_resident(message);
}

void QueueCore::drop_resident(Index message) {
  Index resident = std::exchange(messages_[message].resident, kNone);
  if (resident == kNone) return;
  resident_octets_ -= residents_[resident].cost;
  residents_.give_back(resident);
  for (Index i = messages_[message].first_item; i != kNone; i = items_[i].sibling)
    items_[i].keeps_resident = 0;
}

// Starts reading what the destination's connections will ask for next.
void QueueCore::prefetch(Index index) {
  DestinationRecord& destination = destinations_[index];
  if (destination.ring == kNone) {
    destination.cold = false;
    return;
  }
  std::vector<Index> ahead = ready_.ahead(destination, std::min(2 * destination.connected, kMostAhead));
  for (Index item : ahead) {
    if (prefetching_ >= kMostPrefetching || resident_octets_ > settings_->queue.memory) return;
    Index message = items_[item].message;
    if (messages_[message].resident != kNone) continue;
    messages_[message].resident = residents_.take();
    add_user(item);
    scope_.spawn(prefetch_one(messages_.handle(message), residents_.handle(messages_[message].resident)));
  }
}

Task<void> QueueCore::prefetch_one(uint64_t message, uint64_t resident) {
  ++prefetching_;
  MessageId id = messages_[messages_.find(message)].id;
  Result<MessagePtr> loaded = co_await spool_.load(loop_, id);
  --prefetching_;
  Index index = residents_.find(resident);
  if (index == kNone) co_return;
  if (!loaded.ok()) {
    drop_resident(messages_.find(message));
    co_return;
  }
  residents_[index].message = *loaded;
  residents_[index].cost = cost_of(**loaded);
  resident_octets_ += residents_[index].cost;
}

Task<Result<MessagePtr>> QueueCore::load_content(Index message) {
  Index resident = messages_[message].resident;
  if (resident != kNone && residents_[resident].message) co_return residents_[resident].message;
  co_return co_await spool_.load(loop_, messages_[message].id);
}

// The item is in hand of the lease, unless one of them ended meanwhile.
Task<void> QueueCore::hand_loaded(LeaseId lease, uint64_t item) {
  MessageId id = messages_[items_[items_.find(item)].message].id;
  Result<MessagePtr> loaded = co_await spool_.load(loop_, id);
  Index index = leases_.find(lease);
  if (index == kNone || leases_[index].item == kNone || items_.find(item) != leases_[index].item) co_return;
  if (loaded.ok()) {
    answer(index, *loaded);
    co_return;
  }
  log_.write(events::kSpoolReadFailed, {{"id", id.text()}, {"reason", loaded.error().text}});
  Index unread = release_item(index);
  bool lost = loaded.error().code == Errc::corrupt || loaded.error().code == Errc::not_found;
  if (lost)
    hold_item(unread, "554 5.3.0 the stored message cannot be read", "spool");
  else
    schedule(unread, loop_.now() + RetryPlan::base(settings_->queue, 1));
  set_idle(index);
  mark(leases_[index].destination);
}

}  // namespace veredus::queue_detail
