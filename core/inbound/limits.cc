// Counting by address, in fixed windows of a minute; what is idle is forgotten when a table has doubled.
#include "inbound/limits.h"

#include <algorithm>
#include <cstring>

#include "loop/remote.h"

namespace veredus {

namespace {

constexpr Millis kWindow{60'000};
constexpr Millis kAskTable{10'000};
constexpr size_t kStressPercent = 80;
constexpr size_t kCalmPercent = 70;

IpAddress prefix_of(const IpAddress& address, size_t octets) {
  IpAddress out = address;
  std::fill(out.octets.begin() + static_cast<ptrdiff_t>(octets), out.octets.end(), uint8_t{0});
  return out;
}

}  // namespace

IpAddress client_key(const IpAddress& address) {
  return address.family == 6 ? prefix_of(address, 8) : address;
}

IpAddress network_key(const IpAddress& address) {
  return prefix_of(address, address.family == 6 ? 7 : 3);
}

size_t IpHash::operator()(const IpAddress& address) const noexcept {
  uint64_t high, low;
  std::memcpy(&high, address.octets.data(), 8);
  std::memcpy(&low, address.octets.data() + 8, 8);
  uint64_t mixed = (high ^ (low + address.family) * 0x9E3779B97F4A7C15ull) * 0xBF58476D1CE4E5B9ull;
  return static_cast<size_t>(mixed ^ mixed >> 29);
}

std::string_view admission_name(Admission admission) {
  switch (admission) {
    case Admission::ok:
      return "ok";
    case Admission::too_many:
      return "connections";
    case Admission::too_many_of_client:
      return "connections_per_client";
    case Admission::too_many_of_network:
      return "connections_per_network";
    case Admission::too_fast:
      return "connection_rate";
    case Admission::banned:
      return "ban";
  }
  return "";
}

Reply admission_reply(Admission admission) {
  if (admission == Admission::too_many) return {421, {4, 3, 2}, {"Too many connections, try again later"}};
  if (admission == Admission::banned) return {421, {4, 7, 0}, {"Refused for a while after too many errors"}};
  return {421, {4, 7, 0}, {"Too many connections from your address"}};
}

Admission ConnectionTable::admit(const IpAddress& address) {
  const LimitsSettings& limits = settings_->limits;
  if (limits.connections > 0 && total_ >= limits.connections) return Admission::too_many;
  if (!contains(settings_->exempt_networks, address)) {
    MonoTime now = loop_.now();
    if (clients_.size() >= forget_at_) forget_idle(now);
    Client& client = clients_[client_key(address)];
    uint32_t& in_network = networks_[network_key(address)];
    Admission admission = judge(client, in_network, now);
    if (admission != Admission::ok) return admission;
    if (now - client.window >= kWindow) client = Client{client.connections, 0, now, client.banned_until};
    ++client.started;
    ++client.connections;
    ++in_network;
  }
  ++total_;
  update_stress();
  return Admission::ok;
}

Admission ConnectionTable::judge(Client& client, uint32_t in_network, MonoTime now) const {
  const LimitsSettings& limits = settings_->limits;
  bool in_window = now - client.window < kWindow;
  if (client.banned_until > now) return Admission::banned;
  if (limits.connections_per_client > 0 && client.connections >= limits.connections_per_client)
    return Admission::too_many_of_client;
  if (limits.connections_per_network > 0 && in_network >= limits.connections_per_network)
    return Admission::too_many_of_network;
  if (limits.connection_rate > 0 && in_window && client.started >= limits.connection_rate)
    return Admission::too_fast;
  return Admission::ok;
}

// Exempt clients have no entry. Networks may change between admit and release: what is not there is not
// counted down.
void ConnectionTable::release(const IpAddress& address) {
  if (total_ > 0) --total_;
  update_stress();
  auto client = clients_.find(client_key(address));
  if (client != clients_.end() && client->second.connections > 0) --client->second.connections;
  auto network = networks_.find(network_key(address));
  if (network != networks_.end() && network->second > 0 && --network->second == 0) networks_.erase(network);
}

void ConnectionTable::ban(const IpAddress& address) {
  if (settings_->limits.ban == Millis(0) || contains(settings_->exempt_networks, address)) return;
  clients_[client_key(address)].banned_until = loop_.now() + settings_->limits.ban;
}

void ConnectionTable::forget_idle(MonoTime now) {
  std::erase_if(clients_, [now](const auto& entry) {
    const Client& client = entry.second;
    return client.connections == 0 && client.banned_until <= now && now - client.window >= kWindow;
  });
  std::erase_if(networks_, [](const auto& entry) { return entry.second == 0; });
  forget_at_ = std::max<size_t>(1024, clients_.size() * 2);
}

void ConnectionTable::update_stress() {
  size_t cap = settings_->limits.connections;
  if (cap == 0) return;
  bool before = stressed_.load(std::memory_order_relaxed);
  bool now = total_ * 100 >= cap * (before ? kCalmPercent : kStressPercent);
  if (now != before) stressed_.store(now, std::memory_order_relaxed);
}

void ConnectionTicket::give_back() {
  ConnectionTable* table = std::exchange(table_, nullptr);
  if (!table) return;
  auto give = [table, address = address_, ban = ban_] {
    table->release(address);
    if (ban) table->ban(address);
  };
  if (table->loop().on_loop_thread()) return give();
  table->loop().post_call(give);
}

Task<Admitted> admit_on(Loop& here, ConnectionTable& table, IpAddress address) {
  Remote<Admitted> remote(here);
  auto ask = [&table, address, promise = remote.promise()]() mutable {
    Admitted admitted;
    admitted.admission = table.admit(address);
    if (admitted.admission == Admission::ok) admitted.ticket = ConnectionTicket(table, address);
    promise.fulfil(std::move(admitted));
  };
  table.loop().post_call(std::move(ask));
  co_await remote.answered(Deadline::in(here, kAskTable));
  Result<Admitted> answer = remote.take();
  Admitted refused;
  refused.admission = Admission::too_many;
  if (!answer) co_return refused;
  co_return std::move(*answer);
}

bool RateTable::take(const IpAddress& client, uint32_t limit, MonoTime now) {
  if (limit == 0) return true;
  if (counts_.size() >= most_clients_) make_room(now);
  Count& count = counts_[client_key(client)];
  if (count.events == 0 || now - count.window >= kWindow) count = Count{0, now};
  if (count.events >= limit) return false;
  ++count.events;
  return true;
}

// Old windows go first; if all are young, all go: a flood of addresses must not cost memory.
void RateTable::make_room(MonoTime now) {
  std::erase_if(counts_, [now](const auto& entry) { return now - entry.second.window >= kWindow; });
  if (counts_.size() >= most_clients_) counts_.clear();
}

}  // namespace veredus
