// AuthGuard: failed attempts to authenticate, counted by client and by account, so that guessing is slow and ends. One for all loops; lives
// on one of them and is asked from the others, so it holds no lock. Bounded: whoever has failed least is forgotten first.
#pragma once

#include <string>
#include <unordered_map>

#include "base/address_ip.h"
#include "config/settings.h"
#include "loop/loop.h"
#include "loop/task.h"

namespace veredus {

class AuthGuard {
 public:
  AuthGuard(Loop& loop, SettingsPtr settings, size_t most = 65'536) : loop_(loop), settings_(std::move(settings)), most_(most) {}
  AuthGuard(const AuthGuard&) = delete;

  // [its loop]
  void reconfigure(SettingsPtr settings) { settings_ = std::move(settings); }
  bool allows(const IpAddress& client, const std::string& account);  // an empty account: it is not known yet
  Millis failed(const IpAddress& client, const std::string& account);  // counts, and says how long the answer has to wait
  size_t remembered() const { return failures_.size(); }
  Loop& loop() { return loop_; }

 private:
  struct Failures {
    uint32_t count = 0;
    MonoTime since{};
  };
  Failures* find(const std::string& key);
  uint32_t add(const std::string& key);
  void make_room();

  Loop& loop_;
  SettingsPtr settings_;
  size_t most_;
  std::unordered_map<std::string, Failures> failures_;  // "c" and the client's address, or "a" and the account
};

// [any loop] The same from elsewhere.
Task<bool> guard_allows(Loop& here, AuthGuard& guard, IpAddress client, std::string account);
Task<Millis> guard_failed(Loop& here, AuthGuard& guard, IpAddress client, std::string account);

}  // namespace veredus
