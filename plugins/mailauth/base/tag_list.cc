#include "mailauth/base/tag_list.h"

#include <algorithm>

namespace mailauth {

namespace {

constexpr size_t kMostTags = 64;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name_part(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool is_name(std::string_view name) { return !name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), is_name_part); }

}  // namespace

std::optional<std::vector<Tag>> parse_tags(std::string_view text) {
  std::vector<Tag> out;
  while (!trimmed(text).empty()) {
    size_t end = text.find(';');
    std::string_view piece = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    size_t equal = piece.find('=');
    if (equal == std::string_view::npos || out.size() == kMostTags) return std::nullopt;
    Tag tag{trimmed(piece.substr(0, equal)), trimmed(piece.substr(equal + 1))};
    if (!is_name(tag.name) || find_tag(out, tag.name)) return std::nullopt;
    out.push_back(tag);
  }
  return out;
}

const Tag* find_tag(const std::vector<Tag>& tags, std::string_view name) {
  auto place = std::find_if(tags.begin(), tags.end(), [&](const Tag& tag) { return tag.name == name; });
  return place == tags.end() ? nullptr : &*place;
}

std::string without_space(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  std::copy_if(value.begin(), value.end(), std::back_inserter(out), [](char c) { return !is_space(c); });
  return out;
}

}  // namespace mailauth
