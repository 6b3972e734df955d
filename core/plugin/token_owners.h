// TokenOwners: whose tokens are which, beside the PendingTable of a loop: a token that ended is still known as its plugin's for a while, so
// that who answers twice or late has a name. note() is the loop's, find() anybody's.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "hooks/pending.h"

namespace veredus {

struct TokenOwner {
  enum class Known : uint8_t { never, forgotten, yes };  // never: no such token was given out
  Known known = Known::never;
  uint32_t plugin = 0;  // number of its record
  size_t stage = 0;     // its row
};

class TokenOwners {
 public:
  ~TokenOwners();
  void note(PendingToken token, uint32_t plugin, size_t stage);  // [loop]
  TokenOwner find(PendingToken token) const;                     // [any]

 private:
  static constexpr size_t kChunkSize = 1024, kChunks = 1024, kKept = 4;
  using Slot = std::array<std::atomic<uint64_t>, kKept>;  // generation << 32 | plugin << 8 | stage, by generation
  std::array<std::atomic<Slot*>, kChunks> chunks_{};
};

}  // namespace veredus
