// Message ids: generation and text form.
#include "base/ids.h"

namespace veredus {

namespace {

constexpr char kAlphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr int kTextLength = 13;
constexpr int64_t kEpoch2020 = 1'577'836'800'000;
constexpr uint64_t kSequenceMask = 0xFFFF;

int digit_of(char c) {
  for (int i = 0; i < 32; ++i)
    if (kAlphabet[i] == c) return i;
  return -1;
}

uint64_t tick_of(WallTime when) {
  int64_t since = when.time_since_epoch().count() - kEpoch2020;
  return since < 1 ? 1 : static_cast<uint64_t>(since);
}

}  // namespace

std::string MessageId::text() const {
  std::string out(kTextLength, '0');
  uint64_t rest = value;
  for (int i = kTextLength - 1; i >= 0; --i, rest >>= 5) out[i] = kAlphabet[rest & 31];
  return out;
}

std::optional<MessageId> MessageId::parse(std::string_view text) {
  if (text.size() != kTextLength || digit_of(text[0]) > 15) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    int digit = digit_of(c);
    if (digit < 0) return std::nullopt;
    value = value << 5 | static_cast<uint64_t>(digit);
  }
  return MessageId{value};
}

IdGenerator::IdGenerator(const Clock& clock, unsigned loop, MessageId newest_known)
    : clock_(clock), loop_(loop & 63), last_tick_(newest_known ? (newest_known.value >> 22) + 1 : 0) {}

MessageId IdGenerator::next() {
  uint64_t now = tick_of(clock_.wall());
  if (now > last_tick_) {
    last_tick_ = now;
    sequence_ = 0;
  } else if (++sequence_ > kSequenceMask) {
    ++last_tick_;
    sequence_ = 0;
  }
  return MessageId{last_tick_ << 22 | loop_ << 16 | sequence_};
}

}  // namespace veredus
