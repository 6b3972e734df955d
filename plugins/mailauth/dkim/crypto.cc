#include "mailauth/dkim/crypto.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <new>
#include <vector>

namespace mailauth {

namespace {

struct FreeContext {
  void operator()(EVP_PKEY_CTX* it) const { EVP_PKEY_CTX_free(it); }
  void operator()(EVP_MD_CTX* it) const { EVP_MD_CTX_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
};
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeContext>;
using HashContext = std::unique_ptr<EVP_MD_CTX, FreeContext>;
using Bio = std::unique_ptr<BIO, FreeContext>;

// Looked up once: a look-up takes longer than hashing a header.
const EVP_MD* sha256_method() {
  static const EVP_MD* const the = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return the ? the : EVP_sha256();
}

const unsigned char* octets_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// Nothing of a failure is left for whoever asks OpenSSL next on this thread.
template <typename T>
T quietly(T result) {
  ERR_clear_error();
  return result;
}

std::optional<KeyKind> kind_of(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return KeyKind::rsa;
    case EVP_PKEY_ED25519: return KeyKind::ed25519;
    default: return std::nullopt;
  }
}

bool prepare_rsa(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0 && EVP_PKEY_CTX_set_signature_md(context, sha256_method()) > 0;
}

std::string sign_rsa(EVP_PKEY* key, const Digest& digest) {
  KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  std::string out(static_cast<size_t>(EVP_PKEY_get_size(key)), '\0');
  size_t size = out.size();
  bool done = context && EVP_PKEY_sign_init(context.get()) > 0 && prepare_rsa(context.get()) &&
              EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, digest.data(), digest.size()) > 0;
  out.resize(done ? size : 0);
  return out;
}

std::string sign_ed25519(EVP_PKEY* key, const Digest& digest) {
  HashContext context(EVP_MD_CTX_new());
  std::string out(64, '\0');
  size_t size = out.size();
  bool done = context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) > 0 &&
              EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, digest.data(), digest.size()) > 0;
  out.resize(done ? size : 0);
  return out;
}

bool verify_rsa(EVP_PKEY* key, const Digest& digest, std::string_view signature) {
  KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  return context && EVP_PKEY_verify_init(context.get()) > 0 && prepare_rsa(context.get()) &&
         EVP_PKEY_verify(context.get(), octets_of(signature), signature.size(), digest.data(), digest.size()) == 1;
}

bool verify_ed25519(EVP_PKEY* key, const Digest& digest, std::string_view signature) {
  HashContext context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) > 0 &&
         EVP_DigestVerify(context.get(), octets_of(signature), signature.size(), digest.data(), digest.size()) == 1;
}

// With an exponent of thousands of bits a stranger would let every signature cost us milliseconds.
bool has_short_exponent(const EVP_PKEY* key) {
  BIGNUM* exponent = nullptr;
  bool fits = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) > 0 && BN_num_bits(exponent) <= 64;
  BN_free(exponent);
  return fits;
}

EVP_PKEY* read_rsa(std::string_view octets) {
  const unsigned char* at = octets_of(octets);
  auto size = static_cast<long>(octets.size());
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, size);
  if (!key) {
    at = octets_of(octets);
    key = d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, size);
  }
  if (!key || kind_of(key) != KeyKind::rsa || has_short_exponent(key)) return key;
  EVP_PKEY_free(key);
  return nullptr;
}

EVP_PKEY* read_ed25519(std::string_view octets) {
  if (octets.size() == 32) return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets_of(octets), octets.size());
  const unsigned char* at = octets_of(octets);
  return d2i_PUBKEY(nullptr, &at, static_cast<long>(octets.size()));
}

int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_, sha256_method(), nullptr) <= 0) throw std::bad_alloc();
}
Sha256::Sha256(const Sha256& other) : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_MD_CTX_copy_ex(context_, other.context_) <= 0) throw std::bad_alloc();
}
Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

void Sha256::add(std::string_view octets) {
  if (!octets.empty()) EVP_DigestUpdate(context_, octets.data(), octets.size());
}

Digest Sha256::finish() {
  Digest out{};
  EVP_DigestFinal_ex(context_, out.data(), nullptr);
  return out;
}

Digest sha256(std::string_view octets) {
  Sha256 hash;
  hash.add(octets);
  return hash.finish();
}

