// HostMemory: addresses that failed a short while ago, so that others are tried first. Bounded; forgetting is harmless. Belongs to one loop.
#pragma once

#include <string>
#include <unordered_map>

#include "base/clock.h"

namespace veredus {

class HostMemory {
 public:
  void failed(const std::string& address, MonoTime now) {
    if (until_.size() >= kMost) std::erase_if(until_, [now](const auto& entry) { return entry.second <= now; });
    if (until_.size() >= kMost) until_.clear();
    until_[address] = now + kFor;
  }
  void worked(const std::string& address) {
    if (!until_.empty()) until_.erase(address);
  }
  bool doubtful(const std::string& address, MonoTime now) const {
    auto place = until_.find(address);
    return place != until_.end() && place->second > now;
  }

  static constexpr size_t kMost = 4096;
  static constexpr Millis kFor{300'000};

 private:
  std::unordered_map<std::string, MonoTime> until_;
};

}  // namespace veredus
