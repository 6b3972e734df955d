// What is remembered of next hops and TLS: sessions to resume, and hosts whose handshake failed where nothing demands it. TlsMemory belongs to
// one loop; AnchorCache is shared by all: trust anchors by file, read again when the file has changed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "net/tls_verify.h"

namespace veredus {

class TlsMemory {
 public:
  // `key`: everything that two connections which may share a session have in common.
  void keep(const std::string& key, std::string session) {
    if (session.empty()) return;
    if (sessions_.size() >= kMost) sessions_.clear();
    sessions_[key] = std::move(session);
  }
  std::string take(const std::string& key) {
    auto node = sessions_.extract(key);
    return node.empty() ? std::string() : std::move(node.mapped());
  }
  void failed(const std::string& host, MonoTime now) {
    if (clear_until_.size() >= kMost) clear_until_.clear();
    clear_until_[host] = now + kFor;
  }
  bool prefers_clear(const std::string& host, MonoTime now) const {
    auto place = clear_until_.find(host);
    return place != clear_until_.end() && place->second > now;
  }

  static constexpr size_t kMost = 4096;
  static constexpr Millis kFor{600'000};

 private:
  std::unordered_map<std::string, std::string> sessions_;
  std::unordered_map<std::string, MonoTime> clear_until_;
};

class AnchorCache {
 public:
  // [any] Blocks for the file when it is new or has changed; looks at most every few seconds.
  Result<std::shared_ptr<const TrustAnchors>> get(const std::string& file, MonoTime now);

 private:
  struct Entry {
    std::shared_ptr<const TrustAnchors> anchors;
    std::string stamp;
    MonoTime looked{};
  };
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace veredus
