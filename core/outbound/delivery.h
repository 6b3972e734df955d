// Delivery: the life of one lease. Finds an address that may be used and answers, then takes attempt after attempt from the queue, runs
// their transactions and reports every recipient, until the queue has no more or the next hop is lost. However it ends, the lease is given
// back with what is known. Belongs to one loop.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "outbound/conversation.h"

namespace veredus {

class Delivery {
 public:
  Delivery(OutboundContext& context, Lease lease);
  ~Delivery();
  Delivery(const Delivery&) = delete;

  Task<void> run();

 private:
  // again: the connection had been idle and died; the same address deserves a new one.
  enum class Next : uint8_t { another_host, again, done };

  Task<Next> visit(Target target);
  Task<bool> admitted(const Target& target, const Source& source);
  Task<Next> converse(Target target, Source source);
  void tell_connected(const Security& security, const std::string& remote);
  Task<Next> work();
  Task<bool> take_attempt();
  Task<void> perform();
  Asked ask(Stage stage, uint32_t recipient, const Reply* reply, std::string_view remote);
  Task<Decision> decide(Asked asked);
  Task<void> ask_attempt_hooks();
  bool rerouted(const Decision& decision, RecipientOutcome& outcome) const;
  Task<void> run_transactions();

  // delivery_plugin.cc
  Task<Next> visit_plugin(Target target);
  Task<Next> work_with_plugin();
  Task<void> ask_plugin();
  DeliverRequest request_for_batch() const;
  void settle_batch(std::vector<RecipientOutcome> said, const Reply& otherwise);
  bool take_untried(const std::vector<RecipientOutcome>& said);

  void collect();
  Task<void> ask_result_hooks();
  Next replace_connection(bool used);
  bool demands_more() const;
  Task<Next> pass_on();
  enum class Fault : uint8_t { connection, conversation, policy };  // policy: of this destination; others may use the host
  void note_host_failure(const std::string& remote, const Reply& why, Fault fault);
  void close_attempt();
  void give_up_attempt();
  void end(LeaseEnd how, Reply failure);
  Deadline idle_deadline() const { return Deadline::in(context_.loop, lease_.settings->outbound.idle); }

  OutboundContext& context_;
  Lease lease_;
  HostWalk walk_;
  std::unique_ptr<Conversation> conversation_;
  std::optional<Target> plugin_;          // in place of a conversation
  Reply untried_;                         // why it tried nothing
  std::optional<Attempt> attempt_;        // in hand
  HookState hooks_;                       // the set of hooks it began with
  std::vector<uint32_t> pending_;         // recipients of it that are not decided
  size_t batch_ = 0;                      // of pending_, at its front, in the running transaction
  AttemptResult result_;                  // of it, so far
  size_t results_shown_ = 0;              // to the hooks
  std::optional<AttemptResult> previous_; // not yet told
  bool limited_ = false, ended_ = false, hooks_asked_ = false, passed_on_ = false;
};

Task<void> deliver(OutboundContext& context, Lease lease);

}  // namespace veredus
