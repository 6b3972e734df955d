// MessageId: the queue id of a message, unique per host, sortable by time, 13 printable characters.
// 42 bits of milliseconds since 2020, 6 bits of loop, 16 bits of sequence. Values; no thread affinity.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace veredus {

struct MessageId {
  uint64_t value = 0;

  auto operator<=>(const MessageId&) const = default;
  explicit operator bool() const { return value != 0; }
  std::string text() const;  // upper-case base 32 without I, L, O and U
  static std::optional<MessageId> parse(std::string_view text);
};

// One per loop; not shared between threads.
class IdGenerator {
 public:
  IdGenerator(const Clock& clock, unsigned loop, MessageId newest_known = {});
  MessageId next();

 private:
  const Clock& clock_;
  uint64_t loop_;
  uint64_t last_tick_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace veredus

template <>
struct std::hash<veredus::MessageId> {
  size_t operator()(veredus::MessageId id) const noexcept {
    return static_cast<size_t>(id.value * 0x9E3779B97F4A7C15ull);
  }
};
