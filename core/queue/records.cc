// RecipientSet: one index inline, several in an array of their own.
#include "queue/records.h"

namespace veredus::queue_detail {

void RecipientSet::assign(std::span<const uint32_t> recipients) {
  uintptr_t bits = 0;
  if (recipients.size() == 1) {
    bits = uintptr_t{recipients[0]} << 1 | 1;
  } else if (!recipients.empty()) {
    auto* copy = new uint32_t[recipients.size() + 1];
    copy[0] = static_cast<uint32_t>(recipients.size());
    std::copy(recipients.begin(), recipients.end(), copy + 1);
    bits = reinterpret_cast<uintptr_t>(copy);
  }
  delete[] array();
  bits_ = bits;
}

std::vector<uint32_t> RecipientSet::list() const {
  if (bits_ == 0) return {};
  if (bits_ & 1) return {static_cast<uint32_t>(bits_ >> 1)};
  return {array() + 1, array() + 1 + array()[0]};
}

std::vector<uint32_t> Order::of(const RecipientSet& item) const {
  std::vector<uint32_t> out;
  std::copy_if(recipients.begin(), recipients.end(), std::back_inserter(out), [&](uint32_t r) { return item.has(r); });
  return out;
}

bool RecipientSet::has(uint32_t recipient) const {
  if (bits_ == 0) return false;
  if (bits_ & 1) return bits_ >> 1 == recipient;
  return std::find(array() + 1, array() + 1 + array()[0], recipient) != array() + 1 + array()[0];
}

}  // namespace veredus::queue_detail
