// Injector: the way in for messages made by the daemon itself: stages `headers`, `body`, `message` and `seal`, then the spool, then the queue,
// then `queued`. A refusal by a hook is no failure: the message ends as discarded, with the rule's name in the log. [loop]
#pragma once

#include <span>
#include <vector>

#include "base/ids.h"
#include "config/settings.h"
#include "hooks/runner.h"
#include "log/log.h"
#include "loop/loop.h"
#include "mail/envelope.h"
#include "queue/queue.h"
#include "spool/spool.h"

namespace veredus {

class Injector {
 public:
  Injector(Loop& loop, Spool& spool, Queue& queue, Runner& runner, Log& log, IdGenerator& ids, SettingsPtr settings)
      : loop_(loop), spool_(spool), queue_(queue), runner_(runner), log_(log), ids_(ids), settings_(std::move(settings)) {}
  void reconfigure(SettingsPtr settings) { settings_ = std::move(settings); }

  // The id is set, the content is in memory. Answers the messages that are now durable and queued: none when a hook discarded it, several
  // when one split it. Errc::busy: a hook wants it later. `state` must live until the answer.
  Task<Result<std::vector<MessageId>>> inject(Message message, HookState& state);

 private:
  struct Passage;  // one message on its way through the stages
  Task<Result<std::vector<Message>>> judge(Stage stage, Message message, Passage& passage);
  Task<Result<std::vector<Message>>> prepare(Message message, HookState& state);
  Task<Status> store(std::shared_ptr<const Message> message, HookState& state);

  Loop& loop_;
  Spool& spool_;
  Queue& queue_;
  Runner& runner_;
  Log& log_;
  IdGenerator& ids_;
  SettingsPtr settings_;
};

// What becomes of a message after a stage's decision: the edits applied, a hold noted, new ids for copies split off.
Result<std::vector<Message>> apply_decision(Message message, const Decision& decision, IdGenerator& ids);

// Writes message.discarded and the final state of every recipient.
void log_discarded(Log& log, const Envelope& envelope, std::string_view rule);

}  // namespace veredus
