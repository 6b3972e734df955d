// The table of secret field keys.
#include "log/redaction.h"

#include <algorithm>
#include <iterator>

namespace veredus {

namespace {

constexpr std::string_view kSecretWords[] = {"password",    "passphrase",    "secret",
                                             "token",       "credentials",   "cookie",
                                             "private_key", "authorization", "api_key"};

bool ends_in_word(std::string_view key, std::string_view word) {
  if (!key.ends_with(word)) return false;
  return key.size() == word.size() || key[key.size() - word.size() - 1] == '_';
}

}  // namespace

bool is_secret_key(std::string_view key) {
  if (key.size() < 5) return false;
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords),
                     [key](std::string_view word) { return ends_in_word(key, word); });
}

}  // namespace veredus
