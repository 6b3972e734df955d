// Where core.kv keeps what plugins remember: the embedded store, or the plugin that `core: kv: store:` names, asked by svc.store/1. [loop]
#pragma once

#include "plugin/loop_services.h"
#include "store/kv.h"

namespace veredus {

// A Kv behind the plugin of a name, as it is in force when it is asked.
class PluginKv final : public Kv {
 public:
  explicit PluginKv(std::string name) : name_(std::move(name)) {}
  Task<Result<std::vector<KvAnswer>>> run(Loop& loop, std::string space, std::vector<KvOp> ops, Deadline deadline) override;

 private:
  std::string name_;
};

bool offers_kv(const LoopServices& services);
// The store that is to be asked now. What is awaited of it may outlive the answer's owner: it is copied where it has to be.
Task<Result<std::vector<KvAnswer>>> run_kv(LoopServices& services, std::string space, std::vector<KvOp> ops, Deadline deadline);

}  // namespace veredus
