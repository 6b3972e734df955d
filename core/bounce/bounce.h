// BounceReporter: who is told what, when. Decides by NOTIFY, null sender and the hook stage `bounce`, composes the report, and sends it on
// its way like any other message: stages, spool, queue. Owns nothing of the original. On the queue's loop only. [loop]
#pragma once

#include <memory>
#include <vector>

#include "base/ids.h"
#include "bounce/injector.h"
#include "config/settings.h"
#include "hooks/runner.h"
#include "log/log.h"
#include "loop/loop.h"
#include "mail/dsn.h"
#include "queue/queue.h"
#include "spool/spool.h"

namespace veredus {

class BounceReporter final : public Reporter {
 public:
  BounceReporter(Loop& loop, Spool& spool, Queue& queue, Runner& runner, Log& log, IdGenerator& ids,
                 SettingsPtr settings);

  // ok: a report is durable and queued, or nobody wants one. Otherwise nothing may become final: ask again later.
  Task<Status> report(std::shared_ptr<const Message> message, ReportKind kind,
                      std::vector<ReportedRecipient> recipients) override;
  void reconfigure(SettingsPtr settings) {
    settings_ = std::move(settings);
    injector_.reconfigure(settings_);
  }

 private:
  std::vector<ReportedRecipient> wanted(const Envelope& original, ReportKind kind,
                                        std::vector<ReportedRecipient> recipients);
  Task<Status> send(Message made, MessageId original, ReportKind kind, size_t told);
  void suppressed(MessageId original, const Address& recipient, ReportKind kind, std::string_view reason);

  Loop& loop_;
  Spool& spool_;
  Runner& runner_;
  Log& log_;
  IdGenerator& ids_;
  SettingsPtr settings_;
  Injector injector_;
};

}  // namespace veredus
