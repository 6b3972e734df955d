// PluginObject: a shared object opened in this process, and its description. Never closed: code is not unloaded, so a file that changed
// needs a new process. The table of what is open belongs to the process and is guarded by a mutex; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "plugin/manifest.h"

struct vrd_plugin;

namespace veredus {

// Which file it is, and in which state: another build of it differs.
struct FileIdentity {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified_ns = 0;
  auto operator<=>(const FileIdentity&) const = default;
};
Result<FileIdentity> file_identity(const std::string& path);

class PluginObject {
 public:
  // Runs the object's constructors in this process: probe it first (probe.h). The text of an error names the file.
  static Result<std::shared_ptr<const PluginObject>> open(const std::string& path);

  const std::string& path() const { return path_; }  // canonical
  const FileIdentity& identity() const { return identity_; }
  const vrd_plugin& plugin() const { return *plugin_; }
  const Manifest& manifest() const { return manifest_; }

 private:
  PluginObject() = default;
  static Result<std::shared_ptr<const PluginObject>> load(const std::string& path, const FileIdentity& identity);

  std::string path_;
  FileIdentity identity_;
  const vrd_plugin* plugin_ = nullptr;
  Manifest manifest_;
};

// The name of a plugin in its file's name: "greylist" of "/usr/lib/veredus/plugins/greylist.so".
std::string plugin_name_of(const std::string& path);

}  // namespace veredus
