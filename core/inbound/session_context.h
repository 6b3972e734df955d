// SessionContext: what all sessions of one loop share. One per loop, made by the worker, outlives its
// sessions. Holds no lock: what is shared between loops (memory, connection table, spool, queue) is safe by
// itself. [loop]
#pragma once

#include <array>
#include <memory>
#include <utility>

#include "base/ids.h"
#include "config/settings.h"
#include "hooks/runner.h"
#include "inbound/account_rates.h"
#include "inbound/auth_guard.h"
#include "inbound/auth_port.h"
#include "inbound/limits.h"
#include "inbound/memory_budget.h"
#include "log/log.h"
#include "loop/loop.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "queue/queue.h"
#include "spool/spool.h"

namespace veredus {

struct InboundCounters {  // since start, per loop, except `sessions`
  uint64_t sessions = 0;  // now
  uint64_t connections = 0, connections_refused = 0;
  uint64_t messages_accepted = 0, recipients_accepted = 0, octets_accepted = 0;
  uint64_t messages_refused = 0, messages_aborted = 0, messages_not_stored = 0;
  // Accepted with 250 and final at once: the queue never sees them. With the queue's own figures:
  // accepted = recipients_accepted + recipients_discarded, finished = queue's finished + recipients_discarded.
  uint64_t messages_discarded = 0, recipients_discarded = 0;
  uint64_t recipients_refused = 0;
  uint64_t timeouts = 0, early_talkers = 0, too_many_errors = 0;
  uint64_t tls_handshakes = 0, tls_resumed = 0, tls_failed = 0, tls_1_3 = 0;
  struct Auth {
    uint64_t accepted = 0, refused = 0, temporary = 0, blocked = 0;
  };
  std::array<Auth, 8> auth;  // by mechanism, in the order of sasl_mechanisms(); the last: before one was begun
  uint64_t spilled = 0;  // messages that went to a file of the spool while they arrived
};

class Session;

class SessionContext {
 public:
  SessionContext(Loop& loop, SettingsPtr settings, Spool& spool, Queue& queue, Runner& runner, Log& log,
                 IdGenerator& ids, MemoryBudget& memory, ConnectionTable* table)
      : loop(loop),
        settings(std::move(settings)),
        spool(spool),
        queue(queue),
        runner(runner),
        log(log),
        ids(ids),
        memory(memory),
        table(table) {}
  SessionContext(const SessionContext&) = delete;

  // New sessions get the new settings; running ones keep theirs.
  void reconfigure(SettingsPtr fresh) { settings = std::move(fresh); }
  // No new transactions: idle sessions are told 421 4.3.2 at once, the others after the message in hand. The
  // caller waits for its scope with a deadline and cancels what is left.
  void stop();
  bool stopping() const { return stopping_; }
  uint64_t next_session() { return uint64_t{loop.index()} << 40 | ++last_session_; }  // unique over all loops

  Loop& loop;
  SettingsPtr settings;
  Spool& spool;
  Queue& queue;
  Runner& runner;
  Log& log;
  IdGenerator& ids;
  MemoryBudget& memory;
  ConnectionTable* table;  // for clients behind a proxy; may be null
  std::shared_ptr<TlsServer> tls;   // null or without a certificate: no TLS
  AuthPort* auth = nullptr;         // plugins that know accounts; may be null
  TablePort* tables = nullptr;      // may be null
  AuthGuard* guard = nullptr;       // may be null: nothing is counted
  AccountRates* accounts = nullptr;  // the same
  Resolver* resolver = nullptr;  // for ptr_lookup; without one clients have no names
  std::string (*queue_line)(const StoredMessage&) = nullptr;  // one message of the queue as JSON; null: XQUEUE tells nothing
  InboundCounters counters;
  RateTable message_rates, recipient_rates;

 private:
  friend class Session;
  void enlist(Session& session);
  void strike(Session& session);

  Session* first_ = nullptr;
  uint64_t last_session_ = 0;
  bool stopping_ = false;
};

}  // namespace veredus
