// Local parts are compared as spelled, domains without regard to case.
#include "queue/filter.h"

#include "base/text.h"
#include "queue/limit_book.h"

namespace veredus::queue_detail {

bool matches_address(std::string_view pattern, std::string_view address) {
  if (pattern == "*") return true;
  if (pattern == "<>" || address.empty()) return pattern == "<>" && address.empty();
  size_t pattern_at = pattern.rfind('@');
  size_t at = address.rfind('@');
  std::string_view local = address.substr(0, at);
  std::string_view domain = at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
  if (pattern_at == std::string_view::npos) return pattern == address;
  std::string_view wanted_local = pattern.substr(0, pattern_at);
  if (wanted_local != "*" && wanted_local != local) return false;
  return matches_name(pattern.substr(pattern_at + 1), domain);
}

}  // namespace veredus::queue_detail
