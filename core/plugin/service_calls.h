// ServiceCalls: how the host asks a provider, one a loop. A request goes to the provider's loop if that is another one; its answer is a
// token that is won by exactly one of answer, time-out and going away. Answers are checked and copied. A provider that fails again and
// again is left alone for a while. [loop] unless marked.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <unordered_map>

#include "loop/scope.h"
#include "plugin/generation.h"
#include "plugin/hook_adapter.h"
#include "plugin/service_answers.h"

namespace veredus {

// A service of an instance. A plugin that asks another one of its own generation needs no pin: its operations end before any instance
// does, and a generation must not live on because its plugins wait for each other.
struct Provider {
  std::shared_ptr<Generation> pin;
  Instance* instance = nullptr;
  const void* table = nullptr;  // the struct of the service
  explicit operator bool() const { return table != nullptr; }
};
Provider find_provider(const Generation& generation, std::string_view name, ServiceKind kind);  // [any]
Provider find_provider(LoopServices& services, std::string_view name, ServiceKind kind);        // in the generation in force

struct ServiceStats {
  uint64_t answered = 0, failed = 0, spared = 0;  // spared: not asked, because it had failed too often
  uint64_t nanos = 0;                             // from the question to the answer
};

class ServiceCalls final : public LoopState {
 public:
  static ServiceCalls& of(LoopServices& services);  // made when it is first needed
  explicit ServiceCalls(LoopServices& services);
  ~ServiceCalls() override;

  // core.service answer(). [any]
  static vrd_status answer(vrd_pending token, vrd_status status, const void* answer);
  // Sums of all loops. [any]
  static ServiceStats stats(ServiceKind kind);
  static bool is_token(vrd_pending token) { return (token & kMark) != 0; }

  // `request`: movable, with `vrd_status call(const void* table, void* object, vrd_pending token) const` and `ServiceExpect expect() const`.
  template <typename Request>
  Task<ServiceAnswer> ask(Provider provider, Request request, Deadline deadline);

  Scope& chores() { return chores_; }  // tasks that other loops want done here

 private:
  static constexpr uint64_t kMark = uint64_t{1} << 23;  // tokens of hooks have no such index
  static constexpr uint64_t kIndexMask = kMark - 1;
  static constexpr size_t kChunkSize = 1024, kChunks = 256;
  enum State : uint64_t { kFree = 0, kWaiting = 1, kAnswered = 2 };

  // The waiting side, in the frame of the coroutine that asks.
  struct Waiting {
    Waiting(ServiceCalls& c, const Provider& provider, ServiceExpect expect);
    Waiting(const Waiting&) = delete;
    ~Waiting();
    Task<ServiceAnswer> answer(Deadline deadline);
    ServiceCalls& calls;
    vrd_pending token = 0;
    Event answered;
    std::optional<ServiceAnswer> value;
  };
  struct Slot {
    std::atomic<uint64_t> word{uint64_t{1} << 32};  // generation << 32 | state
    Waiting* owner = nullptr;                       // [loop]
    ServiceExpect expect;                           // unchanged while somebody waits or has answered
    std::shared_ptr<PluginRecord> provider;
  };
  struct Breaker {
    uint32_t failures = 0;
    Millis rest{};
    MonoTime closed_until{};
    bool told = false;
  };

  template <typename Request>
  static void invoke(const Provider& provider, const Request& request, vrd_pending token);
  template <typename Request>
  static void carry(Loop& serving, const Provider& provider, Request request, vrd_pending token);
  Slot* slot_of(vrd_pending token) const;
  vrd_pending open(Waiting& owner, const Provider& provider, ServiceExpect expect);
  bool close(vrd_pending token);
  void release(vrd_pending token, Slot& slot);
  void deliver(vrd_pending token, ServiceAnswer answer);
  vrd_status take(vrd_pending token, vrd_status status, const void* answer);
  bool spares(const Provider& provider, ServiceKind kind);
  void account(const Provider& provider, ServiceKind kind, const ServiceAnswer& answer, uint64_t began);

  LoopServices& services_;
  std::array<std::atomic<Slot*>, kChunks> chunks_{};
  size_t chunk_count_ = 0;
  std::vector<uint32_t> free_;
  std::unordered_map<uint64_t, Breaker> breakers_;
  struct Cells {
    std::atomic<uint64_t> answered{0}, failed{0}, spared{0}, nanos{0};
  };
  std::array<Cells, kServiceKinds> cells_;
  Scope chores_;
};

template <typename Request>
void ServiceCalls::invoke(const Provider& provider, const Request& request, vrd_pending token) {
  Shard* shard = provider.instance->here();
  vrd_status status = VRD_E_CLOSED;
  if (shard) {
    status = VRD_E_FAULT;
    void* object = shard->object ? shard->object : provider.instance->self();
    guarded(*provider.instance->record(), "service", [&] { status = request.call(provider.table, object, token); });
  }
  if (status != VRD_OK) answer(token, status < 0 ? status : VRD_E_FAULT, nullptr);
}

// On its way to another loop the request keeps the generation, and no longer: one that only waits for an answer does not.
template <typename Request>
void ServiceCalls::carry(Loop& serving, const Provider& provider, Request request, vrd_pending token) {
  Provider kept = provider;
  if (!kept.pin) kept.pin = provider.instance->generation().pin();
  if (!kept.pin) answer(token, VRD_E_CLOSED, nullptr);
  else serving.post_call([kept, request = std::move(request), token] { invoke(kept, request, token); });
}

template <typename Request>
Task<ServiceAnswer> ServiceCalls::ask(Provider provider, Request request, Deadline deadline) {
  ServiceExpect expect = request.expect();
  ServiceKind kind = expect.kind;
  if (spares(provider, kind)) co_return ServiceAnswer{VRD_E_TEMPORARY, {}};
  uint64_t began = uv_hrtime();
  Waiting waiting(*this, provider, std::move(expect));
  if (waiting.token == 0) co_return ServiceAnswer{VRD_E_BUSY, {}};
  Loop& serving = provider.instance->serving(services_.loop);
  if (&serving == &services_.loop) invoke(provider, request, waiting.token);
  else carry(serving, provider, std::move(request), waiting.token);
  ServiceAnswer answer = co_await waiting.answer(deadline);
  account(provider, kind, answer, began);
  co_return answer;
}

}  // namespace veredus
