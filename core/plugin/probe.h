// Probe: describes a plugin without running its code in this process. The program runs itself again as a confined child, which opens the
// object, writes the manifest to a pipe and ends; one that crashes, hangs or prints hurts nobody. Blocks up to 5 s; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "plugin/manifest.h"
#include "plugin/object.h"

namespace veredus {

constexpr Millis kProbeLimit{5000};

// First thing in main(): carries out the child's part and gives its exit code when this process was started as one.
std::optional<int> run_as_probe_child(int argc, char** argv);

Result<Manifest> probe_plugin(const std::string& path, Millis limit = kProbeLimit);

struct ProbedPlugin {
  std::shared_ptr<const Manifest> manifest;
  FileIdentity identity;
  std::vector<std::string> findings;  // of the symbol lint; they do not prevent loading
};
// The same, remembered by the file's identity, so that a reload probes changed files only. Failures are not remembered.
Result<ProbedPlugin> probe_once(const std::string& path);

// What plugin_symbols.h finds: exports besides veredus_plugin_N, undefined symbols of the host, a run path.
Result<std::vector<std::string>> lint_symbols(const std::string& path);

}  // namespace veredus