std::string encode_base64(std::string_view octets) {
  std::string out((octets.size() + 2) / 3 * 4 + 1, '\0');
  int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), octets_of(octets), static_cast<int>(octets.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string packed;
  for (char c : text)
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') packed += c;
  if (!packed.ends_with('=')) packed.append((4 - packed.size() % 4) % 4, '=');  // some leave the padding out
  size_t padding = packed.size() - std::min(packed.size(), packed.find_last_not_of('=') + 1);
  if (packed.empty() || packed.size() % 4 != 0 || padding > 2 || packed.find('=') < packed.size() - padding) return std::nullopt;
  std::string out(packed.size() / 4 * 3, '\0');
  int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), octets_of(packed), static_cast<int>(packed.size()));
  if (quietly(size) < 0) return std::nullopt;
  out.resize(static_cast<size_t>(size) - padding);
  return out;
}

std::string_view algorithm_of(KeyKind kind) { return kind == KeyKind::rsa ? "rsa-sha256" : "ed25519-sha256"; }

std::shared_ptr<const PublicKey> PublicKey::read(KeyKind kind, std::string_view octets) {
  EVP_PKEY* key = kind == KeyKind::rsa ? read_rsa(octets) : read_ed25519(octets);
  ERR_clear_error();
  if (!key) return nullptr;
  auto out = std::make_shared<const PublicKey>(kind, key);
  return kind_of(key) == kind ? out : nullptr;
}

PublicKey::~PublicKey() { EVP_PKEY_free(key_); }
uint32_t PublicKey::bits() const { return static_cast<uint32_t>(EVP_PKEY_get_bits(key_)); }

// Measured with openssl speed and dkim_bench: RSA 1024: 4, 2048: 13, 4096: 47, 7680: 162; ed25519: 61. Exponents are short, see read_rsa().
uint32_t PublicKey::cost() const {
  constexpr uint64_t kRsa2048 = 13, kEd25519 = 61;
  return static_cast<uint32_t>(kind_ == KeyKind::ed25519 ? kEd25519 : std::max<uint64_t>(1, kRsa2048 * bits() * bits() / (2'048 * 2'048)));
}

bool PublicKey::verify(const Digest& digest, std::string_view signature) const {
  return quietly(kind_ == KeyKind::rsa ? verify_rsa(key_, digest, signature) : verify_ed25519(key_, digest, signature));
}

std::shared_ptr<const PrivateKey> PrivateKey::from_pem(std::string_view pem, std::string* problem) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EVP_PKEY* key = bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr;
  ERR_clear_error();
  if (!key) {
    bool locked = pem.find("ENCRYPTED") != std::string_view::npos;
    if (problem) *problem = locked ? "is protected by a passphrase" : "holds no private key in PEM";
    return nullptr;
  }
  std::optional<KeyKind> kind = kind_of(key);
  auto out = std::make_shared<const PrivateKey>(kind.value_or(KeyKind::rsa), key);
  if (kind && (*kind != KeyKind::rsa || out->bits() >= 1024)) return out;
  if (problem) *problem = kind ? "holds an RSA key of " + std::to_string(out->bits()) + " bits; 1024 are the least" : "holds a key that is neither RSA nor ed25519";
  return nullptr;
}

std::shared_ptr<const PrivateKey> PrivateKey::generate(KeyKind kind, uint32_t bits) {
  EVP_PKEY* key = kind == KeyKind::rsa ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(bits)) : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  ERR_clear_error();
  return key ? std::make_shared<const PrivateKey>(kind, key) : nullptr;
}

PrivateKey::~PrivateKey() { EVP_PKEY_free(key_); }
uint32_t PrivateKey::bits() const { return static_cast<uint32_t>(EVP_PKEY_get_bits(key_)); }

std::string PrivateKey::sign(const Digest& digest) const {
  return quietly(kind_ == KeyKind::rsa ? sign_rsa(key_, digest) : sign_ed25519(key_, digest));
}

std::string PrivateKey::pem() const {
  Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_, nullptr, nullptr, 0, nullptr, nullptr) <= 0) return {};
  char* data = nullptr;
  long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string PrivateKey::public_octets() const {
  if (kind_ == KeyKind::ed25519) {
    std::string out(32, '\0');
    size_t size = out.size();
    EVP_PKEY_get_raw_public_key(key_, reinterpret_cast<unsigned char*>(out.data()), &size);
    return out;
  }
  unsigned char* octets = nullptr;
  int size = i2d_PUBKEY(key_, &octets);
  std::string out(reinterpret_cast<char*>(octets), size > 0 ? static_cast<size_t>(size) : 0);
  OPENSSL_free(octets);
  return out;
}

}  // namespace mailauth
