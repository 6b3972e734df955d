// AuthGuard: failed attempts to authenticate, and those under way, counted by client and by account, so that guessing is slow and ends,
// also side by side. One for all loops; lives on one of them and is asked from the others, so it holds no lock. Bounded: whoever has
// failed least is forgotten first.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/address_ip.h"
#include "config/settings.h"
#include "loop/loop.h"
#include "loop/remote.h"
#include "loop/task.h"

namespace veredus {

class AuthGuard;

// A guess in flight. Until it ends it counts like a failure, so that guessing side by side gains nothing. Ends itself. [any loop]
class GuessTurn {
 public:
  GuessTurn() = default;
  GuessTurn(std::weak_ptr<AuthGuard> guard, IpAddress client, std::string account)
      : guard_(std::move(guard)), client_(client), account_(std::move(account)) {}
  GuessTurn(GuessTurn&& other) noexcept { *this = std::move(other); }
  GuessTurn& operator=(GuessTurn&& other) noexcept;
  ~GuessTurn();

 private:
  std::weak_ptr<AuthGuard> guard_;
  IpAddress client_;
  std::string account_;
};

struct Guess {
  enum class Answer : uint8_t { granted, blocked, busy } answer = Answer::busy;  // busy: too many wait, or waited in vain; nobody's failure
  GuessTurn turn;
};

class AuthGuard {
 public:
  using Promise = Remote<Guess>::Promise;
  static constexpr size_t kMostWaiting = 256;  // for one client or account

  AuthGuard(Loop& loop, SettingsPtr settings, size_t most = 65'536) : loop_(loop), settings_(std::move(settings)), most_(most) {}
  AuthGuard(const AuthGuard&) = delete;

  // [its loop]
  void reconfigure(SettingsPtr settings) { settings_ = std::move(settings); }
  bool allows(const IpAddress& client, const std::string& account);  // an empty account: it is not known yet
  // The answer comes at once, or when guesses in flight have ended.
  void begin(const IpAddress& client, const std::string& account, Promise promise);
  void end(const IpAddress& client, const std::string& account);  // of what was granted
  Millis failed(const IpAddress& client, const std::string& account);  // counts, and says how long the answer has to wait
  size_t remembered() const { return failures_.size(); }
  size_t in_flight() const { return open_.size(); }  // clients and accounts
  Loop& loop() { return loop_; }

 private:
  struct Failures {
    uint32_t count = 0;
    MonoTime since{};
  };
  struct Waiting {
    IpAddress client;
    std::string account;
    Promise promise;
  };
  Failures* find(const std::string& key);
  uint32_t count(const std::string& key);
  bool full(const std::string& key);
  uint32_t add(const std::string& key);
  void make_room();
  void close(const std::string& key);
  void admit(const std::string& key);
  void wait(const std::string& key, Waiting waiting);

  Loop& loop_;
  SettingsPtr settings_;
  size_t most_;
  // "c" and the client's address, or "a" and the account
  std::unordered_map<std::string, Failures> failures_;
  std::unordered_map<std::string, uint32_t> open_;
  std::unordered_map<std::string, std::deque<Waiting>> waiting_;  // for the first of the two that is full
  std::shared_ptr<AuthGuard> self_{this, [](AuthGuard*) {}};      // for turns that outlive it
};

// [any loop] The same from elsewhere.
Task<bool> guard_allows(Loop& here, AuthGuard& guard, IpAddress client);
Task<Guess> guard_begins(Loop& here, AuthGuard& guard, IpAddress client, std::string account);
Task<Millis> guard_failed(Loop& here, AuthGuard& guard, IpAddress client, std::string account);

}  // namespace veredus
