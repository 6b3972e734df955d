// What the sink has seen, as numbers, and as one JSON object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

#include "sink/store.h"

namespace veredus::tools {

struct Counts {
  std::uint64_t connections = 0;
  std::uint64_t open = 0;
  std::uint64_t most_open = 0;
  std::uint64_t turned_away = 0;
  std::uint64_t transactions = 0;
  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;
  std::uint64_t octets = 0;
  std::uint64_t refused = 0;
  std::uint64_t rejected = 0;
  std::uint64_t faults = 0;
  std::uint64_t broken_off = 0;  // data begun, never finished
  double first = 0;
  double last = 0;

  void arrived(const Arrival& arrival, std::string_view id, double time);
  std::string json() const;
  /// Begins again, but for the connections that are open.
  void forget();

 private:
  std::unordered_set<std::uint64_t> seen_;  // hashes of (X-Load-Id, recipient)
  std::uint64_t duplicates_ = 0;
};

}  // namespace veredus::tools
