// One resolver after the other.
#include "main/worker_resolver.h"

#include "net/resolv_conf.h"

namespace veredus {

namespace {

ResolverOptions resolver_options(const Settings& settings) {
  ResolverOptions options(settings.resolvers.empty() ? system_resolvers() : settings.resolvers);
  options.hosts = settings.hosts;
  options.trusted = settings.tls.trusted_resolvers;
  return options;
}

StubResolver::Counts sum(const StubResolver::Counts& a, const StubResolver::Counts& b) {
  StubResolver::Counts out;
  out.asked = a.asked + b.asked;
  out.from_cache = a.from_cache + b.from_cache;
  out.joined = a.joined + b.joined;
  out.on_the_wire = a.on_the_wire + b.on_the_wire;
  out.by_tcp = a.by_tcp + b.by_tcp;
  out.failed = a.failed + b.failed;
  return out;
}

}  // namespace

WorkerResolver::WorkerResolver(Loop& loop, Log& log, const Settings& settings) : loop_(loop), log_(log) { reconfigure(settings); }

void WorkerResolver::reconfigure(const Settings& settings) {
  before_ = counts();
  ResolverOptions options = resolver_options(settings);
  options.log = &log_;
  builtin_.current = std::make_shared<StubResolver>(loop_, std::move(options));
  if (settings.resolver.empty()) plugin_.reset();
  else plugin_ = std::make_shared<PluginResolver>(loop_, settings.resolver, HostsTable(settings.hosts));
}

Task<std::shared_ptr<const DnsAnswer>> WorkerResolver::Builtin::query(std::string name, DnsType type, Deadline deadline) {
  std::shared_ptr<StubResolver> resolver = current;
  co_return co_await resolver->query(std::move(name), type, deadline);
}

Task<std::shared_ptr<const DnsAnswer>> WorkerResolver::query(std::string name, DnsType type, Deadline deadline) {
  std::shared_ptr<PluginResolver> plugin = plugin_;
  if (!plugin) co_return co_await builtin_.query(std::move(name), type, deadline);
  co_return co_await plugin->query(std::move(name), type, deadline);
}

StubResolver::Counts WorkerResolver::counts() const { return builtin_.current ? sum(before_, builtin_.current->counts()) : before_; }

}  // namespace veredus
