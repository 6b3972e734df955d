#include "srs/address.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "common/text.hpp"

namespace srs {

namespace {

using common::lowered;
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr size_t kLongestLocal = 64, kLongestHash = 51, kTokenLength = 32;
constexpr uint32_t kDays = 1024;  // after so many the count begins anew
constexpr int64_t kDaySeconds = 86'400;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

bool begins(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) { return lower(a) == lower(b); });
}

std::string base32(const std::array<unsigned char, 32>& octets, size_t length) {
  std::string out;
  uint32_t bits = 0, have = 0;
  for (unsigned char octet : octets) {
    bits = bits << 8 | octet;
    for (have += 8; have >= 5; have -= 5) out += kBase32[bits >> (have - 5) & 31];
  }
  return out.substr(0, length);
}

uint32_t day_of(int64_t now) { return static_cast<uint32_t>(now / kDaySeconds) % kDays; }
std::string day_text(uint32_t day) { return {kBase32[day >> 5], kBase32[day & 31]}; }

std::optional<uint32_t> day_number(std::string_view text) {
  if (text.size() != 2) return std::nullopt;
  size_t high = kBase32.find(upper(text[0])), low = kBase32.find(upper(text[1]));
  if (high == kBase32.npos || low == kBase32.npos) return std::nullopt;
  return static_cast<uint32_t>(high * 32 + low);
}

// Cuts up to the next "=" off the front. Nothing: there is none.
std::optional<std::string_view> cut(std::string_view& text) {
  size_t at = text.find('=');
  if (at == text.npos) return std::nullopt;
  std::string_view out = text.substr(0, at);
  text.remove_prefix(at + 1);
  return out;
}

std::string first_text(std::string_view day, std::string_view domain, std::string_view local) { return "0\n" + lowered(day) + "\n" + lowered(domain) + "\n" + lowered(local); }
std::string later_text(std::string_view domain, std::string_view rest) { return "1\n" + lowered(domain) + "\n" + lowered(rest); }

bool is_separator(std::string_view text, size_t at) { return at < text.size() && std::string_view("=+-").find(text[at]) != std::string_view::npos; }

// Of an address that a forwarder before us has made: who was the first one, and what it made.
struct Earlier {
  std::string first, rest;  // the rest begins with a separator
};

std::optional<Earlier> read_earlier(std::string_view local, std::string_view domain) {
  if (begins(local, "srs0") && is_separator(local, 4)) return Earlier{std::string(domain), std::string(local.substr(4))};
  if (!begins(local, "srs1") || !is_separator(local, 4)) return std::nullopt;
  local.remove_prefix(5);
  auto hash = cut(local);
  auto first = hash ? cut(local) : std::nullopt;
  if (!first || first->empty() || !is_separator(local, 0)) return std::nullopt;
  return Earlier{std::string(*first), std::string(local)};
}

bool is_atom(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-/=?^_`{|}~";
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || kMarks.find(c) != kMarks.npos || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::string unquoted(std::string_view local) {
  if (local.size() < 2 || local.front() != '"' || local.back() != '"') return std::string(local);
  std::string out;
  for (size_t i = 1; i + 1 < local.size(); ++i) {
    if (local[i] == '\\' && i + 2 < local.size()) ++i;
    out += local[i];
  }
  return out;
}

std::string quoted(std::string_view name) {
  bool plain = !name.empty() && name.front() != '.' && name.back() != '.' && name.find("..") == name.npos && std::all_of(name.begin(), name.end(), [](char c) { return is_atom(c) || c == '.'; });
  if (plain) return std::string(name);
  std::string out = "\"";
  for (char c : name) out.append(c == '"' || c == '\\' ? "\\" : "").push_back(c);
  return out + "\"";
}

bool is_rewritten(std::string_view local) {
  if (local.starts_with('"')) local.remove_prefix(1);
  return begins(local, "srs0=") || begins(local, "srs1=") || begins(local, "srsk=");
}

std::string token_of(std::string_view local) {
  if (!begins(local, "srsk=") || local.size() != 5 + kTokenLength) return {};
  std::string out(local.substr(5));
  for (char& c : out) c = upper(c);
  bool good = std::all_of(out.begin(), out.end(), [](char c) { return kBase32.find(c) != kBase32.npos; });
  return good ? out : std::string();
}

Scheme::Scheme(std::vector<std::string> secrets, size_t hash_length, uint32_t most_days)
    : secrets_(std::move(secrets)), hash_length_(std::clamp<size_t>(hash_length, 4, 32)), most_days_(std::min(most_days, kDays / 2)) {}

std::string Scheme::hash(const std::string& secret, std::string_view text, size_t length) const {
  std::array<unsigned char, 32> out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return base32(out, length);
}

bool Scheme::is_hash(std::string_view given, std::string_view text) const {
  if (given.size() < hash_length_ || given.size() > kLongestHash) return false;
  std::string wanted = lowered(given);
  bool good = false;
  for (const std::string& secret : secrets_) good = CRYPTO_memcmp(lowered(hash(secret, text, given.size())).data(), wanted.data(), wanted.size()) == 0 || good;
  return good;
}

std::optional<std::string> Scheme::made(std::string_view local, std::string_view domain, int64_t now) const {
  if (secrets_.empty()) return std::nullopt;
  std::string name = unquoted(local), day = day_text(day_of(now)), out;
  if (auto earlier = read_earlier(name, domain)) out = "SRS1=" + hash(secrets_[0], later_text(earlier->first, earlier->rest), hash_length_) + "=" + lowered(earlier->first) + "=" + earlier->rest;
  else out = "SRS0=" + hash(secrets_[0], first_text(day, domain, name), hash_length_) + "=" + day + "=" + lowered(domain) + "=" + name;
  out = quoted(out);
  if (out.size() > kLongestLocal) return std::nullopt;
  return out;
}

bool Scheme::is_old(std::string_view day, int64_t now) const {
  uint32_t age = (day_of(now) + kDays - *day_number(day)) % kDays;
  return age > most_days_ && age != kDays - 1;  // a clock may be a day ahead
}

Back Scheme::read_first(std::string_view rest, int64_t now) const {
  auto given = cut(rest);
  auto day = given ? cut(rest) : std::nullopt;
  auto domain = day ? cut(rest) : std::nullopt;
  if (!domain || domain->empty() || rest.empty() || !day_number(*day)) return {Reading::malformed, {}};
  if (!is_hash(*given, first_text(*day, *domain, rest))) return {Reading::forged, {}};
  if (is_old(*day, now)) return {Reading::expired, {}};
  return {Reading::good, quoted(rest) + "@" + std::string(*domain)};
}

Back Scheme::read_later(std::string_view rest) const {
  auto given = cut(rest);
  auto first = given ? cut(rest) : std::nullopt;
  if (!first || first->empty() || !is_separator(rest, 0)) return {Reading::malformed, {}};
  if (!is_hash(*given, later_text(*first, rest))) return {Reading::forged, {}};
  return {Reading::good, quoted("SRS0" + std::string(rest)) + "@" + std::string(*first)};
}

Back Scheme::read(std::string_view local, int64_t now) const {
  std::string name = unquoted(local);
  if (begins(name, "srs0=")) return read_first(std::string_view(name).substr(5), now);
  if (begins(name, "srs1=")) return read_later(std::string_view(name).substr(5));
  return {};
}

std::string Scheme::token(std::string_view address, int64_t now) const {
  return secrets_.empty() ? std::string() : hash(secrets_[0], "k\n" + day_text(day_of(now)) + "\n" + std::string(address), kTokenLength);
}

}  // namespace srs
