// HeaderIndex: the header fields of a message as plugins read them: by position or name, each text with a NUL behind it. Owns a copy of the
// block. Any thread, one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <veredus/types.h>

#include "hooks/hooks.h"
#include "mail/headers.h"

namespace veredus {

class HeaderIndex {
 public:
  explicit HeaderIndex(const Subject& subject);  // reads a body's file if there is one
  HeaderIndex(const HeaderIndex&) = delete;

  uint32_t count() const { return block_ ? static_cast<uint32_t>(block_->fields().size()) : 0; }
  bool at(uint32_t index, vrd_str& name, vrd_str& value) const;
  bool find(std::string_view name, uint32_t occurrence, vrd_str& value, uint32_t& index) const;
  uint64_t size() const { return block_ ? block_->size() : 0; }  // the empty line included

 private:
  vrd_str value_of(const HeaderField& field) const;

  std::string text_, cut_;  // as it is; with NULs behind names and values
  std::optional<HeaderBlock> block_;
};

// Octets of a message from `offset` on, at most `capacity`. Blocks when the body is in a file.
Result<size_t> read_content(const Content& content, uint64_t offset, char* buffer, size_t capacity);

}  // namespace veredus
