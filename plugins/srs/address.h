// Addresses of the Sender Rewriting Scheme: made with a hash and a day, and read back. Knows no host. Immutable; any thread.
//
//   SRS0=HASH=DAY=their.domain=user@our.domain    of a first forwarder
//   SRS1=HASH=first.domain==REST@our.domain       of a later one; REST is what the first one made
//   SRSK=TOKEN@our.domain                         an address that does not fit: it is kept elsewhere, under the token
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace srs {

enum class Reading { good, foreign, malformed, forged, expired };

struct Back {
  Reading reading = Reading::foreign;
  std::string address;  // good: where it leads
};

class Scheme {
 public:
  // The first secret makes hashes, all of them are good. `hash_length`: 4 to 32; longer hashes are good as well.
  Scheme(std::vector<std::string> secrets, size_t hash_length, uint32_t most_days);

  // The local part that stands for an address. Nothing: it would have more than 64 octets.
  std::optional<std::string> made(std::string_view local, std::string_view domain, int64_t now) const;
  Back read(std::string_view local, int64_t now) const;

  // For an address that does not fit; the same all day.
  std::string token(std::string_view address, int64_t now) const;

 private:
  std::string hash(const std::string& secret, std::string_view text, size_t length) const;
  bool is_hash(std::string_view given, std::string_view text) const;
  Back read_first(std::string_view rest, int64_t now) const;
  Back read_later(std::string_view rest) const;
  bool is_old(std::string_view day, int64_t now) const;

  std::vector<std::string> secrets_;
  size_t hash_length_;
  uint32_t most_days_;
};

// The token of "SRSK=TOKEN", in upper case; empty: it is none.
std::string token_of(std::string_view local);

// Whether a local part looks like one of ours.
bool is_rewritten(std::string_view local);

// A local part without its quotes, and with them if it needs them.
std::string unquoted(std::string_view local);
std::string quoted(std::string_view name);

}  // namespace srs
