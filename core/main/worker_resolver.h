// WorkerResolver: the resolver of one loop, made from the settings and made anew when they change. Questions that are under way keep the
// one they began with. [loop]
#pragma once

#include <memory>

#include "config/settings.h"
#include "net/stub_resolver.h"

namespace veredus {

class WorkerResolver final : public Resolver {
 public:
  WorkerResolver(Loop& loop, Log& log, const Settings& settings);

  Task<std::shared_ptr<const DnsAnswer>> query(std::string name, DnsType type, Deadline deadline) override;
  void reconfigure(const Settings& settings);
  StubResolver::Counts counts() const;  // since start, over all resolvers

 private:
  Loop& loop_;
  Log& log_;
  std::shared_ptr<StubResolver> current_;
  StubResolver::Counts before_;  // of earlier ones
};

}  // namespace veredus
