// For tests and fuzzers: keys and certificates made on the spot with GnuTLS, right ones and wrong ones.
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace veredus::test {

inline void must(int code) {
  if (code < 0) throw std::runtime_error(gnutls_strerror(code));
}

// A certificate with its key; `der` is what goes on the wire.
class MadeCertificate {
 public:
  struct Wish {
    std::string subject = "leaf.test";
    std::vector<std::string> names;  // DNS names of subjectAltName
    bool ca = false;
    time_t from = time(nullptr) - 3600, until = time(nullptr) + 3600;
    const MadeCertificate* key_of = nullptr;  // the same key as that one
  };

  explicit MadeCertificate(const Wish& wish, const MadeCertificate* issuer = nullptr) {
    gnutls_x509_privkey_t raw_key = nullptr;
    must(gnutls_x509_privkey_init(&raw_key));
    key_.reset(raw_key, gnutls_x509_privkey_deinit);
    if (wish.key_of) must(gnutls_x509_privkey_cpy(raw_key, wish.key_of->key_.get()));
    else must(gnutls_x509_privkey_generate(raw_key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    gnutls_x509_crt_t raw = nullptr;
    must(gnutls_x509_crt_init(&raw));
    crt_.reset(raw, gnutls_x509_crt_deinit);
    fill(wish);
    const MadeCertificate& signer = issuer ? *issuer : *this;
    must(gnutls_x509_crt_sign2(raw, signer.crt_.get(), signer.key_.get(), GNUTLS_DIG_SHA256, 0));
    der = exported([&](gnutls_datum_t* out) { return gnutls_x509_crt_export2(raw, GNUTLS_X509_FMT_DER, out); });
    pem = exported([&](gnutls_datum_t* out) { return gnutls_x509_crt_export2(raw, GNUTLS_X509_FMT_PEM, out); });
    key_pem = exported([&](gnutls_datum_t* out) { return gnutls_x509_privkey_export2_pkcs8(raw_key, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, out); });
  }

  std::string der, pem, key_pem;

  std::string public_key() const {
    gnutls_pubkey_t key = nullptr;
    must(gnutls_pubkey_init(&key));
    std::unique_ptr<gnutls_pubkey_st, decltype(&gnutls_pubkey_deinit)> owned(key, gnutls_pubkey_deinit);
    must(gnutls_pubkey_import_x509(key, crt_.get(), 0));
    return exported([&](gnutls_datum_t* out) { return gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, out); });
  }

 private:
  template <typename Export>
  static std::string exported(Export call) {
    gnutls_datum_t out{nullptr, 0};
    must(call(&out));
    std::string text(reinterpret_cast<char*>(out.data), out.size);
    gnutls_free(out.data);
    return text;
  }

  void fill(const Wish& wish) {
    gnutls_x509_crt_t crt = crt_.get();
    static unsigned char serial = 0;
    ++serial;
    must(gnutls_x509_crt_set_version(crt, 3));
    must(gnutls_x509_crt_set_serial(crt, &serial, 1));
    must(gnutls_x509_crt_set_key(crt, key_.get()));
    must(gnutls_x509_crt_set_activation_time(crt, wish.from));
    must(gnutls_x509_crt_set_expiration_time(crt, wish.until));
    must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, wish.subject.data(), static_cast<unsigned>(wish.subject.size())));
    must(gnutls_x509_crt_set_basic_constraints(crt, wish.ca, -1));
    must(gnutls_x509_crt_set_key_usage(crt, wish.ca ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE));
    for (const std::string& name : wish.names)
      must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name.data(), static_cast<unsigned>(name.size()), GNUTLS_FSAN_APPEND));
  }

  std::shared_ptr<gnutls_x509_privkey_int> key_;
  std::shared_ptr<gnutls_x509_crt_int> crt_;
};

inline std::string hash_of(gnutls_digest_algorithm_t algorithm, const std::string& octets) {
  std::string out(gnutls_hash_get_len(algorithm), '\0');
  must(gnutls_hash_fast(algorithm, octets.data(), octets.size(), out.data()));
  return out;
}

// Octets of the TLSA record of these kinds that matches the certificate.
inline std::string tlsa_octets(int usage, int selector, int matching, const MadeCertificate& of) {
  std::string octets = selector == 0 ? of.der : of.public_key();
  if (matching == 1) octets = hash_of(GNUTLS_DIG_SHA256, octets);
  if (matching == 2) octets = hash_of(GNUTLS_DIG_SHA512, octets);
  return std::string{static_cast<char>(usage), static_cast<char>(selector), static_cast<char>(matching)} + octets;
}

}  // namespace veredus::test
