// Counting, and whose turn it is when there is room again.
#include "queue/limit_book.h"

#include <algorithm>

#include "base/text.h"

namespace veredus::queue_detail {

namespace {

enum Key : unsigned {
  kSource = 1,
  kPool = 2,
  kProvider = 4,
  kMxAddress = 8,
  kDomain = 16,
  kTenant = 32,
  kAccount = 64,
  kDestination = 128
};

struct KeyName {
  std::string_view name;
  unsigned bit;
};
constexpr KeyName kKeyNames[] = {
    {"source", kSource}, {"pool", kPool},     {"provider", kProvider}, {"mx_address", kMxAddress},
    {"domain", kDomain}, {"tenant", kTenant}, {"account", kAccount},   {"destination", kDestination}};

constexpr Millis kPassLife{5000};

unsigned bit_of(std::string_view name) {
  for (const KeyName& key : kKeyNames)
    if (key.name == name) return key.bit;
  return 0;
}

std::string value_of(unsigned bit, const LimitSubject& subject) {
  switch (bit) {
    case kSource:
      return subject.tags ? subject.tags->source : std::string();
    case kPool:
      return subject.destination->pool;
    case kProvider:
      return std::string(subject.provider);
    case kMxAddress:
      return subject.tags && subject.tags->mx_address ? subject.tags->mx_address.text() : std::string();
    case kDomain:
      return subject.destination->domain.empty() ? std::string(subject.domain) : subject.destination->domain;
    case kTenant:
      return std::string(subject.tenant);
    case kAccount:
      return std::string(subject.account);
    default:
      return subject.destination->name;
  }
}

// The bucket holds what one second is worth, at least one message.
int64_t interval_us(const LimitSettings& limit) {
  return std::max<int64_t>(limit.rate_period.count() * 1000 / limit.rate, 1);
}
int64_t burst_us(const LimitSettings& limit) {
  int64_t interval = interval_us(limit);
  return std::max<int64_t>(1'000'000 / interval - 1, 0) * interval;
}
int64_t in_us(MonoTime when) {
  return when.time_since_epoch().count() * 1000;
}

}  // namespace

bool matches_name(std::string_view pattern, std::string_view name) {
  if (pattern == "*" || iequals(pattern, name)) return true;
  if (pattern.empty()) return false;
  if (pattern.front() == '*')
    pattern.remove_prefix(1);
  else if (pattern.back() == '*')
    return istarts_with(name, pattern.substr(0, pattern.size() - 1));
  else if (pattern.front() != '.')
    return false;
  return name.size() > pattern.size() && iequals(name.substr(name.size() - pattern.size()), pattern);
}

LimitBook::LimitBook(const Settings& settings) : providers_(settings.providers) {
  LimitSettings overall;
  overall.name = "outbound.connections";
  overall.connections = settings.outbound.connections;
  add(overall);
  for (const LimitSettings& limit : settings.outbound_limits) add(limit);
}

void LimitBook::add(const LimitSettings& limit) {
  if (limit.connections == 0 && limit.messages_per_connection == 0 && limit.rate == 0) return;
  Rule rule{limit};
  for (const std::string& key : limit.per) rule.per |= bit_of(key);
  rule.used = rule.per;
  for (const auto& [key, pattern] : limit.match) rule.used |= bit_of(key);
  joint_ = joint_ ||
           ((rule.used & (kSource | kProvider | kMxAddress)) && (rule.used & (kTenant | kAccount | kDomain)));
  rules_.push_back(std::move(rule));
}

LimitLevel LimitBook::level_of(const Rule& rule, const LimitSubject& subject) const {
  unsigned of_item = kTenant | kAccount;
  if (subject.destination->domain.empty()) of_item |= kDomain;
  bool item = rule.used & of_item;
  bool end = rule.used & (kSource | kProvider | kMxAddress);
  if (item) return end ? LimitLevel::joint : LimitLevel::flow;
  return end ? LimitLevel::admit : LimitLevel::grant;
}

bool LimitBook::applies(const Rule& rule, const LimitSubject& subject) const {
  for (const auto& [key, pattern] : rule.limit.match)
    if (!matches_name(pattern, value_of(bit_of(key), subject))) return false;
  return !(rule.per & kProvider) || !subject.provider.empty();
}

std::vector<Index> LimitBook::find(LimitLevel level, const LimitSubject& subject) {
  std::vector<Index> found;
  for (size_t i = 0; i < rules_.size(); ++i)
    if (level_of(rules_[i], subject) == level && applies(rules_[i], subject))
      found.push_back(counter_for(i, subject));
  return found;
}

Index LimitBook::counter_for(size_t rule, const LimitSubject& subject) {
  std::string key = std::to_string(rule);
  for (const KeyName& name : kKeyNames) {
    if (!(rules_[rule].per & name.bit)) continue;
    key += '\n';
    key += lowered(value_of(name.bit, subject));
  }
  auto [place, fresh] = by_key_.try_emplace(std::move(key), kNone);
  if (fresh) {
    place->second = counters_.take();
    counters_[place->second].limit = &rules_[rule].limit;
    counters_[place->second].key = place->first;
  }
  ++counters_[place->second].users;
  return place->second;
}

void LimitBook::use(const std::vector<Index>& counters) {
  for (Index counter : counters) ++counters_[counter].users;
}

// A rate's counter is kept until its bucket is full again, else dropping and finding it would be a way round
// the rate.
void LimitBook::drop(const std::vector<Index>& counters) {
  for (Index index : counters) {
    Counter& counter = counters_[index];
    if (--counter.users > 0 || !counter.turns.empty() || counter.connections > 0) continue;
    if (counter.limit->rate > 0) {
      wakes_.set(index, MonoTime(Millis(counter.next_token / 1000 + 1)));
      continue;
    }
    wakes_.erase(index);
    by_key_.erase(counter.key);
    if (counter.freed) std::erase(freed_, index);
    counters_.give_back(index);
  }
}

std::string LimitBook::provider_of(const LeaseTags& tags) const {
  for (const ProviderSettings& provider : providers_) {
    for (const std::string& pattern : provider.mx)
      if (matches_name(pattern, tags.mx_host)) return provider.name;
    if (tags.mx_address && contains(provider.networks, tags.mx_address)) return provider.name;
  }
  return {};
}

bool LimitBook::connection_free(Index index) const {
  const Counter& counter = counters_[index];
  return counter.limit->connections == 0 || counter.connections < counter.limit->connections;
}

bool LimitBook::token_free(Index index, MonoTime now) const {
  const Counter& counter = counters_[index];
  return counter.limit->rate == 0 || counter.next_token - burst_us(*counter.limit) <= in_us(now);
}

void LimitBook::take_token(Index index, MonoTime now) {
  Counter& counter = counters_[index];
  if (counter.limit->rate == 0) return;
  counter.next_token = std::max(counter.next_token, in_us(now)) + interval_us(*counter.limit);
}

void LimitBook::give_connection(Index index) {
  Counter& counter = counters_[index];
  if (counter.connections > 0) --counter.connections;
  if (!counter.turns.empty()) mark_freed(index);
}

void LimitBook::mark_freed(Index index) {
  if (std::exchange(counters_[index].freed, true)) return;
  freed_.push_back(index);
}

Index LimitBook::take_freed() {
  if (freed_.empty()) return kNone;
  Index index = freed_.back();
  freed_.pop_back();
  counters_[index].freed = false;
  return index;
}

void LimitBook::wait(Index index, std::string_view tenant, LimitWaiter waiter, bool in_front, MonoTime now) {
  Counter& counter = counters_[index];
  auto place = counter.waiters.find(tenant);
  if (place == counter.waiters.end()) {
    place = counter.waiters.emplace(std::string(tenant), std::deque<LimitWaiter>()).first;
    if (in_front)
      counter.turns.emplace_front(tenant);
    else
      counter.turns.emplace_back(tenant);
  }
  if (in_front)
    place->second.push_front(waiter);
  else
    place->second.push_back(waiter);
  if (room(counter, now))
    mark_freed(index);
  else
    schedule(index, now);
}

// Connections that waiters were called for count as taken, so that one free place calls one waiter, not all.
bool LimitBook::room(const Counter& counter, MonoTime now) const {
  uint32_t passes = now >= counter.passes_until ? 0 : counter.passes;
  const LimitSettings& limit = *counter.limit;
  if (limit.connections > 0 && uint64_t{counter.connections} + passes >= limit.connections) return false;
  if (limit.rate == 0) return true;
  return counter.next_token + passes * interval_us(limit) - burst_us(limit) <= in_us(now);
}

bool LimitBook::next_waiter(Index index, MonoTime now, LimitWaiter* waiter) {
  Counter& counter = counters_[index];
  if (counter.turns.empty()) return false;
  if (!room(counter, now)) {
    schedule(index, now);
    return false;
  }
  std::string tenant = std::move(counter.turns.front());
  counter.turns.pop_front();
  auto place = counter.waiters.find(tenant);
  *waiter = place->second.front();
  place->second.pop_front();
  if (place->second.empty())
    counter.waiters.erase(place);
  else
    counter.turns.push_back(std::move(tenant));
  if (counter.turns.empty() && counter.users == 0) wakes_.set(index, now);
  return true;
}

void LimitBook::give_pass(Index index, MonoTime now) {
  Counter& counter = counters_[index];
  if (now >= counter.passes_until) counter.passes = 0;
  ++counter.passes;
  counter.passes_until = now + kPassLife;
}

void LimitBook::end_pass(Index index) {
  Counter& counter = counters_[index];
  if (counter.passes > 0) --counter.passes;
  if (!counter.turns.empty()) mark_freed(index);
}

// When a counter without room should be looked at again: at its next token, or when calls have lapsed.
void LimitBook::schedule(Index index, MonoTime now) {
  const Counter& counter = counters_[index];
  MonoTime when = MonoTime::max();
  if (counter.passes > 0 && now < counter.passes_until) when = counter.passes_until;
  if (counter.limit->rate > 0) {
    int64_t token = (counter.next_token - burst_us(*counter.limit) + 999) / 1000;
    if (MonoTime(Millis(token)) > now) when = std::min(when, MonoTime(Millis(token)));
  }
  if (when != MonoTime::max()) wakes_.set(index, when);
}

void LimitBook::on_time(MonoTime now) {
  while (wakes_.first_time() <= now) {
    Index index = wakes_.first();
    wakes_.erase(index);
    Counter& counter = counters_[index];
    if (!counter.turns.empty()) {
      mark_freed(index);
    } else if (counter.users == 0 && counter.connections == 0) {
      if (counter.freed) std::erase(freed_, index);
      by_key_.erase(counter.key);
      counters_.give_back(index);
    }
  }
}

}  // namespace veredus::queue_detail
