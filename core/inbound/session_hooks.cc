// Hooks as a session hears them: a verdict becomes a refusal with the stage's default reply, a discard or a
// hold of the transaction.
#include "inbound/edits.h"
#include "inbound/session.h"

namespace veredus {

namespace {

Reply default_reply(Stage stage, Action action) {
  if (action == Action::disconnect) return {421, {4, 7, 0}, {"Closing the connection"}};
  if (action == Action::reject)
    return stage == Stage::connect ? Reply{554, {5, 7, 1}, {"No service for you"}}
                                   : Reply{550, {5, 7, 1}, {"Refused by policy"}};
  if (stage == Stage::connect) return {421, {4, 7, 1}, {"Try again later"}};
  return {451, {4, 7, 1}, {"Try again later"}};
}

bool fits(const Reply& reply, Action action) {
  if (action == Action::disconnect) return reply.code == 421 || reply.code == 521;
  return action == Action::reject ? reply.permanent() : reply.temporary();
}

}  // namespace

Subject Session::subject() const {
  Subject subject;
  subject.origin = &origin_;
  if (machine_ && machine_->in_transaction()) subject.envelope = &machine_->envelope();
  if (transaction_) subject.envelope = &machine_->envelope();
  return subject;
}

// An action that no stage may end with (pending, fault, numbers of the future) counts as a temporary failure.
Task<Session::Ruling> Session::consult(Stage stage, Subject shown) {
  Decision decision = co_await context_.hooks.ask(stage, shown);
  Ruling ruling;
  Verdict& verdict = decision.verdict;
  ruling.rule = std::move(verdict.rule);
  ruling.scope = verdict.scope;
  ruling.edits = std::move(decision.edits);
  ruling.discard = verdict.action == Action::discard && transaction_;
  ruling.hold = verdict.action == Action::hold && transaction_;
  if (verdict.action == Action::next || verdict.action == Action::ok || ruling.discard || ruling.hold)
    co_return ruling;
  bool fitting = verdict.reply.code != 0 && fits(verdict.reply, verdict.action);
  ruling.refusal = fitting ? std::move(verdict.reply) : default_reply(stage, verdict.action);
  co_return ruling;
}

// Remembers what holds for longer than this step; false: the step is refused.
bool Session::settle(Ruling& ruling) {
  if (ruling.refusal.code != 0) {
    if (ruling.scope != VerdictScope::step) {
      standing_refusal_ = ruling.refusal;
      standing_scope_ = ruling.scope;
    }
    return false;
  }
  if (!transaction_) return true;
  transaction_->discard = transaction_->discard || ruling.discard;
  transaction_->hold = transaction_->hold || ruling.hold;
  if (ruling.discard || ruling.hold) transaction_->rule = ruling.rule;
  return true;
}

void Session::tell(Stage stage, const Envelope* envelope) {
  if (!hooked(stage)) return;
  Subject shown;
  shown.origin = &origin_;
  shown.envelope = envelope;
  context_.hooks.tell(stage, shown);
}

}  // namespace veredus
