// The text form of a refusal that takes the place of a next hop.
#include "smtp/refused_hop.h"

#include "base/text.h"
#include "smtp/reply_parser.h"

namespace veredus {

namespace {

constexpr std::string_view kMark = "refused:";
constexpr size_t kLongest = 400;

}  // namespace

std::string refused_hop(const Reply& refusal) { return std::string(kMark) + printable(refusal.joined(), kLongest); }

std::optional<Reply> refusal_of_hop(std::string_view next_hop) {
  if (!next_hop.starts_with(kMark)) return std::nullopt;
  Reply out = reply_from_text(next_hop.substr(kMark.size()));
  if (!out.permanent()) out = Reply{550, {5, 0, 0}, {"Refused"}};
  return out;
}

}  // namespace veredus
