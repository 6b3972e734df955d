// Queue, the public header: what inbound, bounce, outbound and control may know of it. The queue belongs to
// one loop; everything is [queue loop] unless marked [any]. It decides what is attempted when, over which
// destination, under which limits; it opens no connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/settings.h"
#include "loop/task.h"
#include "loop/wait.h"
#include "mail/envelope.h"
#include "smtp/reply.h"
#include "spool/spool.h"

namespace veredus {

// What can share a connection. Immutable; shared between loops.
struct Destination {
  std::string
      name;  // unique: "mx:example.test", "smtp://127.0.0.1:2526", with "/POOL" appended when a pool is set
  NextHops to;         // Kind::mx entries carry their domain; no routers
  std::string domain;  // recipient domain for an mx destination, else empty
  std::string pool;    // source pool
  IpPreference ip = IpPreference::system;
  bool lmtp = false;  // an LMTP server or a plugin: mail ends there
  std::optional<TlsPolicySettings> tls;  // how connections are secured; none = as tls.outbound says
  bool published = true;                 // the domain's own policy (DANE, MTA-STS) counts where the level leaves room for it
  std::string credentials;               // how this host authenticates; empty: not at all
};

// rerouted: a hook chose `next_hop` or `pool` instead; it is stored, and the recipient is routed again.
enum class Outcome : uint8_t { delivered, temporary, permanent, not_tried, discarded, held, rerouted };

// Where one recipient goes, or why it cannot go anywhere (a failure is final if permanent, else retried).
struct Routed {
  std::shared_ptr<const Destination> destination;
  Reply failure;                         // code 0 = none
  Outcome verdict = Outcome::not_tried;  // held, discarded: `rule` decided so
  std::string rule;
};

// Implemented by outbound: routes by hooks, by the recipient's own next hop, by the routes table.
class Router {
 public:
  virtual ~Router() = default;
  virtual Task<Routed> route(std::shared_ptr<const Envelope> envelope, uint32_t recipient) = 0;
};

// One recipient group of one message, to be tried now over a connection to its destination.
struct Attempt {
  uint64_t item = 0;
  std::shared_ptr<const Message> message;
  std::vector<uint32_t> recipients;  // indices in the envelope
  uint16_t attempts_before = 0;
};

struct RecipientOutcome {
  uint32_t recipient = 0;
  Outcome outcome = Outcome::not_tried;  // not_tried: goes back unchanged, counts as no attempt
  Reply reply;                           // remote or local
  std::string remote;                    // "mx1.example.test [192.0.2.1]:25"
  std::string tls;                       // "TLS1.3 TLS_AES_256_GCM_SHA384"; empty: in clear, or nothing was sent
  bool dsn_relayed = false;              // the next hop took over success notification (it offers DSN)
  std::string next_hop, pool;            // rerouted: at least one
};

struct AttemptResult {
  uint64_t item = 0;
  std::vector<RecipientOutcome> outcomes;
};

using LeaseId = uint64_t;

// The right to hold one connection to a destination, given by the queue to outbound.
struct Lease {
  LeaseId id = 0;
  std::shared_ptr<const Destination> destination;
  SettingsPtr settings;  // of the generation the lease was given under
};

// Keys under which limits are counted once the connection's end is known.
struct LeaseTags {
  std::string source;   // name of the source used
  std::string mx_host;  // name the address came from
  IpAddress mx_address;
};

enum class LeaseEnd : uint8_t { idle, error, drained, shutdown };

// How outbound's connections, on any loop, talk to the queue.
class QueuePort {
 public:
  virtual ~QueuePort() = default;
  // [any] May a connection with these tags be made now under the limits? false: try another address or give
  // the lease back.
  virtual Task<bool> admit(Loop& here, LeaseId lease, LeaseTags tags) = 0;
  // [any] Reports the previous attempt, if any, and asks for the next one; waits until `idle` for work.
  // nullopt: close the connection.
  virtual Task<std::optional<Attempt>> next(Loop& here, LeaseId lease, std::optional<AttemptResult> previous,
                                            Deadline idle) = 0;
  // [any] The connection is gone. `failure` (code != 0) is why no connection could be made or kept: the
  // destination backs off and its waiting items are rescheduled with that reply; permanent = they fail.
  virtual void end(LeaseId lease, LeaseEnd how, Reply failure, std::optional<AttemptResult> last) = 0;
};

// Implemented by outbound: makes one connection for the lease on a loop of its choice. Must not block; every
// lease ends with QueuePort::end.
class Courier {
 public:
  virtual ~Courier() = default;
  virtual void open(Lease lease) = 0;
};

// Implemented by bounce: told of recipients that need a report. The queue marks the recipients final only
// after the answer is ok, because the report must be durable first.
enum class ReportKind : uint8_t { failure, delay, success, relayed, expired };
struct ReportedRecipient {
  uint32_t recipient = 0;
  Reply reply;
  std::string remote;
  WallTime will_retry_until{};
};
class Reporter {
 public:
  virtual ~Reporter() = default;
  // Decides by NOTIFY, null sender, hooks whether anything is sent, stores it durably and queues it.
  virtual Task<Status> report(std::shared_ptr<const Message> message, ReportKind kind,
                              std::vector<ReportedRecipient> recipients) = 0;
};

// A recipient that reached its final state. The queue is in the middle of its work: the callback takes note and calls nothing of it.
struct FinishedRecipient {
  const Envelope& envelope;  // always there
  uint32_t recipient = 0;
  RecipientState state = RecipientState::delivered;
  std::string_view destination;
  const Reply& reply;
  std::string_view remote{};  // who gave the reply; empty: this host
};
using OnFinished = std::function<void(const FinishedRecipient&)>;

// For queue commands: every field given must match.
struct QueueFilter {
  std::vector<MessageId> ids;
  std::string sender, recipient, domain,
      destination;  // domain and destination: pattern; addresses: exact, "*@domain" or "local@*"
  std::optional<RecipientState> state;
  Millis older_than{0};
  Millis younger_than{0};
  std::string tenant;
  MessageId after{};  // only messages with a higher id: for listing in pages
};

enum class QueueAction : uint8_t { retry, hold, release, bounce, remove };

struct QueueCounters {    // all since start, except the last three
  uint64_t accepted = 0;  // recipients, including those recovered at start
  uint64_t delivered = 0, bounced = 0, expired = 0, discarded = 0, removed = 0;
  uint64_t queued = 0;  // recipients now: waiting, in hand or held
  uint64_t held = 0;
  uint64_t messages = 0;
};

struct DestinationInfo {
  std::string name;
  uint64_t waiting = 0, in_hand = 0, connections = 0;
  bool suspended = false;
  std::string suspended_by;
  WallTime next_attempt{};  // back-off
  std::string last_reply;
};

class Queue {
 public:
  virtual ~Queue() = default;
  virtual void add(std::shared_ptr<const Message> message) = 0;  // [any] after Spool::store answered ok
  virtual Task<Status> recover() = 0;  // takes over everything unfinished from the spool
  virtual void start() = 0;            // begins to hand out leases
  virtual void reconfigure(SettingsPtr settings) = 0;
  virtual Task<void> drain(Deadline deadline) = 0;  // no new attempts; waits for those in hand

  virtual Task<std::vector<StoredMessage>> list(QueueFilter filter, size_t at_most) = 0;
  virtual Task<Result<uint64_t>> act(QueueFilter filter, QueueAction action,
                                     std::string by) = 0;  // messages touched
  virtual std::vector<DestinationInfo> destinations() const = 0;
  // `destination` is a pattern on names or recipient domains; suspension survives a restart only if a setting
  // says so.
  virtual uint64_t suspend(const std::string& destination, std::string by) = 0;
  virtual uint64_t resume(const std::string& destination) = 0;
  virtual QueueCounters counters() const = 0;  // [any] values of the last turn
  virtual QueuePort& port() = 0;
};

}  // namespace veredus
