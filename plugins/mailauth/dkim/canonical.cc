#include "mailauth/dkim/canonical.h"

#include <algorithm>
#include <cstring>

namespace mailauth {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Unfolded, each run of white space one space, none at either end.
void append_relaxed_value(std::string_view value, std::string& out) {
  bool space = false;
  const size_t begin = out.size();
  for (char c : value) {
    if (is_space(c) || c == '\r' || c == '\n') {
      space = space || (c != '\r' && c != '\n');
      continue;
    }
    if (space && out.size() > begin) out += ' ';
    space = false;
    out += c;
  }
}

}  // namespace

std::string_view canonical_word(Canonical form) { return form == Canonical::simple ? "simple" : "relaxed"; }

void append_canonical(Canonical form, const Field& field, std::string& out) {
  if (form == Canonical::simple) {
    out += field.whole;
    return;
  }
  for (char c : field.name) out += lower(c);
  out += ':';
  append_relaxed_value(field.value, out);
}

void BodyHash::flush() {
  emit({buffer_, used_});
  used_ = 0;
}

void BodyHash::emit(std::string_view octets) {
  if (limit_) {
    uint64_t left = *limit_ > size_ ? *limit_ - size_ : 0;
    hash_.add(octets.substr(0, static_cast<size_t>(std::min<uint64_t>(left, octets.size()))));
  } else {
    hash_.add(octets);
  }
  size_ += octets.size();
}

void BodyHash::put_text(std::string_view text) {
  if (text.size() > sizeof buffer_ - used_) flush();
  if (text.size() > sizeof buffer_) return emit(text);
  std::memcpy(buffer_ + used_, text.data(), text.size());
  used_ += text.size();
}

void BodyHash::put_empty_lines() {
  for (; empty_lines_ > 0; --empty_lines_) {
    put('\r');
    put('\n');
  }
}

// What was held back of this line and of those before it counts, as something follows.
void BodyHash::before_text() {
  if (!in_line_) put_empty_lines();
  in_line_ = true;
  if (space_) put(' ');
  space_ = false;
}

void BodyHash::line_end() {
  space_ = false;
  ++empty_lines_;  // the end of a line with text too is held back, and counted as one
  in_line_ = false;
}

// One CR that is followed by no LF is text like any other.
void BodyHash::add_relaxed(std::string_view piece) {
  for (char c : piece) {
    if (cr_) {
      cr_ = false;
      if (c == '\n') {
        line_end();
        continue;
      }
      before_text();
      put('\r');
    }
    if (static_cast<unsigned char>(c) > ' ') [[likely]] {
      if (!in_line_ || space_) before_text();
      put(c);
    } else if (is_space(c)) {
      space_ = true;
    } else if (c == '\r') {
      cr_ = true;
    } else {
      before_text();
      put(c);
    }
  }
}

void BodyHash::add_simple(std::string_view piece) {
  while (!piece.empty()) {
    if (cr_) {
      cr_ = false;
      if (piece.front() == '\n') {
        line_end();
        piece.remove_prefix(1);
        continue;
      }
      before_text();
      put('\r');
    }
    size_t end = piece.find('\r');
    std::string_view text = piece.substr(0, end);
    if (!text.empty()) {
      before_text();
      put_text(text);
    }
    if (end == std::string_view::npos) return;
    cr_ = true;
    piece.remove_prefix(end + 1);
  }
}

void BodyHash::add(std::string_view piece) {
  if (form_ == Canonical::simple) add_simple(piece);
  else add_relaxed(piece);
}

// Empty lines at the end do not count; the last line that does gets its line end, if it has none. An empty body is one line end in the simple
// form, and nothing in the relaxed one.
Digest BodyHash::finish() {
  if (cr_) {
    before_text();
    put('\r');
  }
  const bool any = in_line_ || size_ > 0 || used_ > 0;
  if (any || form_ == Canonical::simple) {
    put('\r');
    put('\n');
  }
  flush();
  return hash_.finish();
}

}  // namespace mailauth
