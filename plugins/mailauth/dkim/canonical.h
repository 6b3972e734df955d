// Canonical forms of RFC 6376 3.4: what is hashed of a header field and of a body, whatever relays did to white space. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mailauth/base/header_block.h"
#include "mailauth/dkim/crypto.h"

namespace mailauth {

enum class Canonical : uint8_t { simple, relaxed };

std::string_view canonical_word(Canonical form);

// Appends the field without a line end behind it.
void append_canonical(Canonical form, const Field& field, std::string& out);

// Hashes a body that comes in pieces, cut anywhere. Lines end with CRLF; what stands alone of it is text.
class BodyHash {
 public:
  // `limit`: only so many octets of the canonical form count (l=).
  explicit BodyHash(Canonical form, std::optional<uint64_t> limit = {}) : form_(form), limit_(limit) {}
  void add(std::string_view piece);
  Digest finish();
  uint64_t canonical_size() const { return size_; }  // after finish(), without regard to the limit

 private:
  void add_simple(std::string_view piece);
  void add_relaxed(std::string_view piece);
  void line_end();
  void put(char c) {
    if (used_ == sizeof buffer_) flush();
    buffer_[used_++] = c;
  }
  void put_text(std::string_view text);
  void put_empty_lines();
  void before_text();
  void emit(std::string_view octets);
  void flush();

  Canonical form_;
  std::optional<uint64_t> limit_;
  Sha256 hash_;
  uint64_t size_ = 0;         // emitted
  uint64_t empty_lines_ = 0;  // read, and not emitted: they may be the last
  bool in_line_ = false;      // the line has text that counts
  bool space_ = false;        // relaxed: white space was read, and not emitted: it may end the line
  bool cr_ = false;           // the last octet was a CR
  size_t used_ = 0;
  char buffer_[4096];
};

}  // namespace mailauth
