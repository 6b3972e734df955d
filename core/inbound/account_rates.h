// AccountRates: how much each account sends an hour. One for all loops; lives on one of them and is asked from the others. Bounded: whole
// hours that are over go first.
#pragma once

#include <string>
#include <unordered_map>

#include "loop/loop.h"
#include "loop/task.h"

namespace veredus {

class AccountRates {
 public:
  enum class What : char { messages = 'm', recipients = 'r' };
  explicit AccountRates(Loop& loop, size_t most = 262'144) : loop_(loop), most_(most) {}
  AccountRates(const AccountRates&) = delete;

  bool take(const std::string& account, What what, uint32_t limit);  // [its loop] true = within the limit, and counted
  size_t remembered() const { return counts_.size(); }
  Loop& loop() { return loop_; }

 private:
  struct Count {
    uint32_t events = 0;
    MonoTime since{};
  };
  Loop& loop_;
  size_t most_;
  std::unordered_map<std::string, Count> counts_;
};

Task<bool> take_of_account(Loop& here, AccountRates& rates, std::string account, AccountRates::What what, uint32_t limit);  // [any loop]

}  // namespace veredus
