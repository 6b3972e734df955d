// Reads certificates with GnuTLS.
#include "net/certificate_facts.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include <memory>

#include "base/text.h"
#include "net/certificate_der.h"
#include "net/tls_verify.h"

namespace veredus {

namespace {

constexpr size_t kLongestName = 1000;

gnutls_datum_t datum(std::string_view octets) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(octets.data())), static_cast<unsigned>(octets.size())};
}

using Handle = std::unique_ptr<gnutls_x509_crt_int, decltype(&gnutls_x509_crt_deinit)>;

Handle import_certificate(std::string_view der) {
  gnutls_x509_crt_t raw = nullptr;
  if (gnutls_x509_crt_init(&raw) < 0) return {nullptr, gnutls_x509_crt_deinit};
  Handle out(raw, gnutls_x509_crt_deinit);
  gnutls_datum_t octets = datum(der);
  if (gnutls_x509_crt_import(raw, &octets, GNUTLS_X509_FMT_DER) < 0) out.reset();
  return out;
}

template <typename Get>
std::string name_by(Get get) {
  gnutls_datum_t text{nullptr, 0};
  if (get(&text) < 0) return {};
  std::string out = printable({reinterpret_cast<char*>(text.data), text.size}, kLongestName);
  gnutls_free(text.data);
  return out;
}

std::string key_text(gnutls_x509_crt_t crt) {
  unsigned bits = 0;
  int algorithm = gnutls_x509_crt_get_pk_algorithm(crt, &bits);
  if (algorithm < 0) return "a key of a kind that is not known";
  const char* name = gnutls_pk_get_name(static_cast<gnutls_pk_algorithm_t>(algorithm));
  std::string out = std::string(name ? name : "?") + " " + std::to_string(bits) + " bits";
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  if (gnutls_x509_crt_get_pk_ecc_raw(crt, &curve, nullptr, nullptr) < 0) return out;
  const char* curve_name = gnutls_ecc_curve_get_name(curve);
  return curve_name ? out + " (" + curve_name + ")" : out;
}

WallTime at(time_t seconds) { return WallTime(Seconds(seconds)); }

std::string digest(gnutls_digest_algorithm_t algorithm, std::string_view octets) {
  std::string out(gnutls_hash_get_len(algorithm), '\0');
  return gnutls_hash_fast(algorithm, octets.data(), octets.size(), out.data()) < 0 ? std::string() : out;
}

}  // namespace

int64_t CertificateFacts::days_left(WallTime now) const { return std::chrono::floor<std::chrono::days>(until - now).count(); }

CertificateFacts certificate_facts(std::string_view der) {
  CertificateFacts out;
  Handle crt = import_certificate(der);
  if (!crt) return out;
  gnutls_x509_crt_t raw = crt.get();
  out.readable = true;
  out.subject = name_by([&](gnutls_datum_t* text) { return gnutls_x509_crt_get_dn3(raw, text, 0); });
  out.issuer = name_by([&](gnutls_datum_t* text) { return gnutls_x509_crt_get_issuer_dn3(raw, text, 0); });
  out.names = certificate_names(der);
  out.from = at(gnutls_x509_crt_get_activation_time(raw));
  out.until = at(gnutls_x509_crt_get_expiration_time(raw));
  out.key = key_text(raw);
  const char* algorithm = gnutls_sign_get_name(static_cast<gnutls_sign_algorithm_t>(gnutls_x509_crt_get_signature_algorithm(raw)));
  out.signature = algorithm ? algorithm : "?";
  out.fingerprint = certificate_fingerprint(der);
  out.self_issued = gnutls_x509_crt_check_issuer(raw, raw) != 0;
  unsigned critical = 0;
  out.ca = gnutls_x509_crt_get_ca_status(raw, &critical) > 0;
  return out;
}

std::optional<TlsaRecord> make_tlsa(std::string_view der, uint8_t usage, uint8_t selector, uint8_t matching) {
  auto parts = certificate_parts(der);
  if (!parts || selector > 1 || matching > 2) return std::nullopt;
  std::string_view octets = selector == 0 ? der : parts->public_key;
  TlsaRecord out{usage, selector, matching, {}};
  out.data = matching == 0 ? std::string(octets) : digest(matching == 1 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512, octets);
  return out;
}

}  // namespace veredus
