// Builds and runs the world of a check. The configuration says who is asked and trusted, if there is one that can be read.
#include "main/check_world.h"

#include <signal.h>
#include <sysexits.h>

#include <cstdio>

#include "config/load.h"
#include "main/check_resolver.h"
#include "net/resolv_conf.h"
#include "plugin/prepare.h"

namespace veredus {

namespace {

constexpr const char* kSystemAnchors = "/etc/ssl/certs/ca-certificates.crt";

SettingsPtr settings_of(const std::string& conf) {
  auto config = load_config(conf, options_with_plugins(Catalogue::standard()));
  return config ? config.value().settings : nullptr;
}

ResolverOptions resolver_options(const CheckOptions& options, const Settings* settings) {
  ResolverOptions out(settings && !settings->resolvers.empty() ? settings->resolvers : system_resolvers());
  if (settings) out.hosts = settings->hosts;
  if (settings) out.trusted = settings->tls.trusted_resolvers;
  if (options.dns) {
    out.servers = {*options.dns};
    out.hosts.clear();
    out.trusted = {Network{options.dns->ip, static_cast<uint8_t>(options.dns->ip.family == 4 ? 32 : 128)}};
  }
  out.bogus_check = BogusCheck::always;
  return out;
}

std::string note_about(const ResolverOptions& options, const Settings* settings, bool wanted_dns) {
  std::string out = options.servers.empty() ? "none" : options.servers[0].text();
  if (!options.servers.empty() && !contains(options.trusted, options.servers[0].ip))
    out += "; its word that an answer is authentic is not believed, because tls.trusted_resolvers does not name it";
  if (settings && !settings->resolver.empty() && !wanted_dns) out += "; the daemon would ask the plugin " + settings->resolver + ", and does not run";
  return out;
}

Task<void> tell(CheckWorld* world, CheckStory story) {
  co_await story(*world);
  world->loop.stop();
}

Task<void> stop_late(CheckWorld* world, bool* late) {
  co_await sleep_until(world->loop, Deadline{world->deadline.when + Millis(500)});
  *late = true;
  world->loop.stop();
}

}  // namespace

CheckWorld::CheckWorld(const CheckCall& call, CheckOptions wanted) : options(std::move(wanted)) {
  SettingsPtr settings = settings_of(call.conf);
  ca = !options.ca.empty() ? options.ca : settings ? settings->tls.ca : kSystemAnchors;
  helo = settings ? settings->hostname : read_system_names().hostname;
  auto loaded = TrustAnchors::load(ca);
  if (loaded) anchors = *loaded;
  else anchors_problem = loaded.error().text;
  ResolverOptions asked = resolver_options(options, settings.get());
  bool by_daemon = settings && !settings->resolver.empty() && !options.dns && DaemonResolver::reachable(settings->control);
  if (by_daemon) {
    resolver_note = "the daemon, whose plugin " + settings->resolver + " resolves";
    resolver = std::make_unique<DaemonResolver>(loop, settings->control);
  } else {
    resolver_note = note_about(asked, settings.get(), options.dns.has_value());
    resolver = std::make_unique<StubResolver>(loop, std::move(asked));
  }
  deadline = Deadline::in(loop, options.timeout);
}

int run_check(const CheckCall& call, const std::string& what, CheckStory story) {
  auto options = read_check_options(call.arguments, what);
  if (!options) {
    std::fprintf(stderr, "veredus: %s\n", options.error().text.c_str());
    return EX_USAGE;
  }
  signal(SIGPIPE, SIG_IGN);
  bool late = false;
  CheckWorld world(call, std::move(*options));
  if (!world.options.ca.empty() && !world.anchors) {
    std::fprintf(stderr, "veredus: %s\n", world.anchors_problem.c_str());
    return EX_NOINPUT;
  }
  {
    Scope scope(world.loop);
    world.loop.post_call([&] {
      scope.spawn(tell(&world, story));
      scope.spawn(stop_late(&world, &late));
    });
    world.loop.run();
    scope.cancel();
    world.resolver.reset();
  }
  for (const CheckReport& report : world.reports) {
    std::string out = call.json ? report.json_text() : report.text();
    std::fwrite(out.data(), 1, out.size(), stdout);
  }
  if (late) std::fprintf(stderr, "veredus: the time is over before the check was; try a longer --timeout\n");
  return std::fflush(stdout) == 0 ? (late ? EX_TEMPFAIL : EX_OK) : EX_IOERR;
}

}  // namespace veredus
