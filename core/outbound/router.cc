// Routing of one recipient.
#include "outbound/router.h"

#include "base/text.h"
#include "outbound/bounded.h"
#include "outbound/classify.h"
#include "smtp/refused_hop.h"

namespace veredus {

Task<Routed> OutboundRouter::route(std::shared_ptr<const Envelope> envelope, uint32_t recipient) {
  const Recipient& to = envelope->recipients[recipient];
  if (auto refused = refusal_of_hop(to.next_hop)) co_return Routed{.destination = nullptr, .failure = std::move(*refused)};
  Wish wish{to.next_hop, envelope->pool};
  if (runner_.any(Stage::route)) {
    HookState state = runner_.begin();
    Subject subject;
    subject.origin = &envelope->origin;
    subject.envelope = envelope.get();
    subject.recipient = &to;
    subject.recipient_index = recipient;
    if (Asked asked = runner_.ask(Stage::route, subject, state)) {
      Decision decision = co_await runner_.run(std::move(asked));
      Routed stopped = judged(decision.verdict);
      if (stopped.failure.code != 0 || stopped.verdict != Outcome::not_tried) co_return stopped;
      take_edits(decision.edits, recipient, wish);
    }
  }
  co_return co_await follow(std::move(envelope), recipient, std::move(wish));
}

void OutboundRouter::take_edits(const std::vector<Edit>& edits, uint32_t recipient, Wish& wish) {
  for (const Edit& edit : edits) {
    if (auto* route = std::get_if<SetRoute>(&edit); route && route->index == recipient) {
      if (!route->next_hop.empty()) wish.next_hop = route->next_hop;
      if (!route->pool.empty()) wish.pool = route->pool;
    }
    if (auto* field = std::get_if<SetField>(&edit); field && field->name == "pool") wish.pool = field->value;
    if (auto* field = std::get_if<SetField>(&edit); field && field->name == "tls") wish.tls = field->value;
  }
}

Routed OutboundRouter::judged(const Verdict& verdict) {
  Routed out;
  const Reply& reply = verdict.reply;
  if (verdict.action == Action::reject) {
    out.failure = reply.permanent() ? reply : local_reply(550, {5, 7, 1}, "Refused by a rule");
  } else if (verdict.action == Action::tempfail || verdict.action == Action::fault) {
    out.failure = reply.temporary() ? reply : local_reply(451, {4, 7, 1}, "Deferred by a rule");
  } else if (verdict.action == Action::hold || verdict.action == Action::discard) {
    out.verdict = verdict.action == Action::hold ? Outcome::held : Outcome::discarded;
    out.rule = verdict.rule.empty() ? "a rule at route" : verdict.rule;
  }
  return out;
}

// A router without an opinion leaves the choice to the next route that matches.
Task<Routed> OutboundRouter::follow(std::shared_ptr<const Envelope> envelope, uint32_t recipient, Wish wish) {
  Routed out;
  bool by_router = false;
  for (int asked = 0;; ++asked) {
    Destination found;
    out.failure = find(envelope->recipients[recipient], wish, found);
    if (out.failure.code != 0) co_return out;
    const NextHop& first = found.to[0][0];
    if (first.kind != NextHop::Kind::router) {
      out.failure = co_await secure(envelope, recipient, std::move(wish.tls), &found);
      if (out.failure.code != 0) co_return out;
      out.destination = destinations_.intern(std::move(found));
      co_return out;
    }
    if (by_router || asked == kMostRouters) {
      out.failure = local_reply(451, {4, 3, 5}, "The next hop " + first.text() + " leads to one router after the other");
      co_return out;
    }
    RouteAnswer answer = co_await ask(first.host, envelope, recipient);
    out.failure = std::move(answer.failure);
    if (out.failure.code != 0) co_return out;
    wish.next_hop = std::move(answer.next_hop);
    by_router = !wish.next_hop.empty();
    if (by_router) wish.ip = found.ip, wish.route_tls = found.tls, wish.credentials = found.credentials;
    if (by_router && wish.pool.empty()) wish.pool = found.pool;
    if (!answer.pool.empty()) wish.pool = std::move(answer.pool);
  }
}

// What is no refusal for good is tried again later.
Task<RouteAnswer> OutboundRouter::ask(std::string name, std::shared_ptr<const Envelope> envelope, uint32_t recipient) {
  RouteAnswer out;
  if (!port_) {
    out.failure = local_reply(451, {4, 3, 5}, "No plugin " + name + " chooses next hops here");
    co_return out;
  }
  Loop& loop = runner_.pending().loop();
  auto answer = co_await within(loop, port_->route(loop, name, std::move(envelope), recipient), Deadline::in(loop, kRouterPatience));
  if (!answer) {
    out.failure = local_reply(451, {4, 4, 5}, "The router " + name + " gave no answer in time");
    co_return out;
  }
  out = std::move(*answer);
  const Reply& failure = out.failure;
  if (failure.code != 0 && !failure.permanent() && !failure.temporary())
    out.failure = local_reply(451, {4, 3, 0}, "The router " + name + " gave an answer that is no reply");
  co_return out;
}

Reply OutboundRouter::find(const Recipient& recipient, Wish& wish, Destination& out) const {
  std::string domain = lowered(recipient.address.domain());
  if (domain.empty()) domain = table_.settings().hostname;
  if (!wish.pool.empty() && !table_.settings().pools.contains(wish.pool))
    return local_reply(451, {4, 3, 5}, "The source pool " + printable(wish.pool, 64) + " is not configured");
  if (wish.next_hop.empty()) {
    out = table_.find(domain, wish.pool, wish.from);
    return {};
  }
  auto hops = parse_next_hops(wish.next_hop);
  if (!hops) return local_reply(451, {4, 3, 5}, "The recipient's next hop " + printable(wish.next_hop, 128) + " is malformed");
  out = RouteTable::fixed(std::move(*hops), domain, wish.pool, wish.ip);
  RouteTable::prove(out, wish.credentials);
  if (wish.route_tls) RouteTable::secure(out, *wish.route_tls);
  return {};
}

}  // namespace veredus
