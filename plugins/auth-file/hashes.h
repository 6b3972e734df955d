// Password hashes: what kind one is, whether a password fits, how a new one is made. Each check takes from milliseconds to a tenth of a
// second by design: for a thread of the pool. Values without I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace auth_file {

enum class Scheme : uint8_t { none, crypt, argon2, scram };  // none: no password fits

struct Hash {
  Scheme scheme = Scheme::none;
  std::string text;  // scram: "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY"
};

// What is wrong with it; empty: nothing. A name in braces in front, as Dovecot writes it, is taken off. "!" and "*": no password fits.
std::string read_hash(std::string_view text, Hash& out);

bool fits(const Hash& hash, const std::string& password);

// "argon2id", "yescrypt", "scram-sha-256". Empty with `problem`.
std::string make_hash(std::string_view scheme, const std::string& password, std::string& problem);

void wipe(std::string& secret);

}  // namespace auth_file
