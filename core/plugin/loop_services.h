// LoopServices: what the services of the plugin host may use on one loop. Made by whoever owns the loops (the worker, an offline host,
// tests), one a loop, before plugins are created; lives until the last plugin has ended. here() finds that of the calling thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "hooks/pending.h"
#include "hooks/runner.h"
#include "log/log.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "loop/work_pool.h"
#include "net/resolver.h"
#include "queue/queue.h"
#include "store/kv.h"

namespace veredus {

class Calls;
class HelperPort;
class HttpClient;
class PluginHost;

// What the calls of services keep of a loop, made when it is first needed.
class LoopState {
 public:
  virtual ~LoopState() = default;
};

struct LoopServices {
  LoopServices(Loop& l, Log& g);
  LoopServices(const LoopServices&) = delete;
  ~LoopServices();

  // Of the calling thread; null on threads that run no loop with plugins.
  static LoopServices* here();
  static LoopServices* of(unsigned loop);  // [any] null when no such loop has plugins

  void enter();  // on the loop's own thread, before anything of a plugin runs there
  void leave();  // likewise, when nothing will

  Loop& loop;
  Log& log;
  // What is null is not offered.
  PluginHost* host = nullptr;
  Runner* runner = nullptr;
  WorkPool* pool = nullptr;
  Resolver* resolver = nullptr;          // asks a plugin, if `core: resolver:` names one
  Resolver* builtin_resolver = nullptr;  // never does
  Kv* kv = nullptr;                      // the embedded store
  HttpClient* http = nullptr;
  HelperPort* helpers = nullptr;
  Queue* queue = nullptr;      // belongs to queue_loop, but for what it marks [any]
  Loop* queue_loop = nullptr;  // is also the main thread's
  // A message made by the daemon, from stage `headers` on; answers as Injector::inject does. The id is given here.
  std::function<Task<Result<std::vector<MessageId>>>(Message)> inject;
  std::function<SettingsPtr()> settings;  // in force now, as this loop knows them
  std::unique_ptr<Calls> calls;           // hook calls of this loop
  std::unique_ptr<LoopState> state;
};

}  // namespace veredus
