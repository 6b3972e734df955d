// Limits: who may connect, how many, how fast. ConnectionTable counts connections of all loops and belongs to
// the loop that accepts; a ConnectionTicket is the right to one connection and gives it back from any loop.
// RateTable counts messages and recipients and belongs to one loop, so a client whose connections are spread
// over loops may reach its rate on each. No mutex anywhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/address_ip.h"
#include "base/clock.h"
#include "config/settings.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "smtp/reply.h"

namespace veredus {

// What is counted as one client (an IPv6 /64 is one) and as one network (/24, /56).
IpAddress client_key(const IpAddress& address);
IpAddress network_key(const IpAddress& address);

struct IpHash {
  size_t operator()(const IpAddress& address) const noexcept;
};

enum class Admission : uint8_t { ok, too_many, too_many_of_client, too_many_of_network, too_fast, banned };
std::string_view admission_name(Admission admission);
Reply admission_reply(Admission admission);  // 421 with its enhanced code

class ConnectionTable {
 public:
  ConnectionTable(Loop& loop, SettingsPtr settings) : loop_(loop), settings_(std::move(settings)) {}
  ConnectionTable(const ConnectionTable&) = delete;

  void reconfigure(SettingsPtr settings) { settings_ = std::move(settings); }
  Admission admit(const IpAddress& address);  // counts the connection when the answer is ok
  void release(const IpAddress& address);
  void ban(const IpAddress& address);  // for the time that settings say; exempt networks never
  size_t connections() const { return total_; }
  size_t remembered() const { return clients_.size() + networks_.size(); }
  // [any] Connections are scarce: sessions get shorter time-outs and may make fewer errors.
  bool stressed() const { return stressed_.load(std::memory_order_relaxed); }
  Loop& loop() { return loop_; }

 private:
  struct Client {
    uint32_t connections = 0;
    uint32_t started = 0;  // since `window`
    MonoTime window{};
    MonoTime banned_until{};
  };
  Admission judge(Client& client, uint32_t in_network, MonoTime now) const;
  void forget_idle(MonoTime now);
  void update_stress();

  Loop& loop_;
  SettingsPtr settings_;
  size_t total_ = 0;
  size_t forget_at_ = 1024;
  std::atomic<bool> stressed_{false};
  std::unordered_map<IpAddress, Client, IpHash> clients_;
  std::unordered_map<IpAddress, uint32_t, IpHash> networks_;
};

// The right to one connection. The table must outlive the loops that hold tickets. May die on any loop.
class ConnectionTicket {
 public:
  ConnectionTicket() = default;  // a connection nobody counts
  ConnectionTicket(ConnectionTable& table, IpAddress address) : table_(&table), address_(address) {}
  ConnectionTicket(ConnectionTicket&& other) noexcept { swap(other); }
  ConnectionTicket& operator=(ConnectionTicket&& other) noexcept {
    swap(other);
    return *this;
  }
  ~ConnectionTicket() { give_back(); }

  void ban_client() { ban_ = true; }  // takes effect when the ticket is given back
  bool stressed() const { return table_ && table_->stressed(); }
  explicit operator bool() const { return table_ != nullptr; }

 private:
  void swap(ConnectionTicket& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(address_, other.address_);
    std::swap(ban_, other.ban_);
  }
  void give_back();

  ConnectionTable* table_ = nullptr;
  IpAddress address_;
  bool ban_ = false;
};

// Asks the table of another loop; for clients whose address is only known after the PROXY header.
struct Admitted {
  Admission admission = Admission::ok;
  ConnectionTicket ticket;
};
Task<Admitted> admit_on(Loop& here, ConnectionTable& table, IpAddress address);

// Events per client in a minute.
class RateTable {
 public:
  explicit RateTable(size_t most_clients = 65'536) : most_clients_(most_clients) {}
  // true = within `limit` (0 = no limit), and counted.
  bool take(const IpAddress& client, uint32_t limit, MonoTime now);
  size_t remembered() const { return counts_.size(); }

 private:
  struct Count {
    uint32_t events = 0;
    MonoTime window{};
  };
  void make_room(MonoTime now);

  size_t most_clients_;
  std::unordered_map<IpAddress, Count, IpHash> counts_;
};

}  // namespace veredus
