// WorkerResolver: the resolver of one loop, made from the settings and made anew when they change: the stub resolver, or the plugin that
// `core: resolver:` names. Questions that are under way keep the one they began with. [loop]
#pragma once

#include <memory>

#include "config/settings.h"
#include "net/stub_resolver.h"
#include "plugin/providers_resolver.h"

namespace veredus {

class WorkerResolver final : public Resolver {
 public:
  WorkerResolver(Loop& loop, Log& log, const Settings& settings);

  Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) override;
  void reconfigure(const Settings& settings);
  StubResolver::Counts counts() const;  // since start, over all stub resolvers
  Resolver& builtin() { return builtin_; }  // never asks a plugin

 private:
  class Builtin final : public Resolver {
   public:
    Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) override;
    std::shared_ptr<StubResolver> current;
  };

  Loop& loop_;
  Log& log_;
  Builtin builtin_;
  std::shared_ptr<PluginResolver> plugin_;  // null: the built-in one answers
  StubResolver::Counts before_;             // of earlier ones
};

}  // namespace veredus
