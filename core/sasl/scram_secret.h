// Stored secrets of SCRAM-SHA-256: "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY". Values without I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace veredus {

constexpr uint32_t kLeastScramIterations = 4096, kMostScramIterations = 10'000'000;

struct ScramSecret {
  uint32_t iterations = 0;
  std::string salt, stored_key, server_key;  // base64, as libgsasl takes them
};

std::optional<ScramSecret> read_scram_secret(std::string_view text);
// What an account that does not exist shows: a salt that is always the same for the name, of the length that others have, their iterations,
// and keys that no password has. Until an account was seen that exists: as `veredus auth-file hash` makes them. [any]
ScramSecret fake_scram_secret(std::string_view account);
void note_scram_secret(const ScramSecret& secret);  // of an account that exists

}  // namespace veredus
