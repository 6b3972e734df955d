// Configurations of any octets: no crash, errors that are one printable line each with a place inside its
// file, and what is accepted can be shown, compared and never relays for everyone. Files are parted by lines
// of "%%%".
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/show.h"

namespace {

using namespace veredus;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<ConfigFile> files_of(std::string_view input) {
  constexpr std::string_view kPart = "%%%\n";
  std::vector<ConfigFile> out;
  while (out.size() < 8) {
    size_t end = input.find(kPart);
    out.push_back(
        {"conf.d/" + std::to_string(10 + out.size()) + "-x.yaml", std::string(input.substr(0, end))});
    if (end == std::string_view::npos) break;
    input.remove_prefix(end + kPart.size());
  }
  return out;
}

void check_errors(const std::vector<ConfigError>& errors) {
  require(!errors.empty());
  for (const ConfigError& error : errors) {
    require(!error.text.empty());
    require(error.file.empty() || error.file.starts_with("conf.d/"));
    require((error.line == 0) == (error.column == 0));
  }
}

void check_safe(const Settings& settings) {
  if (settings.allow_open_relay) return;
  for (const auto& networks : {settings.relay_networks, settings.xclient_networks, settings.proxy_networks})
    for (const Network& network : networks) require(network.prefix >= 7);
}

void check_accepted(const LoadedConfig& config) {
  const Settings& settings = *config.settings;
  check_safe(settings);
  require(!settings.routes.empty() && settings.routes.back().match == "*");
  require(!settings.queue.retry.empty());
  require(!render_show(settings, false).empty());
  std::string json = render_show(settings, true);
  require(nlohmann::json::accept(json.substr(0, json.find('\n'))));
  require(diff_settings(settings, settings).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace veredus;
  LoadOptions options(SystemNames{"host.test", ""});
  options.known_plugins = {"dkim"};
  std::string_view input(reinterpret_cast<const char*>(data), size);
  ConfigResult result = parse_config(files_of(input), options);
  if (result)
    check_accepted(result.value());
  else
    check_errors(result.errors());
  (void)explain(input.substr(0, 100));
  return 0;
}
