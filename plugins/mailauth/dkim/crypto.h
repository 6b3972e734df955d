// Hashes, signatures and keys of DKIM (RFC 6376 3.3, RFC 8463), on OpenSSL. A key may be used by several threads at once. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

struct evp_pkey_st;
struct evp_md_ctx_st;

namespace mailauth {

using Digest = std::array<unsigned char, 32>;

class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256& other);  // goes on where the other is
  Sha256(Sha256&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();
  void add(std::string_view octets);
  Digest finish();  // once

 private:
  evp_md_ctx_st* context_;
};

Digest sha256(std::string_view octets);
std::string encode_base64(std::string_view octets);
inline std::string encode_base64(const Digest& digest) { return encode_base64({reinterpret_cast<const char*>(digest.data()), digest.size()}); }
// White space in it does not count. Nothing: not base64.
std::optional<std::string> decode_base64(std::string_view text);

enum class KeyKind : uint8_t { rsa, ed25519 };

// rsa-sha256, ed25519-sha256
std::string_view algorithm_of(KeyKind kind);

// A loop verifies so many microseconds of signatures of one message at once, and has the pool do more.
constexpr uint32_t kLoopCost = 100;

class PublicKey {
 public:
  // `octets`: RSA: SubjectPublicKeyInfo or RSAPublicKey in DER; ed25519: 32 octets (RFC 8463 4) or SubjectPublicKeyInfo. Null: no such key.
  static std::shared_ptr<const PublicKey> read(KeyKind kind, std::string_view octets);
  PublicKey(KeyKind kind, evp_pkey_st* key) : kind_(kind), key_(key) {}
  PublicKey(const PublicKey&) = delete;
  PublicKey& operator=(const PublicKey&) = delete;
  ~PublicKey();

  KeyKind kind() const { return kind_; }
  uint32_t bits() const;
  // Microseconds that verify() takes, as was measured; grows with the square of RSA's bits.
  uint32_t cost() const;
  // Is it the signature of the data whose SHA-256 is this?
  bool verify(const Digest& digest, std::string_view signature) const;

 private:
  KeyKind kind_;
  evp_pkey_st* key_;
};

class PrivateKey {
 public:
  // A key in PEM: PKCS #8 or PKCS #1, without a passphrase. Null and `problem`: a phrase that says what is wrong.
  static std::shared_ptr<const PrivateKey> from_pem(std::string_view pem, std::string* problem);
  static std::shared_ptr<const PrivateKey> generate(KeyKind kind, uint32_t bits);  // bits of RSA; null: none could be made
  PrivateKey(KeyKind kind, evp_pkey_st* key) : kind_(kind), key_(key) {}
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;
  ~PrivateKey();

  KeyKind kind() const { return kind_; }
  uint32_t bits() const;
  std::string sign(const Digest& digest) const;  // empty: it failed
  std::string pem() const;                        // PKCS #8
  std::string public_octets() const;              // as PublicKey::read() and p= have it

 private:
  KeyKind kind_;
  evp_pkey_st* key_;
};

}  // namespace mailauth
