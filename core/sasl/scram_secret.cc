// Reading, making and feigning stored secrets.
#include "sasl/scram_secret.h"

#include <gnutls/crypto.h>
#include <gsasl.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "base/text.h"
#include "sasl/gsasl_session.h"
#include "sasl/names.h"
#include "sasl/sasl.h"

namespace veredus {

namespace {

constexpr std::string_view kPrefix = "SCRAM-SHA-256$";
constexpr size_t kKeySize = 32, kSaltSize = 16, kMostSalt = 256;
using Key = std::array<unsigned char, kKeySize>;

constexpr uint64_t kUsual = uint64_t{kSaltSize} << 32 | 10'000;

std::atomic<uint64_t> usual{kUsual};  // octets of the salt << 32 | iterations

Key random_key() {
  Key out{};
  if (gnutls_rnd(GNUTLS_RND_KEY, out.data(), out.size()) != 0) abort();  // no randomness: nothing here can be trusted
  return out;
}

std::string derived(std::string_view purpose, std::string_view account) {
  static const Key process_key = random_key();
  std::string text = std::string(purpose) + '\0' + std::string(account);
  std::string out(kKeySize, '\0');
  if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, process_key.data(), process_key.size(), text.data(), text.size(), out.data()) != 0) abort();
  return out;
}

bool is_key(std::string_view text) {
  auto octets = octets_of_base64(text);
  return octets && octets->size() == kKeySize;
}

std::string_view view(const Key& key) { return {reinterpret_cast<const char*>(key.data()), key.size()}; }

}  // namespace

std::optional<ScramSecret> read_scram_secret(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  auto halves = split(text.substr(kPrefix.size()), '$');
  if (halves.size() != 2) return std::nullopt;
  auto how = split(halves[0], ':'), keys = split(halves[1], ':');
  if (how.size() != 2 || keys.size() != 2 || !is_key(keys[0]) || !is_key(keys[1])) return std::nullopt;
  auto iterations = parse_uint(how[0], kMostScramIterations);
  auto salt = octets_of_base64(how[1]);
  if (!iterations || *iterations == 0 || !salt || salt->empty() || salt->size() > kMostSalt) return std::nullopt;
  return ScramSecret{static_cast<uint32_t>(*iterations), std::string(how[1]), std::string(keys[0]), std::string(keys[1])};
}

ScramSecret fake_scram_secret(std::string_view account) {
  uint64_t like = usual.load(std::memory_order_relaxed);
  std::string salt = derived("salt", account).substr(0, like >> 32);
  return {static_cast<uint32_t>(like), base64_of(salt), base64_of(derived("stored", account)), base64_of(derived("server", account))};
}

void note_scram_secret(const ScramSecret& secret) {
  auto salt = octets_of_base64(secret.salt);
  size_t octets = salt ? std::min(salt->size(), kKeySize) : kSaltSize;
  usual.store(uint64_t{octets} << 32 | secret.iterations, std::memory_order_relaxed);
}

std::string scram_secret(std::string_view password, std::string_view salt, uint32_t iterations) {
  auto prepared = sasl_password(password);
  if (!prepared || iterations < kLeastScramIterations || iterations > kMostScramIterations || salt.empty() || salt.size() > kMostSalt) return {};
  Key salted{}, client{}, server{}, stored{};
  auto digest = [](Key& key) { return reinterpret_cast<char*>(key.data()); };
  int status = gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, prepared->c_str(), iterations, salt.data(), salt.size(), digest(salted),
                                                 digest(client), digest(server), digest(stored));
  wipe(*prepared);
  explicit_bzero(salted.data(), salted.size());
  explicit_bzero(client.data(), client.size());
  if (status != GSASL_OK) return {};
  return std::string(kPrefix) + std::to_string(iterations) + ':' + base64_of(salt) + '$' + base64_of(view(stored)) + ':' + base64_of(view(server));
}

}  // namespace veredus
