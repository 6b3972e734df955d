// Deliveries and routes by plugins.
#include "plugin/providers_deliver.h"

#include <veredus/svc_deliver.h>
#include <veredus/svc_router.h>

#include <algorithm>

#include "plugin/calls.h"
#include "plugin/host_support.h"
#include "plugin/service_calls.h"

namespace veredus {

namespace {

constexpr Seconds kRouterPatience{30};
constexpr EnhancedCode kNoSystem{4, 3, 5}, kNotNow{4, 3, 0}, kNoRoute{4, 4, 0};

// A view that is held until nobody asks with it any more.
class HeldView {
 public:
  HeldView(Stage stage, const Subject& subject, std::shared_ptr<PluginRecord> record)
      : view_(make_view(std::make_shared<const HookView>(stage, subject), std::move(record))) {}
  HeldView(HeldView&& other) noexcept : view_(std::exchange(other.view_, nullptr)) {}
  ~HeldView() { release_view(view_); }
  const vrd_view* get() const { return view_; }

 private:
  const vrd_view* view_;
};

struct DeliverCall {
  HeldView view;
  std::vector<uint32_t> recipients;
  std::string argument;
  ServiceExpect expect() const { return {ServiceKind::deliver, recipients.size(), false, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    return static_cast<const vrd_svc_deliver_1*>(table)->deliver(object, view.get(), recipients.data(), recipients.size(), str_of(argument), token);
  }
};

struct RouterCall {
  HeldView view;
  ServiceExpect expect() const { return {ServiceKind::router, 0, true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    return static_cast<const vrd_svc_router_1*>(table)->route(object, view.get(), token);
  }
};

std::vector<RecipientOutcome> all_of(const std::vector<uint32_t>& recipients, Outcome outcome, const Reply& reply, const std::string& remote) {
  std::vector<RecipientOutcome> out;
  for (uint32_t recipient : recipients) {
    RecipientOutcome one;
    one.recipient = recipient;
    one.outcome = outcome;
    one.reply = reply;
    one.remote = remote;
    out.push_back(std::move(one));
  }
  return out;
}

std::string_view why(vrd_status status) {
  switch (status) {
    case VRD_E_TIMEOUT: return "did not answer in time";
    case VRD_E_TEMPORARY: case VRD_E_BUSY: return "cannot be asked now";
    case VRD_E_CLOSED: return "has ended";
    default: return "failed";
  }
}

// One outcome a recipient at most; rows of others, or twice, are the plugin's mistake and are left out.
std::vector<RecipientOutcome> outcomes(const std::vector<DeliverRow>& rows, std::vector<uint32_t> asked, PluginRecord& record, const std::string& remote) {
  std::vector<RecipientOutcome> out;
  for (const DeliverRow& row : rows) {
    if (std::erase(asked, row.recipient) == 0) {
      record.misbehaved("svc.deliver answer", "a recipient that was not asked for, or twice");
      continue;
    }
    Outcome outcome = row.reply.positive() ? Outcome::delivered : row.reply.permanent() ? Outcome::permanent : Outcome::temporary;
    out.push_back(all_of({row.recipient}, outcome, row.reply, remote).front());
  }
  return out;
}

}  // namespace

bool PluginDeliverPort::offers(std::string_view name) const {
  auto generation = host_.current();
  return generation && find_provider(*generation, name, ServiceKind::deliver);
}

Task<std::vector<RecipientOutcome>> PluginDeliverPort::deliver(Loop&, DeliverRequest request) {
  LoopServices& services = *LoopServices::here();
  std::string remote = "plugin " + request.name;
  Provider provider = find_provider(*host_.current(), request.name, ServiceKind::deliver);
  if (!provider)
    co_return all_of(request.recipients, Outcome::not_tried, make_failure(451, kNoSystem, "There is no plugin '" + request.name + "' that delivers"), remote);
  std::shared_ptr<PluginRecord> record = provider.instance->record();
  Subject subject;
  subject.origin = &request.message->envelope.origin;
  subject.envelope = &request.message->envelope;
  subject.content = &request.message->content;
  subject.destination = remote;
  DeliverCall call{HeldView(Stage::attempt, subject, record), request.recipients, request.argument};
  ServiceAnswer answer = co_await ServiceCalls::of(services).ask(std::move(provider), std::move(call), request.deadline);
  if (answer.ok()) co_return outcomes(std::get<std::vector<DeliverRow>>(answer.value), request.recipients, *record, remote);
  bool untried = answer.status == VRD_E_TEMPORARY || answer.status == VRD_E_BUSY;
  Reply reply = make_failure(451, kNotNow, "The plugin '" + request.name + "' " + std::string(why(answer.status)));
  co_return all_of(request.recipients, untried ? Outcome::not_tried : Outcome::temporary, reply, remote);
}

Task<RouteAnswer> PluginRouterPort::route(Loop& here, std::string name, std::shared_ptr<const Envelope> envelope, uint32_t recipient) {
  LoopServices& services = *LoopServices::here();
  RouteAnswer out;
  Provider provider = find_provider(*host_.current(), name, ServiceKind::router);
  if (!provider) {
    out.failure = make_failure(451, kNoSystem, "There is no plugin '" + name + "' that routes");
    co_return out;
  }
  Subject subject;
  subject.origin = &envelope->origin;
  subject.envelope = envelope.get();
  subject.recipient = &envelope->recipients[recipient];
  subject.recipient_index = recipient;
  RouterCall call{HeldView(Stage::route, subject, provider.instance->record())};
  ServiceAnswer answer = co_await ServiceCalls::of(services).ask(std::move(provider), std::move(call), Deadline::in(here, kRouterPatience));
  if (answer.ok()) {
    auto& choice = std::get<RouterChoice>(answer.value);
    out.next_hop = std::move(choice.next_hop);
    out.pool = std::move(choice.pool);
    out.failure = std::move(choice.failure);
  } else {
    out.failure = make_failure(451, kNoRoute, "The plugin '" + name + "' " + std::string(why(answer.status)));
  }
  co_return out;
}

}  // namespace veredus
