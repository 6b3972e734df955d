// Conversions from settings.
#include "main/resolver_setup.h"

#include "net/resolv_conf.h"
#include "net/stub_resolver.h"

namespace veredus {

std::unique_ptr<Resolver> make_worker_resolver(Loop& loop, const Settings& settings) {
  ResolverOptions options(settings.resolvers.empty() ? system_resolvers() : settings.resolvers);
  options.hosts = settings.hosts;
  return make_resolver(loop, std::move(options));
}

Severity severity_of(std::string_view level) {
  for (Severity severity : {Severity::debug, Severity::info, Severity::notice, Severity::warning, Severity::error})
    if (severity_name(severity) == level) return severity;
  return Severity::info;
}

}  // namespace veredus
