// Sources of a pool, each in its turn.
#include "outbound/source.h"

namespace veredus {

namespace {

std::optional<Source> usable(const Settings& settings, const SourceSettings& source, uint8_t family) {
  Source out;
  out.name = source.name;
  out.helo = source.helo.empty() ? settings.hostname : source.helo;
  bool bound = source.address4 || source.address6;
  if (family == 4) out.bind = source.address4;
  if (family == 6) out.bind = source.address6;
  if (family != 0 && bound && !out.bind) return std::nullopt;
  return out;
}

}  // namespace

std::optional<Source> SourcePicker::pick(const Settings& settings, const std::string& pool, uint8_t family) {
  auto place = settings.pools.find(pool.empty() ? "default" : pool);
  if (place == settings.pools.end()) {
    Source host;
    host.helo = settings.hostname;
    return pool.empty() ? std::optional(host) : std::nullopt;
  }
  const std::vector<std::string>& names = place->second.sources;
  uint64_t first = turn_++;
  for (size_t i = 0; i < names.size(); ++i) {
    auto source = settings.sources.find(names[(first + i) % names.size()]);
    if (source == settings.sources.end()) continue;
    if (auto out = usable(settings, source->second, family)) return out;
  }
  return std::nullopt;
}

}  // namespace veredus
