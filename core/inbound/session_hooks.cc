// Hooks as a session hears them: the runner's decision becomes a refusal, a discard or a hold of the
// transaction, and edits.
#include "hooks/edits.h"
#include "inbound/session.h"

namespace veredus {

Subject Session::subject() const {
  Subject subject;
  subject.origin = &origin_;
  if (transaction_) {
    subject.envelope = &machine_->envelope();
    subject.declared_size = transaction_->declared_size;
  }
  subject.connection_notes = &connection_notes_;
  subject.auth_results = &auth_results_;
  return subject;
}

Task<Session::Ruling> Session::consult(Asked asked) {
  Decision decision = co_await context_.runner.run(std::move(asked));
  Verdict& verdict = decision.verdict;
  Ruling ruling;
  ruling.rule = std::move(verdict.rule);
  ruling.scope = verdict.scope;
  ruling.edits = std::move(decision.edits);
  ruling.body = std::move(decision.body);
  ruling.discard = verdict.action == Action::discard;
  ruling.hold = verdict.action == Action::hold;
  ruling.close = verdict.action == Action::disconnect;
  bool refuses = verdict.action == Action::reject || verdict.action == Action::tempfail || ruling.close;
  if (refuses) ruling.refusal = std::move(verdict.reply);
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
  if (ruling.discard) transaction_->streams = false;
  return true;
}

void Session::keep_lasting(Ruling& ruling) {
  for (Edit& edit : ruling.edits) lasting_edits_.push_back(std::move(edit));
  renew_lasting();
}

// A client may greet as often as it likes; what was said of its last greeting counts.
void Session::forget_helo() {
  lasting_edits_.erase(lasting_edits_.begin() + static_cast<ptrdiff_t>(connect_edits_), lasting_edits_.end());
  renew_lasting();
}

// Of the account only what XCLIENT says is left.
void Session::forget_auth() {
  tenant_.clear();
  origin_.mechanism.clear();
  auth_edits_.clear();
  renew_lasting();
}

void Session::renew_lasting() {
  Envelope scratch;
  apply_envelope_edits(scratch, lasting_edits_);
  apply_envelope_edits(scratch, auth_edits_);
  connection_notes_ = std::move(scratch.notes);
  auth_results_.clear();
  take_auth_results(auth_results_, lasting_edits_);
  take_auth_results(auth_results_, auth_edits_);
  connection_results_ = auth_results_.size();
}

// What hooks want of the running transaction.
void Session::apply(std::span<const Edit> edits) {
  if (edits.empty()) return;
  apply_envelope_edits(machine_->envelope(), edits);
  take_auth_results(auth_results_, edits);
}

void Session::tell(Stage stage, const Envelope* envelope) {
  if (!hooked(stage)) return;
  Subject shown;
  shown.origin = &origin_;
  shown.envelope = envelope;
  shown.connection_notes = &connection_notes_;
  shown.auth_results = &auth_results_;
  context_.runner.tell(stage, shown, hooks_);
}

}  // namespace veredus
