// Attributes of <veredus/attr.h>: what a subject shows, by number. Values; any thread that may read the subject.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hooks/hooks.h"

namespace veredus {

// Text that stands somewhere with a NUL behind it is pointed to; other text is made.
struct Attribute {
  uint32_t kind = 0;  // VRD_NONE ...
  int64_t number = 0;
  const std::string* kept = nullptr;
  std::string made;
  std::string_view text() const { return kept ? std::string_view(*kept) : std::string_view(made); }
};

bool attribute_known(uint32_t id);
bool attribute_of_recipient(uint32_t id);
uint32_t attribute_id(std::string_view name);  // 0: there is none
// `recipient`: of those that belong to one; may be null.
Attribute read_attribute(uint32_t id, const Subject& subject, const Recipient* recipient);

}  // namespace veredus
