// Deliveries by a plugin: attempts are taken from the queue as for a host, and each batch of recipients is one call of the plugin.
#include <algorithm>

#include "base/text.h"
#include "log/events.h"
#include "outbound/bounded.h"
#include "outbound/classify.h"
#include "outbound/delivery.h"

namespace veredus {

namespace {

constexpr Millis kGrace{1'000};  // for a host that keeps the deadline itself

uint16_t class_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::delivered: return 2;
    case Outcome::temporary: return 4;
    case Outcome::permanent: return 5;
    default: return 0;
  }
}

bool is_clean(const std::string& line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
}

// An SMTP reply of the class that the outcome stands for.
bool is_reply_for(Outcome outcome, const Reply& reply) {
  uint16_t wanted = class_of(outcome);
  if (wanted == 0 || reply.code / 100 != wanted || reply.code % 100 > 59) return false;
  if (reply.enhanced && reply.enhanced.cls != wanted) return false;
  return std::all_of(reply.lines.begin(), reply.lines.end(), is_clean);
}

// What a plugin took is not sent again because it said so badly; any other nonsense is.
RecipientOutcome judged(RecipientOutcome said, const Reply& otherwise, const std::string& remote) {
  bool silent = said.reply.code == 0;
  bool sound = is_reply_for(said.outcome, said.reply);
  bool delivered = said.outcome == Outcome::delivered && (silent || said.reply.code / 100 == 2);
  if (delivered && !sound) {
    said.reply = local_reply(250, {2, 0, 0}, "Delivered by " + remote);
  } else if (!sound) {
    bool unanswered = said.outcome == Outcome::not_tried || silent;
    said.reply = unanswered ? otherwise : local_reply(451, {4, 3, 0}, remote + " gave an answer that is no reply");
    said.outcome = Outcome::temporary;
  }
  said.next_hop.clear();
  said.pool.clear();
  said.remote = remote;
  return said;
}

}  // namespace

Task<Delivery::Next> Delivery::visit_plugin(Target target) {
  if (!context_.deliver_port || !context_.deliver_port->offers(target.plugin)) {
    note_host_failure(target.text(), local_reply(451, {4, 3, 5}, "No plugin " + target.plugin + " delivers here"), Fault::connection);
    co_return Next::another_host;
  }
  bool free = co_await admitted(target, Source());
  if (!free) {
    limited_ = true;
    co_return Next::another_host;
  }
  plugin_ = std::move(target);
  Next next = co_await work_with_plugin();
  plugin_.reset();
  co_return next;
}

Task<Delivery::Next> Delivery::work_with_plugin() {
  for (;;) {
    bool more = co_await take_attempt();
    if (!more) break;
    untried_ = Reply();
    co_await perform();
    if (!pending_.empty()) {
      note_host_failure(plugin_->text(), untried_, Fault::conversation);
      co_return Next::another_host;
    }
    context_.hosts.worked(plugin_->text());
    close_attempt();
  }
  end(context_.draining ? LeaseEnd::shutdown : LeaseEnd::idle, Reply());
  co_return Next::done;
}

DeliverRequest Delivery::request_for_batch() const {
  DeliverRequest out;
  out.name = plugin_->plugin;
  out.argument = plugin_->argument;
  out.message = attempt_->message;
  out.recipients.assign(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(batch_));
  out.attempts_before = attempt_->attempts_before;
  out.deadline = Deadline::in(context_.loop, lease_.settings->outbound.dot_timeout);
  return out;
}

// Recipients stay pending only when the plugin tried nothing for a whole batch.
Task<void> Delivery::ask_plugin() {
  uint32_t most = lease_.settings->outbound.recipients_per_transaction;
  while (!pending_.empty()) {
    batch_ = most > 0 ? std::min<size_t>(most, pending_.size()) : pending_.size();
    DeliverRequest request = request_for_batch();
    Deadline deadline = Deadline{request.deadline.when + kGrace};
    ++context_.counters.transactions;
    auto said = co_await within(context_.loop, context_.deliver_port->deliver(context_.loop, std::move(request)), deadline);
    if (said && take_untried(*said)) co_return;
    if (said) {
      settle_batch(std::move(*said), local_reply(451, {4, 3, 0}, plugin_->text() + " gave no answer for this recipient"));
      continue;
    }
    Reply late = local_reply(451, {4, 4, 2}, plugin_->text() + " did not answer in time");
    ++context_.counters.uncertain;
    context_.log.write(events::kAttemptUncertain,
                       {{"id", attempt_->message->envelope.id.text()}, {"remote", plugin_->text()}, {"reply", late.joined()}});
    settle_batch({}, late);
  }
}

bool Delivery::take_untried(const std::vector<RecipientOutcome>& said) {
  for (size_t i = 0; i < batch_; ++i) {
    auto has_not = [&](const RecipientOutcome& one) { return one.recipient == pending_[i] && one.outcome == Outcome::not_tried; };
    if (std::none_of(said.begin(), said.end(), has_not)) return false;
  }
  if (std::any_of(said.begin(), said.end(), [](const RecipientOutcome& one) { return one.outcome != Outcome::not_tried; })) return false;
  const Reply& why = said[0].reply;
  untried_ = is_reply_for(Outcome::temporary, why) ? why : local_reply(451, {4, 3, 0}, plugin_->text() + " tried nothing");
  batch_ = 0;
  return true;
}

// One outcome for each recipient of the batch: the first that the plugin gave, or none at all.
void Delivery::settle_batch(std::vector<RecipientOutcome> said, const Reply& otherwise) {
  for (size_t i = 0; i < batch_; ++i) {
    RecipientOutcome outcome;
    outcome.recipient = pending_[i];
    auto given = std::find_if(said.begin(), said.end(), [&](const RecipientOutcome& one) { return one.recipient == pending_[i]; });
    if (given != said.end()) outcome = std::move(*given);
    outcome.recipient = pending_[i];
    result_.outcomes.push_back(judged(std::move(outcome), otherwise, plugin_->text()));
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(batch_));
  batch_ = 0;
}

}  // namespace veredus
