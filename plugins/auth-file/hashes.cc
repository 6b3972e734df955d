// crypt(3) for the hashes of Debian, libargon2, and libgsasl for SCRAM.
#include "hashes.h"

#include <argon2.h>
#include <crypt.h>
#include <gsasl.h>
#include <string.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <vector>

namespace auth_file {

namespace {

constexpr std::string_view kScram = "SCRAM-SHA-256$";
constexpr uint64_t kLeastIterations = 4096, kMostIterations = 1'000'000, kMostArgonKib = 1 << 20, kMostArgonPasses = 64;
constexpr size_t kKeySize = 32, kSaltSize = 16, kMostPassword = 1024, kMostHash = 1024;
constexpr uint32_t kArgonPasses = 2, kArgonKib = 19 * 1024, kArgonLanes = 1, kScramIterations = 10'000;
// A check of crypt(3) is as slow as the hash says. "$1$" (MD5) and DES can be guessed too fast to be kept.
constexpr std::string_view kCrypt[] = {"$y$", "$gy$", "$7$", "$2b$", "$2a$", "$2y$", "$6$", "$5$"};

struct Key {
  ~Key() { explicit_bzero(octets.data(), octets.size()); }
  char* data() { return octets.data(); }
  std::array<char, kKeySize> octets{};
};

bool from_base64(std::string_view text, std::string& out) {
  char* octets = nullptr;
  size_t count = 0;
  if (gsasl_base64_from(text.data(), text.size(), &octets, &count) != GSASL_OK) return false;
  out.assign(octets, count);
  gsasl_free(octets);
  return true;
}

std::string base64(std::string_view octets) {
  char* text = nullptr;
  if (gsasl_base64_to(octets.data(), octets.size(), &text, nullptr) != GSASL_OK) return {};
  std::string out(text);
  gsasl_free(text);
  return out;
}

bool number_of(std::string_view text, uint64_t least, uint64_t most, uint64_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= least && out <= most;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> out;
  for (size_t end = text.find_first_of(separators); end != text.npos; end = text.find_first_of(separators)) {
    out.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  out.push_back(text);
  return out;
}

struct ScramParts {
  uint64_t iterations = 0;
  std::string salt, stored, server;
};

// Behind the name: ITERATIONS:SALT$STOREDKEY:SERVERKEY, or with commas, as Dovecot writes it.
std::string read_scram(std::string_view text, ScramParts& out) {
  auto parts = split(text, text.find(',') != text.npos ? "," : ":$");
  if (parts.size() != 4) return "a SCRAM-SHA-256 secret has four parts: ITERATIONS:SALT$STOREDKEY:SERVERKEY";
  if (!number_of(parts[0], kLeastIterations, kMostIterations, out.iterations)) return "a SCRAM-SHA-256 secret has 4096 to 1000000 iterations";
  bool good = from_base64(parts[1], out.salt) && from_base64(parts[2], out.stored) && from_base64(parts[3], out.server);
  if (!good || out.salt.empty() || out.stored.size() != kKeySize || out.server.size() != kKeySize)
    return "salt, stored key or server key of the SCRAM-SHA-256 secret is not the base64 of as many octets as it must have";
  return {};
}

std::string scram_text(const ScramParts& parts) {
  return std::string(kScram) + std::to_string(parts.iterations) + ':' + base64(parts.salt) + '$' + base64(parts.stored) + ':' + base64(parts.server);
}

std::string argon2_problem(std::string_view text) {
  auto parts = split(text, "$");  // "", argon2id, v=19, m=..,t=..,p=.., salt, hash
  if (parts.size() != 6) return "an argon2 hash has five parts: $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH";
  uint64_t value = 0;
  for (std::string_view part : split(parts[3], ",")) {
    bool memory = part.starts_with("m="), passes = part.starts_with("t=");
    if (memory && !number_of(part.substr(2), 8, kMostArgonKib, value)) return "the argon2 hash wants more than 1 GiB of memory";
    if (passes && !number_of(part.substr(2), 1, kMostArgonPasses, value)) return "the argon2 hash wants more than 64 passes";
  }
  return {};
}

bool crypt_known(std::string_view text) {
  return std::any_of(std::begin(kCrypt), std::end(kCrypt), [text](std::string_view prefix) { return text.starts_with(prefix); });
}

bool same(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

bool fits_crypt(const std::string& hash, const std::string& password) {
  auto data = std::make_unique<crypt_data>();
  const char* made = crypt_rn(password.c_str(), hash.c_str(), data.get(), sizeof *data);
  bool good = made && same(made, hash);
  explicit_bzero(data.get(), sizeof *data);
  return good;
}

bool fits_argon2(const std::string& hash, const std::string& password) {
  argon2_type type = hash.starts_with("$argon2id$") ? Argon2_id : hash.starts_with("$argon2i$") ? Argon2_i : Argon2_d;
  return argon2_verify(hash.c_str(), password.data(), password.size(), type) == ARGON2_OK;
}

// The keys of a password: what the SCRAM mechanism computes, with SASLprep before.
bool scram_keys(const std::string& password, ScramParts& parts) {
  char* prepared = nullptr;
  if (gsasl_saslprep(password.c_str(), Gsasl_saslprep_flags{}, &prepared, nullptr) != GSASL_OK) return false;
  Key salted, client, server, stored;
  int status = gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, prepared, static_cast<unsigned>(parts.iterations), parts.salt.data(),
                                                 parts.salt.size(), salted.data(), client.data(), server.data(), stored.data());
  explicit_bzero(prepared, strlen(prepared));
  gsasl_free(prepared);
  if (status != GSASL_OK) return false;
  parts.stored.assign(stored.data(), kKeySize);
  parts.server.assign(server.data(), kKeySize);
  return true;
}

bool fits_scram(const std::string& text, const std::string& password) {
  ScramParts known;
  if (!read_scram(std::string_view(text).substr(kScram.size()), known).empty()) return false;
  ScramParts made{known.iterations, known.salt, {}, {}};
  return scram_keys(password, made) && same(made.stored, known.stored);
}

std::string random_octets(size_t count) {
  std::string out(count, '\0');
  if (getrandom(out.data(), count, 0) != static_cast<ssize_t>(count)) out.clear();
  return out;
}

std::string make_argon2(const std::string& password) {
  std::string salt = random_octets(kSaltSize);
  char out[256];
  int status = argon2id_hash_encoded(kArgonPasses, kArgonKib, kArgonLanes, password.data(), password.size(), salt.data(), salt.size(), kKeySize, out, sizeof out);
  return status == ARGON2_OK && !salt.empty() ? out : "";
}

std::string make_yescrypt(const std::string& password) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  if (!crypt_gensalt_rn("$y$", 0, nullptr, 0, setting, sizeof setting)) return {};
  auto data = std::make_unique<crypt_data>();
  const char* made = crypt_rn(password.c_str(), setting, data.get(), sizeof *data);
  std::string out = made && *made != '*' ? made : "";
  explicit_bzero(data.get(), sizeof *data);
  return out;
}

std::string make_scram(const std::string& password) {
  ScramParts parts{kScramIterations, random_octets(kSaltSize), {}, {}};
  return !parts.salt.empty() && scram_keys(password, parts) ? scram_text(parts) : "";
}

}  // namespace

std::string read_hash(std::string_view text, Hash& out) {
  bool named_scram = text.starts_with("{SCRAM-SHA-256}");
  if (text.starts_with('{')) text.remove_prefix(std::min(text.find('}'), text.size() - 1) + 1);
  if (text.size() > kMostHash) return "a hash of more than 1024 octets";
  if (text == "!" || text == "*") {
    out = {};
    return {};
  }
  if (named_scram || text.starts_with(kScram)) {
    ScramParts parts;
    if (text.starts_with(kScram)) text.remove_prefix(kScram.size());
    std::string problem = read_scram(text, parts);
    if (problem.empty()) out = {Scheme::scram, scram_text(parts)};
    return problem;
  }
  if (text.starts_with("$argon2")) {
    out = {Scheme::argon2, std::string(text)};
    return argon2_problem(text);
  }
  if (!crypt_known(text)) return "no hash that is known or safe; make one with 'veredus auth-file hash'";
  int salt = crypt_checksalt(std::string(text).c_str());
  if (salt != CRYPT_SALT_OK && salt != CRYPT_SALT_METHOD_LEGACY) return "a hash that crypt(3) does not take";
  out = {Scheme::crypt, std::string(text)};
  return {};
}

bool fits(const Hash& hash, const std::string& password) {
  if (password.empty() || password.size() > kMostPassword || password.find('\0') != password.npos) return false;
  switch (hash.scheme) {
    case Scheme::crypt: return fits_crypt(hash.text, password);
    case Scheme::argon2: return fits_argon2(hash.text, password);
    case Scheme::scram: return fits_scram(hash.text, password);
    case Scheme::none: break;
  }
  return false;
}

std::string make_hash(std::string_view scheme, const std::string& password, std::string& problem) {
  std::string out;
  if (password.empty()) problem = "the password is empty";
  else if (password.size() > kMostPassword) problem = "the password has more than 1024 octets";
  else if (password.find('\0') != password.npos) problem = "the password has a NUL octet";
  else if (scheme == "argon2id") out = make_argon2(password);
  else if (scheme == "yescrypt") out = make_yescrypt(password);
  else if (scheme == "scram-sha-256") out = make_scram(password);
  else problem = "there is no scheme '" + std::string(scheme) + "'; one of argon2id, yescrypt, scram-sha-256";
  if (out.empty() && problem.empty()) problem = "the password cannot be hashed; SCRAM takes those that SASLprep (RFC 4013) allows";
  return out;
}

void wipe(std::string& secret) {
  explicit_bzero(secret.data(), secret.capacity());
  secret.clear();
}

}  // namespace auth_file
