// Counting by account and hour.
#include "inbound/account_rates.h"

#include "base/text.h"
#include "loop/remote.h"

namespace veredus {

namespace {

constexpr Millis kHour{3'600'000};
constexpr Millis kAskRates{5'000};

}  // namespace

bool AccountRates::take(const std::string& account, What what, uint32_t limit) {
  MonoTime now = loop_.now();
  if (counts_.size() >= most_) std::erase_if(counts_, [&](const auto& entry) { return now - entry.second.since >= kHour; });
  if (counts_.size() >= most_) return true;  // more accounts in one hour than are counted: none is punished for it
  Count& count = counts_[static_cast<char>(what) + lowered(account)];
  if (count.events == 0 || now - count.since >= kHour) count = Count{0, now};
  if (count.events >= limit) return false;
  ++count.events;
  return true;
}

Task<bool> take_of_account(Loop& here, AccountRates& rates, std::string account, AccountRates::What what, uint32_t limit) {
  Remote<bool> remote(here);
  auto ask = [&rates, account = std::move(account), what, limit, promise = remote.promise()]() mutable {
    promise.fulfil(rates.take(account, what, limit));
  };
  rates.loop().post_call(std::move(ask));
  co_await remote.answered(Deadline::in(here, kAskRates));
  Result<bool> answer = remote.take();
  co_return !answer || *answer;
}

}  // namespace veredus
