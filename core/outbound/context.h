// OutboundContext: what outbound has on one loop. Built by the worker, one a loop; outlives its deliveries. Belongs to that loop.
#pragma once

#include <atomic>
#include <random>

#include "hooks/runner.h"
#include "log/log.h"
#include "loop/scope.h"
#include "net/resolver.h"
#include "outbound/credentials.h"
#include "outbound/deliver_port.h"
#include "outbound/host_memory.h"
#include "outbound/own_addresses.h"
#include "outbound/source.h"
#include "outbound/tls_memory.h"
#include "outbound/tls_policy.h"
#include "queue/queue.h"
#include "spool/spool.h"

namespace veredus {

struct OutboundCounters {  // since start; read from any thread
  std::atomic<uint64_t> connections{0}, connections_failed{0}, transactions{0}, stale{0}, uncertain{0};
  std::atomic<uint64_t> tls{0}, tls_resumed{0}, tls_failed{0};
  std::atomic<int64_t> connections_now{0};
};

struct OutboundContext {
  OutboundContext(Loop& l, Resolver& r, Spool& s, Log& g, QueuePort& p, Runner& h, OwnAddresses o)
      : loop(l), resolver(r), spool(s), log(g), port(p), runner(h), own(std::move(o)), credentials(l), random(std::random_device()()), scope(l) {}

  Loop& loop;
  Resolver& resolver;
  Spool& spool;
  Log& log;
  QueuePort& port;
  Runner& runner;
  OwnAddresses own;
  HostMemory hosts;
  SourcePicker sources;
  TlsPolicyPort* tls_policies = nullptr;  // plugins that know published policies; null = there are none
  AnchorCache* anchors = nullptr;         // shared by the loops; null = verifying fails
  TlsMemory tls_memory;
  CredentialStore credentials;
  DeliverPort* deliver_port = nullptr;  // plugins that deliver; null = there are none
  std::minstd_rand random;
  uint64_t turn = random();  // of balanced next hops; loops begin at different places
  std::atomic<uint64_t> nobody_looks{0};
  std::atomic<uint64_t>* in_hand = &nobody_looks;  // the message this loop is busy with, for whoever looks after a crash
  bool draining = false;  // no further attempts; what is in hand is finished
  OutboundCounters counters;
  Scope scope;            // last: its tasks use all of the above
};

}  // namespace veredus
