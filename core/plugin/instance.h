// Instance: one plugin of one configuration, from create() to destroy(). Shard: its part on one loop. A generation owns its instances; what
// may outlive them holds a PluginRecord. An instance never changes once it runs, but for its phase and what services keep of it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <veredus/plugin.h>

#include "plugin/loop_services.h"
#include "plugin/object.h"
#include "plugin/ops.h"
#include "plugin/plugin_record.h"
#include "plugin/prepare.h"

// Where a plugin leaves the text of an error, through core.conf fail().
struct vrd_err {
  std::string text;
};

namespace veredus {

class Generation;
class Instance;

// What services keep of an instance or of a shard beside its operations: each makes its own when it is first needed.
class InstanceState {
 public:
  virtual ~InstanceState() = default;
  // [main] All instances of the configuration are created: is what this one opened there? (tables by name)
  virtual Status check(const Generation&) { return {}; }
};

class ShardState {
 public:
  virtual ~ShardState() = default;  // [loop] after the operations have ended, before shard_stop()
};

enum class InstancePhase : uint8_t { creating, starting, running, quiescing, ended };

struct Shard {
  Shard(Instance& i, LoopServices& l) : instance(i), services(l), ops(l.loop) {}
  Instance& instance;
  LoopServices& services;
  void* object = nullptr;  // what the plugin's functions of this loop get
  void* made = nullptr;    // by shard_start, and for shard_stop, when it was
  bool started = false;
  std::unique_ptr<ShardState> state;
  OpTable ops;  // requests to host services
};

class Instance {
 public:
  struct Handle : vrd_host {
    Instance* instance;
  };
  struct Made {  // what an instance is made of
    std::shared_ptr<const PluginObject> object;
    PreparedPlugin prepared;
    SettingsPtr core;
    unsigned loops = 1;
  };

  Instance(Generation& generation, Made made);
  Instance(const Instance&) = delete;
  ~Instance();
  static Instance& of(const vrd_host* host) { return *static_cast<const Handle*>(host)->instance; }

  const std::string& name() const { return made_.prepared.fragment.name; }
  const std::string& label() const { return record_->label(); }
  const PreparedPlugin& prepared() const { return made_.prepared; }
  const Manifest& manifest() const { return made_.object->manifest(); }
  const vrd_plugin& plugin() const { return made_.object->plugin(); }
  const vrd_conf* conf() const { return made_.prepared.settings.get(); }
  const Settings& core_settings() const { return *made_.core; }
  unsigned loops() const { return made_.loops; }
  const vrd_host* host() const { return &handle_; }
  void* self() const { return self_; }
  bool serial() const { return plugin().threading == VRD_SERIAL; }
  Generation& generation() const { return generation_; }
  const std::shared_ptr<PluginRecord>& record() const { return record_; }
  InstancePhase phase() const { return phase_.load(std::memory_order_acquire); }

  // The part of the calling thread's loop; null elsewhere, and before shard_start() and after shard_stop() there.
  Shard* here() const;
  // Where calls go that are made from this loop: to itself, or to the one loop of a serial plugin.
  Loop& serving(Loop& from) const;
  bool serves(Loop& loop) const { return &serving(loop) == &loop; }
  // What provide() answers for "svc.table/1"; null when the manifest does not list it. Asked once, after create().
  const void* service(std::string_view id) const;

  // The calling thread may use functions marked [loop] or [main] now? If not, the plugin is named in the log and
  // VRD_E_THREAD is the answer.
  LoopServices* check_loop(std::string_view function) const;
  bool check_main(std::string_view function) const;

  std::unique_ptr<InstanceState> state;  // [main] before it runs, then unchanged but for what is atomic

  // The generation's.
  Status create(void* previous);                // [main]
  Status start_here(LoopServices& services);    // [loop]
  Task<void> stop_here(LoopServices& services);  // [loop]
  void quiesce();                               // [main]
  void destroy();                               // [main]
  void set_phase(InstancePhase phase) { phase_.store(phase, std::memory_order_release); }

 private:
  Status failed(std::string_view function, vrd_status status, const std::string& text) const;
  void ask_services();

  Generation& generation_;
  Made made_;
  std::shared_ptr<PluginRecord> record_;
  Handle handle_;
  void* self_ = nullptr;
  std::atomic<InstancePhase> phase_{InstancePhase::creating};
  std::vector<std::unique_ptr<Shard>> shards_;  // by loop; each touched by its loop only
  std::vector<std::pair<std::string, const void*>> provided_;
};

}  // namespace veredus
