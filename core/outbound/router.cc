// Routing of one recipient.
#include "outbound/router.h"

#include "base/text.h"
#include "outbound/classify.h"

namespace veredus {

Task<Routed> OutboundRouter::route(std::shared_ptr<const Envelope> envelope, uint32_t recipient) {
  const Recipient& to = envelope->recipients[recipient];
  Wish wish{to.next_hop, envelope->pool};
  if (!runner_.any(Stage::route)) co_return by_table(to, wish);
  HookState state = runner_.begin();
  Subject subject;
  subject.origin = &envelope->origin;
  subject.envelope = envelope.get();
  subject.recipient = &to;
  subject.recipient_index = recipient;
  Decision decision = co_await runner_.run(Stage::route, subject, state);
  Routed refused;
  refused.failure = refusal(decision.verdict);
  if (refused.failure.code != 0) co_return refused;
  for (const Edit& edit : decision.edits) {
    if (auto* route = std::get_if<SetRoute>(&edit); route && route->index == recipient) {
      if (!route->next_hop.empty()) wish.next_hop = route->next_hop;
      if (!route->pool.empty()) wish.pool = route->pool;
    }
    if (auto* field = std::get_if<SetField>(&edit); field && field->name == "pool") wish.pool = field->value;
  }
  co_return by_table(to, wish);
}

// A route has no way to hold or discard, so these verdicts wait until the attempt, where the same hook may give them again.
Reply OutboundRouter::refusal(const Verdict& verdict) {
  if (verdict.action == Action::reject)
    return verdict.reply.permanent() ? verdict.reply : local_reply(550, {5, 7, 1}, "Refused by a rule");
  if (verdict.action == Action::tempfail || verdict.action == Action::fault)
    return verdict.reply.temporary() ? verdict.reply : local_reply(451, {4, 7, 1}, "Deferred by a rule");
  return {};
}

Routed OutboundRouter::by_table(const Recipient& recipient, const Wish& wish) {
  std::string domain = lowered(recipient.address.domain());
  if (domain.empty()) domain = table_.settings().hostname;
  Routed out;
  if (!wish.pool.empty() && !table_.settings().pools.contains(wish.pool)) {
    out.failure = local_reply(451, {4, 3, 5}, "The source pool " + printable(wish.pool, 64) + " is not configured");
  } else if (wish.next_hop.empty()) {
    out.destination = destinations_.intern(table_.find(domain, wish.pool));
  } else if (auto hop = NextHop::parse(wish.next_hop)) {
    out.destination = destinations_.intern(RouteTable::fixed(std::move(*hop), domain, wish.pool));
  } else {
    out.failure = local_reply(451, {4, 3, 5}, "The recipient's next hop " + printable(wish.next_hop, 128) + " is malformed");
  }
  return out;
}

}  // namespace veredus
