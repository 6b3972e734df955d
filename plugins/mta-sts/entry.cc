// "1 ID FETCHED EXPIRES USED RETRY", then the policy.
#include "entry.h"

#include <array>
#include <charconv>

namespace mta_sts {

std::string encoded(const Entry& entry) {
  std::string out = "1 " + entry.id;
  for (int64_t time : {entry.fetched, entry.expires, entry.used, entry.retry}) out += " " + std::to_string(time);
  return out + "\n" + entry.policy.text();
}

std::optional<Entry> decoded(std::string_view text) {
  size_t end = text.find('\n');
  if (end == text.npos || !text.starts_with("1 ") || !text.ends_with('\n')) return std::nullopt;
  std::string_view head = text.substr(2, end - 2);
  size_t space = head.find(' ');
  if (space == head.npos) return std::nullopt;
  Entry out;
  out.id = head.substr(0, space);
  head.remove_prefix(space);
  for (int64_t* time : std::array<int64_t*, 4>{&out.fetched, &out.expires, &out.used, &out.retry}) {
    if (!head.starts_with(' ')) return std::nullopt;
    auto [next, error] = std::from_chars(head.data() + 1, head.data() + head.size(), *time);
    if (error != std::errc()) return std::nullopt;
    head.remove_prefix(static_cast<size_t>(next - head.data()));
  }
  ReadPolicy read = read_policy(text.substr(end + 1));
  if (!head.empty() || !read.valid) return std::nullopt;
  out.policy = std::move(read.policy);
  return out;
}

}  // namespace mta_sts
