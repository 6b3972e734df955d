// Opening objects: what can be wrong with a file, in words, and the table of what this process has open.
#include "plugin/object.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <veredus/plugin.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "base/text.h"
#include "plugin/elf_file.h"

namespace veredus {

namespace {

struct OpenObjects {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const PluginObject>> by_path;
};

OpenObjects& open_objects() {
  static auto* table = new OpenObjects;  // outlives every thread that may still run plugin code
  return *table;
}

Result<std::string> canonical(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  if (!real) return fail(errno == ENOENT ? Errc::not_found : Errc::io, path + ": " + std::strerror(errno));
  std::string out(real);
  std::free(real);
  return out;
}

using Describe = const vrd_plugin* (*)();

Result<Describe> load_symbol(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) {
    std::string_view reason = dlerror();
    if (reason.starts_with(path + ": ")) reason.remove_prefix(path.size() + 2);
    return fail(Errc::invalid, path + ": cannot be loaded: " + printable(reason, 600));
  }
  void* symbol = dlsym(handle, "veredus_plugin_1");
  if (!symbol) return fail(Errc::unsupported, path + ": no plugin of this generation: it does not export veredus_plugin_1");
  return reinterpret_cast<Describe>(symbol);
}

std::string joined(const std::string& path, const std::vector<std::string>& problems) {
  std::string out;
  for (const std::string& problem : problems) out += (out.empty() ? "" : "; ") + problem;
  return path + ": " + out;
}

}  // namespace

Result<FileIdentity> file_identity(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return fail(errno == ENOENT ? Errc::not_found : Errc::io, path + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return fail(Errc::invalid, path + ": not a regular file");
  int64_t modified = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  return FileIdentity{info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size), modified};
}

std::string plugin_name_of(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(".so")) name.resize(name.size() - 3);
  return name;
}

Result<std::shared_ptr<const PluginObject>> PluginObject::load(const std::string& path, const FileIdentity& identity) {
  if (Status status = check_elf(path); !status) return status.error();
  auto describe = load_symbol(path);
  if (!describe) return describe.error();
  const vrd_plugin* plugin = (*describe)();
  if (!plugin) return fail(Errc::invalid, path + ": veredus_plugin_1 returned NULL");
  std::vector<std::string> problems;
  Manifest manifest = read_description(*plugin, problems);
  if (problems.empty() && manifest.id != plugin_name_of(path))
    problems.push_back("its id is '" + manifest.id + "': the file must be called " + manifest.id + ".so");
  if (!problems.empty()) return fail(Errc::invalid, joined(path, problems));
  std::shared_ptr<PluginObject> out(new PluginObject);
  out->path_ = path;
  out->identity_ = identity;
  out->plugin_ = plugin;
  out->manifest_ = std::move(manifest);
  return std::shared_ptr<const PluginObject>(std::move(out));
}

Result<std::shared_ptr<const PluginObject>> PluginObject::open(const std::string& given) {
  auto path = canonical(given);
  if (!path) return path.error();
  auto identity = file_identity(*path);
  if (!identity) return identity.error();
  OpenObjects& table = open_objects();
  std::lock_guard lock(table.mutex);
  auto found = table.by_path.find(*path);
  if (found != table.by_path.end()) {
    if (found->second->identity() == *identity) return found->second;
    return fail(Errc::busy, *path + ": the file has changed since this process loaded it; restart veredusd to use the new code");
  }
  auto object = load(*path, *identity);
  if (object) table.by_path[*path] = *object;
  return object;
}

}  // namespace veredus
