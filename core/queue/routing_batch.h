// Recipients of a message that are being routed: they have no item meanwhile, and queue commands find them here. Belongs to the queue loop.
#pragma once

#include <unordered_map>
#include <vector>

#include "queue/records.h"

namespace veredus::queue_detail {

// A recipient on its way to an item.
struct Pending {
  uint32_t recipient = 0;
  uint16_t attempts = 0;
  MonoTime due{};
};

struct Batch {
  std::vector<Pending> pending;
  std::vector<Routed> routed;  // of the first ones
  Orders orders;               // given meanwhile
};

using Batches = std::unordered_multimap<Index, Batch*>;  // by message

// Lists a batch while it lives.
class InBatches {
 public:
  InBatches(Batches& all, Index message, Batch* batch) : all_(all), place_(all.emplace(message, batch)) {}
  InBatches(const InBatches&) = delete;
  ~InBatches() { all_.erase(place_); }

 private:
  Batches& all_;
  Batches::iterator place_;
};

}  // namespace veredus::queue_detail
