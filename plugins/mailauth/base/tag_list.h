// Tag lists "v=DKIM1; p=..." of RFC 6376 3.2, as DKIM, ARC and DMARC use them. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailauth {

struct Tag {
  std::string_view name, value;  // without white space and folds around them
};

// In the order of the text, views into it. Nothing: the text is no tag list, or a name comes twice, or there are more than 64 tags.
std::optional<std::vector<Tag>> parse_tags(std::string_view text);

const Tag* find_tag(const std::vector<Tag>& tags, std::string_view name);

// A value without any white space in it, as base64 may be folded (RFC 6376 2.10).
std::string without_space(std::string_view value);

}  // namespace mailauth
