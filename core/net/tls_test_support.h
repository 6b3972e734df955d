// For tests: certificates made on the spot, and files of them that go away with the object.
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace veredus::testing {

struct MadeCertificate {
  std::string cert_pem, key_pem, der;
  std::string chain_pem() const { return cert_pem; }
};

struct CertificateWish {
  std::vector<std::string> names{"mx.test"};
  bool ca = false, rsa = false;
  int from_days = -1, until_days = 30;  // from now
  const MadeCertificate* issuer = nullptr;  // null: signs itself
};

inline std::string exported(gnutls_x509_privkey_t key) {
  gnutls_datum_t out{};
  gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &out);
  std::string text(reinterpret_cast<char*>(out.data), out.size);
  gnutls_free(out.data);
  return text;
}

inline std::string exported(gnutls_x509_crt_t certificate, gnutls_x509_crt_fmt_t form) {
  gnutls_datum_t out{};
  gnutls_x509_crt_export2(certificate, form, &out);
  std::string text(reinterpret_cast<char*>(out.data), out.size);
  gnutls_free(out.data);
  return text;
}

inline gnutls_datum_t as_datum(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

inline MadeCertificate make_certificate(const CertificateWish& wish) {
  gnutls_x509_privkey_t key = nullptr, issuer_key = nullptr;
  gnutls_x509_crt_t certificate = nullptr, issuer = nullptr;
  gnutls_x509_privkey_init(&key);
  if (wish.rsa) gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0);
  else gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  gnutls_x509_crt_init(&certificate);
  gnutls_x509_crt_set_version(certificate, 3);
  unsigned char serial[8];
  gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
  serial[0] &= 0x7f;
  gnutls_x509_crt_set_serial(certificate, serial, sizeof serial);
  time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  gnutls_x509_crt_set_activation_time(certificate, now + wish.from_days * 86'400);
  gnutls_x509_crt_set_expiration_time(certificate, now + wish.until_days * 86'400);
  gnutls_x509_crt_set_key(certificate, key);
  std::string common = wish.names.empty() ? "test" : wish.names[0];
  gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, common.data(), static_cast<unsigned>(common.size()));
  for (const std::string& name : wish.names)
    if (!wish.ca) gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name.data(), static_cast<unsigned>(name.size()), GNUTLS_FSAN_APPEND);
  gnutls_x509_crt_set_basic_constraints(certificate, wish.ca, -1);
  gnutls_x509_crt_set_key_usage(certificate, wish.ca ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_ENCIPHERMENT);
  if (wish.issuer) {
    gnutls_datum_t cert_pem = as_datum(wish.issuer->cert_pem), key_pem = as_datum(wish.issuer->key_pem);
    gnutls_x509_crt_init(&issuer);
    gnutls_x509_crt_import(issuer, &cert_pem, GNUTLS_X509_FMT_PEM);
    gnutls_x509_privkey_init(&issuer_key);
    gnutls_x509_privkey_import(issuer_key, &key_pem, GNUTLS_X509_FMT_PEM);
  }
  gnutls_x509_crt_sign2(certificate, issuer ? issuer : certificate, issuer_key ? issuer_key : key, GNUTLS_DIG_SHA256, 0);
  MadeCertificate out{exported(certificate, GNUTLS_X509_FMT_PEM), exported(key), exported(certificate, GNUTLS_X509_FMT_DER)};
  gnutls_x509_crt_deinit(certificate);
  gnutls_x509_privkey_deinit(key);
  if (issuer) gnutls_x509_crt_deinit(issuer);
  if (issuer_key) gnutls_x509_privkey_deinit(issuer_key);
  return out;
}

class CertificateFiles {
 public:
  CertificateFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "veredus-tls-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
  }
  ~CertificateFiles() { std::filesystem::remove_all(dir_); }
  CertificateFiles(const CertificateFiles&) = delete;

  // Writes beside and renames, as programs that renew certificates do.
  std::string put(const std::string& name, const std::string& text) const {
    std::filesystem::path path = dir_ / name, fresh = dir_ / (name + ".new");
    std::ofstream(fresh, std::ios::binary) << text;
    std::filesystem::permissions(fresh, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::filesystem::rename(fresh, path);
    return path.string();
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

 private:
  std::filesystem::path dir_;
};

}  // namespace veredus::testing
