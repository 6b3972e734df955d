// Tokens of services, breakers, numbers.
#include "plugin/service_calls.h"

#include <veredus/plugin.h>

#include "log/events.h"
#include "plugin/plugin_host.h"

namespace veredus {

namespace {

constexpr size_t kMostLoops = 256;
constexpr uint32_t kTooManyFailures = 10;
constexpr Millis kFirstRest{1'000}, kLongestRest{30'000};
constexpr size_t kMostBreakers = 1'000;

std::array<std::atomic<ServiceCalls*>, kMostLoops> by_loop{};

uint64_t word_of(vrd_pending token, uint64_t state) { return (token >> 32) << 32 | state; }
size_t loop_of(vrd_pending token) { return token >> 24 & 0xFF; }

// A provider that does not know, or says no, works; one that does not answer or answers nonsense does not.
bool is_failure(vrd_status status) {
  return status == VRD_E_TIMEOUT || status == VRD_E_FAULT || status == VRD_E_IO || status == VRD_E_MEMORY || status == VRD_E_CLOSED;
}

void add(std::atomic<uint64_t>& cell, uint64_t more) { cell.store(cell.load(std::memory_order_relaxed) + more, std::memory_order_relaxed); }

}  // namespace

Provider find_provider(const Generation& generation, std::string_view name, ServiceKind kind) {
  Instance* instance = generation.find(name);
  const void* table = instance ? instance->service(service_id(kind)) : nullptr;
  if (!table) return {};
  return {generation.pin(), instance, table};
}

Provider find_provider(LoopServices& services, std::string_view name, ServiceKind kind) {
  if (!services.host) return {};
  std::shared_ptr<Generation> generation = services.host->current();
  return generation ? find_provider(*generation, name, kind) : Provider{};
}

ServiceCalls& ServiceCalls::of(LoopServices& services) {
  if (!services.state) services.state = std::make_unique<ServiceCalls>(services);
  return static_cast<ServiceCalls&>(*services.state);
}

ServiceCalls::ServiceCalls(LoopServices& services) : services_(services), chores_(services.loop) {
  by_loop[services.loop.index() % kMostLoops].store(this, std::memory_order_release);
}

ServiceCalls::~ServiceCalls() {
  chores_.cancel();
  ServiceCalls* me = this;
  by_loop[services_.loop.index() % kMostLoops].compare_exchange_strong(me, nullptr);
  for (auto& chunk : chunks_) delete[] chunk.load();
}

ServiceCalls::Waiting::Waiting(ServiceCalls& c, const Provider& provider, ServiceExpect expect)
    : calls(c), answered(c.services_.loop) {
  token = calls.open(*this, provider, std::move(expect));
}

ServiceCalls::Waiting::~Waiting() {
  if (token != 0 && !calls.close(token)) calls.slot_of(token)->owner = nullptr;  // an answer won and is on its way
}

Task<ServiceAnswer> ServiceCalls::Waiting::answer(Deadline deadline) {
  bool in_time = co_await answered.wait(deadline);
  if (!in_time && calls.close(token)) {
    token = 0;
    co_return ServiceAnswer{VRD_E_TIMEOUT, {}};
  }
  if (!in_time) co_await answered.wait(Deadline::never());  // it is already posted to this loop
  co_return std::move(*value);
}

ServiceCalls::Slot* ServiceCalls::slot_of(vrd_pending token) const {
  uint64_t index = token & kIndexMask;
  if (!is_token(token) || index >= kChunkSize * kChunks) return nullptr;
  Slot* chunk = chunks_[index / kChunkSize].load(std::memory_order_acquire);
  return chunk ? chunk + index % kChunkSize : nullptr;
}

vrd_pending ServiceCalls::open(Waiting& owner, const Provider& provider, ServiceExpect expect) {
  if (free_.empty()) {
    if (chunk_count_ == kChunks) return 0;
    chunks_[chunk_count_].store(new Slot[kChunkSize], std::memory_order_release);
    for (size_t i = kChunkSize; i-- > 0;) free_.push_back(static_cast<uint32_t>(chunk_count_ * kChunkSize + i));
    ++chunk_count_;
  }
  uint64_t index = free_.back();
  free_.pop_back();
  Slot& slot = chunks_[index / kChunkSize].load(std::memory_order_relaxed)[index % kChunkSize];
  uint64_t generation = slot.word.load(std::memory_order_relaxed) >> 32;
  slot.owner = &owner;
  slot.expect = std::move(expect);
  slot.provider = provider.instance->record();
  slot.word.store(generation << 32 | kWaiting, std::memory_order_release);
  return generation << 32 | uint64_t{services_.loop.index() & 0xFF} << 24 | kMark | index;
}

bool ServiceCalls::close(vrd_pending token) {
  Slot* slot = slot_of(token);
  uint64_t expected = word_of(token, kWaiting);
  if (!slot->word.compare_exchange_strong(expected, word_of(token, kFree), std::memory_order_acq_rel)) return false;
  release(token, *slot);
  return true;
}

void ServiceCalls::release(vrd_pending token, Slot& slot) {
  uint64_t generation = ((token >> 32) + 1) & 0xFFFFFFFF;
  slot.owner = nullptr;
  slot.provider.reset();
  slot.word.store((generation == 0 ? 1 : generation) << 32 | kFree, std::memory_order_release);
  free_.push_back(static_cast<uint32_t>(token & kIndexMask));
}

void ServiceCalls::deliver(vrd_pending token, ServiceAnswer answer) {
  Slot* slot = slot_of(token);
  Waiting* owner = slot->owner;
  release(token, *slot);
  if (!owner) return;
  owner->token = 0;
  owner->value.emplace(std::move(answer));
  owner->answered.set();
}

vrd_status ServiceCalls::answer(vrd_pending token, vrd_status status, const void* answer) {
  ServiceCalls* calls = is_token(token) ? by_loop[loop_of(token)].load(std::memory_order_acquire) : nullptr;
  return calls ? calls->take(token, status, answer) : VRD_E_LATE;
}

// Whoever swaps the word first may look at the slot: nobody else touches it until the answer is delivered.
vrd_status ServiceCalls::take(vrd_pending token, vrd_status status, const void* given) {
  Slot* slot = slot_of(token);
  uint64_t expected = word_of(token, kWaiting);
  if (!slot || !slot->word.compare_exchange_strong(expected, word_of(token, kAnswered), std::memory_order_acq_rel)) return VRD_E_LATE;
  auto copied = copy_answer(slot->expect, status, given);
  if (!copied) slot->provider->misbehaved("core.service answer", copied.error().text);
  bool good = copied.ok();
  ServiceAnswer answer = good ? std::move(*copied) : ServiceAnswer{VRD_E_FAULT, {}};
  if (LoopServices::here() == &services_) deliver(token, std::move(answer));
  else services_.loop.post_call([this, token, answer = std::move(answer)]() mutable { deliver(token, std::move(answer)); });
  return good ? VRD_OK : VRD_E_INVALID;
}

bool ServiceCalls::spares(const Provider& provider, ServiceKind kind) {
  if (breakers_.empty()) return false;
  auto found = breakers_.find(uint64_t{provider.instance->record()->number()} << 8 | static_cast<uint64_t>(kind));
  if (found == breakers_.end() || services_.loop.now() >= found->second.closed_until) return false;
  add(cells_[static_cast<size_t>(kind)].spared, 1);
  return true;
}

void ServiceCalls::account(const Provider& provider, ServiceKind kind, const ServiceAnswer& answer, uint64_t began) {
  Cells& cells = cells_[static_cast<size_t>(kind)];
  add(cells.nanos, uv_hrtime() - began);
  bool failed = is_failure(answer.status);
  add(failed ? cells.failed : cells.answered, 1);
  if (!failed && breakers_.empty()) return;
  const std::string& label = provider.instance->record()->label();
  uint64_t key = uint64_t{provider.instance->record()->number()} << 8 | static_cast<uint64_t>(kind);
  if (!failed) {
    auto found = breakers_.find(key);
    if (found != breakers_.end() && found->second.told)
      services_.log.write(events::kServiceAgain, {{"plugin", label}, {"service", service_id(kind)}});
    if (found != breakers_.end()) breakers_.erase(found);
    return;
  }
  if (breakers_.size() > kMostBreakers) breakers_.clear();  // of instances long gone
  Breaker& breaker = breakers_[key];
  if (++breaker.failures < kTooManyFailures || services_.loop.now() < breaker.closed_until) return;
  breaker.rest = breaker.rest == Millis{} ? kFirstRest : std::min(breaker.rest * 2, kLongestRest);
  breaker.closed_until = services_.loop.now() + breaker.rest;
  if (!std::exchange(breaker.told, true))
    services_.log.write(events::kServiceSpared, {{"plugin", label}, {"service", service_id(kind)}, {"failures", breaker.failures}});
}

ServiceStats ServiceCalls::stats(ServiceKind kind) {
  ServiceStats out;
  for (auto& one : by_loop) {
    ServiceCalls* calls = one.load(std::memory_order_acquire);
    if (!calls) continue;
    const Cells& cells = calls->cells_[static_cast<size_t>(kind)];
    out.answered += cells.answered.load(std::memory_order_relaxed);
    out.failed += cells.failed.load(std::memory_order_relaxed);
    out.spared += cells.spared.load(std::memory_order_relaxed);
    out.nanos += cells.nanos.load(std::memory_order_relaxed);
  }
  return out;
}

}  // namespace veredus
