// Counting failures and guesses in flight, and forgetting them.
#include "inbound/auth_guard.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "inbound/limits.h"
#include "loop/remote.h"

namespace veredus {

namespace {

constexpr Millis kAskGuard{5'000};
constexpr uint32_t kMostDoublings = 5;

std::string client_name(const IpAddress& client) { return "c" + client_key(client).text(); }
std::string account_name(const std::string& account) { return "a" + lowered(account); }

// What a guess counts for; the account may not be known.
std::vector<std::string> names_of(const IpAddress& client, const std::string& account) {
  std::vector<std::string> out{client_name(client)};
  if (!account.empty()) out.push_back(account_name(account));
  return out;
}

template <typename T, typename Ask>
Task<T> ask_guard(Loop& here, AuthGuard& guard, T otherwise, Ask ask) {
  Remote<T> remote(here);
  auto question = [ask = std::move(ask), promise = remote.promise()]() mutable { promise.fulfil(ask()); };
  guard.loop().post_call(std::move(question));
  co_await remote.answered(Deadline::in(here, kAskGuard));
  Result<T> answer = remote.take();
  if (!answer) co_return otherwise;
  co_return *answer;
}

}  // namespace

AuthGuard::Failures* AuthGuard::find(const std::string& key) {
  auto place = failures_.find(key);
  if (place == failures_.end()) return nullptr;
  if (loop_.now() - place->second.since < settings_->auth.failure_period) return &place->second;
  failures_.erase(place);
  return nullptr;
}

bool AuthGuard::allows(const IpAddress& client, const std::string& account) {
  uint32_t most = settings_->auth.failures;
  if (most == 0) return true;
  Failures* of_client = find(client_name(client));
  if (of_client && of_client->count >= most) return false;
  Failures* of_account = account.empty() ? nullptr : find(account_name(account));
  return !of_account || of_account->count < most;
}

uint32_t AuthGuard::count(const std::string& key) {
  Failures* known = find(key);
  return known ? known->count : 0;
}

// Failures and guesses in flight together are as many as are allowed.
bool AuthGuard::full(const std::string& key) {
  auto open = open_.find(key);
  uint32_t most = settings_->auth.failures;
  return most > 0 && open != open_.end() && count(key) + open->second >= most;
}

void AuthGuard::begin(const IpAddress& client, const std::string& account, Promise promise) {
  if (!allows(client, account)) return promise.fulfil(Guess{Guess::Answer::blocked, {}});
  std::vector<std::string> keys = names_of(client, account);
  for (const std::string& key : keys)
    if (full(key)) return wait(key, {client, account, std::move(promise)});
  for (const std::string& key : keys) ++open_[key];
  promise.fulfil(Guess{Guess::Answer::granted, GuessTurn(self_, client, account)});
}

void AuthGuard::wait(const std::string& key, Waiting waiting) {
  auto& queue = waiting_[key];
  if (queue.size() >= kMostWaiting) return waiting.promise.fulfil(Guess{});
  queue.push_back(std::move(waiting));
}

void AuthGuard::end(const IpAddress& client, const std::string& account) {
  std::vector<std::string> keys = names_of(client, account);
  for (const std::string& key : keys) close(key);
  for (const std::string& key : keys) admit(key);
}

void AuthGuard::close(const std::string& key) {
  auto open = open_.find(key);
  if (open != open_.end() && --open->second == 0) open_.erase(open);
}

// Those who waited for this key, as long as there is room; all of them when it is blocked now.
void AuthGuard::admit(const std::string& key) {
  for (auto queue = waiting_.find(key); queue != waiting_.end() && !full(key); queue = waiting_.find(key)) {
    Waiting first = std::move(queue->second.front());
    queue->second.pop_front();
    if (queue->second.empty()) waiting_.erase(queue);
    begin(first.client, first.account, std::move(first.promise));
  }
}

uint32_t AuthGuard::add(const std::string& key) {
  if (Failures* known = find(key)) return ++known->count;
  if (failures_.size() >= most_) make_room();
  failures_[key] = Failures{1, loop_.now()};
  return 1;
}

Millis AuthGuard::failed(const IpAddress& client, const std::string& account) {
  uint32_t count = add(client_name(client));
  if (!account.empty()) count = std::max(count, add(account_name(account)));
  return settings_->auth.delay * (1u << std::min(count - 1, kMostDoublings));
}

// Old entries go, then those with the fewest failures: a flood of names that failed once does not wash away the one that is being guessed.
void AuthGuard::make_room() {
  std::erase_if(failures_, [&](const auto& entry) { return loop_.now() - entry.second.since >= settings_->auth.failure_period; });
  if (failures_.size() < most_ / 4 * 3) return;
  std::vector<uint32_t> counts;
  for (const auto& [key, failures] : failures_) counts.push_back(failures.count);
  auto middle = counts.begin() + static_cast<ptrdiff_t>(counts.size() / 2);
  std::nth_element(counts.begin(), middle, counts.end());
  size_t excess = failures_.size() - most_ / 2;
  std::erase_if(failures_, [&, bound = *middle](const auto& entry) { return entry.second.count <= bound && excess > 0 && excess-- > 0; });
}

GuessTurn& GuessTurn::operator=(GuessTurn&& other) noexcept {
  std::swap(guard_, other.guard_);
  std::swap(client_, other.client_);
  std::swap(account_, other.account_);
  return *this;
}

GuessTurn::~GuessTurn() {
  std::shared_ptr<AuthGuard> guard = guard_.lock();
  if (!guard) return;
  auto end = [guard_ = std::move(guard_), client = client_, account = std::move(account_)] {
    if (std::shared_ptr<AuthGuard> there = guard_.lock()) there->end(client, account);
  };
  guard->loop().post_call(std::move(end));
}

Task<bool> guard_allows(Loop& here, AuthGuard& guard, IpAddress client) {
  auto ask = [&guard, client] { return guard.allows(client, {}); };
  co_return co_await ask_guard<bool>(here, guard, false, std::move(ask));
}

Task<Guess> guard_begins(Loop& here, AuthGuard& guard, IpAddress client, std::string account) {
  Remote<Guess> remote(here);
  auto question = [&guard, client, account = std::move(account), promise = remote.promise()]() mutable {
    guard.begin(client, account, std::move(promise));
  };
  guard.loop().post_call(std::move(question));
  co_await remote.answered(Deadline::in(here, kAskGuard));
  Result<Guess> answer = remote.take();
  if (!answer) co_return Guess{};
  co_return std::move(*answer);
}

Task<Millis> guard_failed(Loop& here, AuthGuard& guard, IpAddress client, std::string account) {
  auto ask = [&guard, client, account = std::move(account)] { return guard.failed(client, account); };
  co_return co_await ask_guard<Millis>(here, guard, Millis(1'000), std::move(ask));
}

}  // namespace veredus
