// One lease from its first address to its end.
#include "outbound/delivery.h"

#include <algorithm>

#include "base/text.h"
#include "log/events.h"
#include "outbound/classify.h"

namespace veredus {

namespace {

// Several deliveries share a loop: the last one to begin is named, and only it takes the name away.
class InHand {
 public:
  InHand(std::atomic<uint64_t>& cell, MessageId id) : cell_(cell), id_(id.value) { cell_.store(id_, std::memory_order_relaxed); }
  ~InHand() {
    if (cell_.load(std::memory_order_relaxed) == id_) cell_.store(0, std::memory_order_relaxed);
  }
  InHand(const InHand&) = delete;

 private:
  std::atomic<uint64_t>& cell_;
  uint64_t id_;
};

using Fate = RecipientResult::Fate;

RecipientOutcome untried(uint32_t recipient) {
  RecipientOutcome out;
  out.recipient = recipient;
  return out;
}

}  // namespace

Task<void> deliver(OutboundContext& context, Lease lease) {
  Delivery delivery(context, std::move(lease));
  co_await delivery.run();
}

Delivery::Delivery(OutboundContext& context, Lease lease)
    : context_(context), lease_(std::move(lease)), walk_(context, lease_.destination, lease_.settings) {}

// Reached with the lease still held only when the scope is cancelled: what next hops have said until now is not lost.
Delivery::~Delivery() {
  if (ended_) return;
  if (attempt_ && conversation_ && batch_ > 0) {
    conversation_->abandon();
    collect();
  }
  if (attempt_ && plugin_ && batch_ > 0) settle_batch({}, local_reply(451, {4, 3, 2}, "Shut down while " + plugin_->text() + " delivered"));
  if (attempt_) give_up_attempt();
  conversation_.reset();
  end(LeaseEnd::shutdown, Reply());
}

Task<void> Delivery::run() {
  while (!context_.draining) {
    auto target = co_await walk_.next();
    if (!target) break;
    Next next = Next::again;
    while (next == Next::again) next = co_await visit(*target);
    if (next == Next::done) co_return;
  }
  const Reply failure = walk_.failures().reply();
  if (context_.draining || limited_) {
    if (attempt_) give_up_attempt();
    co_return end(context_.draining ? LeaseEnd::shutdown : LeaseEnd::idle, Reply());
  }
  Reply why = failure.code != 0 ? failure : local_reply(451, {4, 4, 4}, "No source can reach " + lease_.destination->name);
  for (uint32_t recipient : pending_) {
    RecipientOutcome out = untried(recipient);
    out.outcome = outcome_for(why);
    out.reply = why;
    result_.outcomes.push_back(std::move(out));
  }
  pending_.clear();
  if (attempt_) close_attempt();
  if (passed_on_) co_return end(LeaseEnd::idle, Reply());  // says nothing of what waits at this destination
  end(LeaseEnd::error, std::move(why));
}

Task<Delivery::Next> Delivery::visit(Target target) {
  if (!target.plugin.empty()) co_return co_await visit_plugin(std::move(target));
  uint8_t family = target.unix_path.empty() ? target.to.ip.family : 0;
  auto source = context_.sources.pick(*lease_.settings, lease_.destination->pool, family);
  if (!source) co_return Next::another_host;
  bool free = co_await admitted(target, *source);
  if (!free) {
    limited_ = true;
    co_return Next::another_host;
  }
  co_return co_await converse(std::move(target), std::move(*source));
}

Task<Delivery::Next> Delivery::converse(Target target, Source source) {
  Security security = co_await find_security(context_, lease_.settings, lease_.destination, target);
  if (security.refusal.code != 0) {
    tell_connected(security, target.text());
    note_host_failure(target.text(), security.refusal, Fault::policy);
    co_return Next::another_host;
  }
  if (!security.required && security.wanted && context_.tls_memory.prefers_clear(target.text(), context_.loop.now())) security.go_clear();
  std::string name = target.text();
  std::string credentials = target.fallback ? std::string() : lease_.destination->credentials;  // which are for hosts of the route
  conversation_ = std::make_unique<Conversation>(context_, lease_.settings, std::move(target), std::move(source), std::move(security), std::move(credentials));
  Reply why = co_await conversation_->open();
  const Security& reached = conversation_->security();
  bool greeted = conversation_->machine().banner().positive(), settled = greeted && !reached.told.result.empty();
  if (settled || (greeted && !reached.wanted)) tell_connected(reached, name);
  if (why.code != 0) {
    bool clear_next = conversation_->better_in_clear();
    if (clear_next) context_.tls_memory.failed(name, context_.loop.now());
    else note_host_failure(conversation_->remote(), why, conversation_->security().required && settled ? Fault::policy : Fault::connection);
    conversation_.reset();
    co_return clear_next ? Next::again : Next::another_host;
  }
  ++context_.counters.connections;
  context_.hosts.worked(conversation_->remote());
  if (context_.log.wants(Severity::debug))
    context_.log.write(events::kConnectionOpened, {{"destination", lease_.destination->name},
                                                   {"remote", conversation_->remote()},
                                                   {"source", conversation_->source().name}});
  co_return co_await work();
}

// Hooks hear of each connection, and the log how it was secured or why it was not. Without a result nobody wanted TLS.
void Delivery::tell_connected(const Security& security, const std::string& remote) {
  const OutboundTls& told = security.told;
  bool bad = told.result != "success" && (security.required || security.testing || security.refusal.code != 0);
  if (bad || (!told.result.empty() && context_.log.wants(Severity::debug)))
    context_.log.write(bad ? events::kOutboundTlsFailed : events::kOutboundTls, {{"destination", lease_.destination->name},
                                                                                {"remote", remote},
                                                                                {"level", told.level},
                                                                                {"policy", told.type},
                                                                                {"result", told.result},
                                                                                {"tls", told.tls},
                                                                                {"reason", printable(told.problem, 400)}});
  if (!context_.runner.any(Stage::connected)) return;
  HookState state = context_.runner.begin();
  Subject subject;
  subject.destination = lease_.destination->name;
  subject.remote = remote;
  subject.outbound_tls = &told;
  context_.runner.tell(Stage::connected, subject, state);
}

Task<bool> Delivery::admitted(const Target& target, const Source& source) {
  LeaseTags tags;
  tags.source = source.name;
  tags.mx_host = target.host;
  tags.mx_address = target.to.ip;
  co_return co_await context_.port.admit(context_.loop, lease_.id, std::move(tags));
}

Task<Delivery::Next> Delivery::work() {
  for (;;) {
    bool more = co_await take_attempt();
    if (!more) break;
    bool used = conversation_->used();
    if (!conversation_->usable()) co_return replace_connection(used);
    if (demands_more()) co_return co_await pass_on();
    co_await perform();
    if (pending_.empty()) close_attempt();
    if (conversation_->usable() && !attempt_) continue;
    if (attempt_) co_return replace_connection(used);
    conversation_.reset();
    end(LeaseEnd::idle, Reply());
    co_return Next::done;
  }
  co_await conversation_->quit();
  if (context_.log.wants(Severity::debug))
    context_.log.write(events::kConnectionClosed, {{"destination", lease_.destination->name}, {"remote", conversation_->remote()}});
  conversation_.reset();
  end(context_.draining ? LeaseEnd::shutdown : LeaseEnd::idle, Reply());
  co_return Next::done;
}

// An attempt may still be in hand from a connection that died before it began.
Task<bool> Delivery::take_attempt() {
  if (attempt_) co_return true;
  if (context_.draining) co_return false;
  auto previous = std::exchange(previous_, std::nullopt);
  auto got = co_await context_.port.next(context_.loop, lease_.id, std::move(previous), idle_deadline());
  if (!got) co_return false;
  attempt_ = std::move(*got);
  pending_ = attempt_->recipients;
  result_ = AttemptResult();
  result_.item = attempt_->item;
  hooks_ = context_.runner.begin();
  hooks_asked_ = false;
  results_shown_ = 0;
  co_return true;
}

Task<void> Delivery::perform() {
  InHand named(*context_.in_hand, attempt_->message->envelope.id);
  if (!hooks_asked_ && Runner::any(Stage::attempt, hooks_)) co_await ask_attempt_hooks();
  hooks_asked_ = true;
  if (plugin_)
    co_await ask_plugin();
  else
    co_await run_transactions();
  if (Runner::any(Stage::result, hooks_)) co_await ask_result_hooks();
}

Asked Delivery::ask(Stage stage, uint32_t recipient, const Reply* reply, std::string_view remote) {
  const Message& message = *attempt_->message;
  Subject subject;
  subject.origin = &message.envelope.origin;
  subject.envelope = &message.envelope;
  subject.content = &message.content;
  subject.recipient = &message.envelope.recipients[recipient];
  subject.recipient_index = recipient;
  subject.reply = reply;
  subject.destination = lease_.destination->name;
  subject.remote = remote;
  subject.attempts = attempt_->attempts_before;
  return context_.runner.ask(stage, subject, hooks_);
}

// The message stays shared by the attempt in hand for as long as its hooks are asked.
Task<Decision> Delivery::decide(Asked asked) {
  std::shared_ptr<const Message> message = attempt_->message;
  co_return co_await context_.runner.run(std::move(asked));
}

Task<void> Delivery::ask_attempt_hooks() {
  std::vector<uint32_t> asked = pending_, left;
  for (uint32_t recipient : asked) {
    Asked asked = ask(Stage::attempt, recipient, nullptr, {});
    if (!asked) {
      left.push_back(recipient);
      continue;
    }
    Decision decision = co_await decide(std::move(asked));
    RecipientOutcome outcome = untried(recipient);
    if (apply_verdict(decision.verdict, outcome) || rerouted(decision, outcome))
      result_.outcomes.push_back(std::move(outcome));
    else
      left.push_back(recipient);
  }
  pending_ = std::move(left);
}

bool Delivery::rerouted(const Decision& decision, RecipientOutcome& outcome) const {
  const Recipient& recipient = attempt_->message->envelope.recipients[outcome.recipient];
  return apply_route(decision.edits, recipient.next_hop, lease_.destination->pool, outcome);
}

// One transaction after the other: a next hop may take fewer recipients at a time than the message has.
Task<void> Delivery::run_transactions() {
  uint32_t most = lease_.settings->outbound.recipients_per_transaction;
  while (!pending_.empty() && conversation_->usable()) {
    batch_ = most > 0 ? std::min<size_t>(most, pending_.size()) : pending_.size();
    std::vector<uint32_t> batch(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(batch_));
    co_await conversation_->transact(attempt_->message, batch);
    collect();
  }
}

// Those the next hop has not decided go back to the front of what is pending.
void Delivery::collect() {
  std::vector<uint32_t> left;
  const ClientMachine& machine = conversation_->machine();
  bool dsn = machine.features().dsn;
  bool settled = machine.uncertain() || conversation_->local_trouble();
  for (const RecipientResult& result : conversation_->results()) {
    bool open = result.fate == Fate::later || result.fate == Fate::untouched || (result.fate == Fate::lost && !settled);
    if (open && !conversation_->local_trouble()) {
      left.push_back(result.recipient);
      continue;
    }
    RecipientOutcome outcome = outcome_of(result, conversation_->remote());
    outcome.tls = conversation_->security().told.tls;
    if (outcome.outcome == Outcome::not_tried) outcome.outcome = Outcome::temporary;
    outcome.dsn_relayed = dsn && (attempt_->message->envelope.recipients[result.recipient].notify & kNotifySuccess);
    result_.outcomes.push_back(std::move(outcome));
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(batch_));
  pending_.insert(pending_.begin(), left.begin(), left.end());
  batch_ = 0;
  if (!machine.uncertain()) return;
  ++context_.counters.uncertain;
  context_.log.write(events::kAttemptUncertain, {{"id", attempt_->message->envelope.id.text()},
                                                 {"remote", conversation_->remote()},
                                                 {"reply", machine.problem().joined()}});
}

// What was delivered stays delivered. A rule without a reply of its own leaves the next hop's words, in the class it decided.
Task<void> Delivery::ask_result_hooks() {
  for (size_t& i = results_shown_; i < result_.outcomes.size(); ++i) {
    RecipientOutcome& outcome = result_.outcomes[i];
    Asked asked = ask(Stage::result, outcome.recipient, &outcome.reply, outcome.remote);
    if (!asked) continue;
    Decision decision = co_await decide(std::move(asked));
    if (outcome.outcome == Outcome::delivered) continue;
    Verdict& verdict = decision.verdict;
    if (verdict.reply == default_reply(Stage::result, verdict.action)) verdict.reply = reclassified(outcome.reply, verdict.action);
    if (!apply_verdict(verdict, outcome)) rerouted(decision, outcome);
  }
}

// With an attempt in hand that this connection did not decide. One that had been of use was closed, or greeted with 421, while it was idle.
Delivery::Next Delivery::replace_connection(bool used) {
  Reply why = conversation_->machine().problem();
  if (why.code == 0) why = local_reply(451, {4, 5, 0}, conversation_->remote() + " sends more replies than it got commands");
  if (used) ++context_.counters.stale;
  else note_host_failure(conversation_->remote(), why, Fault::conversation);
  conversation_.reset();
  return used ? Next::again : Next::another_host;
}

bool Delivery::demands_more() const {
  return attempt_->message->envelope.require_tls && !conversation_->machine().keeps_tls();
}

// RFC 8689 4.2.1: what this host does not promise, the next one may.
Task<Delivery::Next> Delivery::pass_on() {
  passed_on_ = true;
  std::string text = "The message must stay encrypted (REQUIRETLS), and " + conversation_->remote() + " cannot promise that";
  note_host_failure(conversation_->remote(), local_reply(550, {5, 7, 30}, std::move(text)), Fault::policy);
  co_await conversation_->quit();
  conversation_.reset();
  co_return Next::another_host;
}

void Delivery::note_host_failure(const std::string& remote, const Reply& why, Fault fault) {
  if (fault != Fault::policy) context_.hosts.failed(remote, context_.loop.now());
  walk_.failures().add(why);
  ++context_.counters.connections_failed;
  context_.log.write(fault == Fault::connection ? events::kConnectionFailed : events::kAttemptFailed,
                     {{"destination", lease_.destination->name}, {"remote", remote}, {"reply", why.joined()}});
}

void Delivery::close_attempt() {
  previous_ = std::move(result_);
  result_ = AttemptResult();
  attempt_.reset();
}

void Delivery::give_up_attempt() {
  for (uint32_t recipient : pending_) result_.outcomes.push_back(untried(recipient));
  pending_.clear();
  close_attempt();
}

void Delivery::end(LeaseEnd how, Reply failure) {
  ended_ = true;
  context_.port.end(lease_.id, how, std::move(failure), std::exchange(previous_, std::nullopt));
}

}  // namespace veredus
