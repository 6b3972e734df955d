// Header blocks, octet by octet: fields are positions in somebody's text, nothing is copied or repaired. A
// line that is no field stays where it is, as a field without a name. HeaderEditor makes a new block in which
// everything it was not told to touch is unchanged. Values; any thread. A HeaderBlock and its editor must not
// outlive the text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus {

struct HeaderLimits {
  HeaderLimits() = default;
  size_t octets = 1'048'576;
  size_t fields = 20'000;
};

struct HeaderField {
  size_t begin = 0;
  size_t name_size = 0;    // 0: a malformed line
  size_t value_begin = 0;  // behind the colon
  size_t end = 0;          // behind the line end of its last line
};

class HeaderBlock {
 public:
  // `octets`: a header block, or a message from its first octet on. Ends behind the empty line, or where the
  // octets end.
  static Result<HeaderBlock> parse(std::string_view octets, HeaderLimits limits = {});

  std::span<const HeaderField> fields() const { return fields_; }
  std::string_view name(const HeaderField& field) const { return text_.substr(field.begin, field.name_size); }
  std::string_view value(
      const HeaderField& field) const;  // raw: folds and leading space included, without the last line end
  std::string_view whole(const HeaderField& field) const {
    return text_.substr(field.begin, field.end - field.begin);
  }
  const HeaderField* find(std::string_view name,
                          size_t occurrence = 1) const;  // 1-based, in order; nullptr if there is none
  size_t count(std::string_view name) const;

  std::string_view text() const { return text_; }  // the block, its empty line included
  std::string_view end_line() const { return text_.substr(fields_end_); }  // the empty line, or nothing
  size_t size() const { return text_.size(); }

 private:
  std::string_view text_;
  size_t fields_end_ = 0;
  std::vector<HeaderField> fields_;
};

std::string unfolded(std::string_view value);  // line ends of folds removed, trimmed

bool is_field_name(std::string_view name);  // RFC 5322 3.6.8
// "Name: value" with its line end. Line ends inside the value become folds; other controls become "?".
// Refuses a malformed name.
Result<std::string> make_field(std::string_view name, std::string_view value);
// Breaks the lines of a well-formed field at spaces so that none is longer than `width` where a space allows
// it.
std::string folded_field(std::string_view field, size_t width = 78);

class HeaderEditor {
 public:
  explicit HeaderEditor(const HeaderBlock& block);

  Status insert(size_t index, std::string_view name,
                std::string_view value);  // 0 = above everything; too large = at the end
  Status append(std::string_view name, std::string_view value) { return insert(pieces_.size(), name, value); }
  Status replace(std::string_view name, size_t occurrence, std::string_view value);
  Status remove(std::string_view name, size_t occurrence);
  size_t count(std::string_view name) const;
  bool has(std::string_view name) const { return count(name) > 0; }
  std::string text() const;  // with an empty line, also where there was none

 private:
  struct Piece {
    size_t name_size = 0;
    std::string_view original;  // either this
    std::string made;           // or this
    std::string_view octets() const { return made.empty() ? original : std::string_view(made); }
    bool is(std::string_view name) const;
  };
  size_t find(std::string_view name, size_t occurrence) const;  // pieces_.size() if there is none

  std::vector<Piece> pieces_;
  std::string_view end_line_;
};

}  // namespace veredus
