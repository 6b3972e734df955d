// Trust anchors, kept as long as their file stays as it is.
#include "outbound/tls_memory.h"

#include <sys/stat.h>

namespace veredus {

namespace {

constexpr Millis kLookAgain{10'000};

std::string stamp(const std::string& file) {
  struct stat about {};
  if (stat(file.c_str(), &about) != 0) return {};
  return std::to_string(about.st_ino) + "/" + std::to_string(about.st_size) + "/" + std::to_string(about.st_mtim.tv_sec) + "." + std::to_string(about.st_mtim.tv_nsec);
}

}  // namespace

Result<std::shared_ptr<const TrustAnchors>> AnchorCache::get(const std::string& file, MonoTime now) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[file];
  if (entry.anchors && now - entry.looked < kLookAgain) return entry.anchors;
  std::string fresh = stamp(file);
  entry.looked = now;
  if (entry.anchors && fresh == entry.stamp) return entry.anchors;
  auto loaded = TrustAnchors::load(file);
  if (!loaded) return loaded.error();
  entry.anchors = *loaded;
  entry.stamp = fresh;
  return *loaded;
}

}  // namespace veredus
