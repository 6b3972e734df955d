// Chains, names and dates of certificates, judged with GnuTLS.
#include "net/tls_verify.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <fstream>

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kMostCertificates = 16;
constexpr size_t kMostNames = 1000;

gnutls_datum_t datum(std::string_view octets) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(octets.data())), static_cast<unsigned>(octets.size())};
}

class Certificate {
 public:
  explicit Certificate(std::string_view der) {
    if (gnutls_x509_crt_init(&handle_) < 0) throw std::bad_alloc();
    gnutls_datum_t octets = datum(der);
    good_ = gnutls_x509_crt_import(handle_, &octets, GNUTLS_X509_FMT_DER) >= 0;
  }
  Certificate(Certificate&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)), good_(other.good_) {}
  ~Certificate() {
    if (handle_) gnutls_x509_crt_deinit(handle_);
  }
  gnutls_x509_crt_t get() const { return handle_; }
  explicit operator bool() const { return good_; }

 private:
  gnutls_x509_crt_t handle_ = nullptr;
  bool good_ = false;
};

class GnutlsAnchors final : public TrustAnchors {
 public:
  GnutlsAnchors() {
    if (gnutls_x509_trust_list_init(&list, 0) < 0) throw std::bad_alloc();
  }
  ~GnutlsAnchors() override { gnutls_x509_trust_list_deinit(list, 1); }
  gnutls_x509_trust_list_t list = nullptr;
};

std::string day(time_t when) { return iso8601(WallTime(Seconds(when))).substr(0, 10); }

std::string quoted_names(std::span<const std::string> names) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(names.size(), 5); ++i) out += (i ? ", " : "") + printable(names[i], 255);
  return names.size() > 5 ? out + ", ..." : out;
}

// "*.a.test" stands for one label, ".a.test" for any number of them; the other side may be a wildcard of the certificate.
bool name_fits(std::string_view wanted, std::string_view has) {
  if (wanted.starts_with('.')) return has.size() > wanted.size() && has.ends_with(wanted);
  if (wanted.starts_with("*.")) {
    size_t dot = has.find('.');
    return dot != std::string_view::npos && dot > 0 && has.substr(dot) == wanted.substr(1);
  }
  return false;
}

bool has_name(const Certificate& certificate, std::span<const std::string> own, const std::string& wanted) {
  if (!wanted.starts_with('.') && !wanted.starts_with('*')) return gnutls_x509_crt_check_hostname2(certificate.get(), wanted.c_str(), 0) != 0;
  return std::any_of(own.begin(), own.end(), [&](const std::string& name) { return name_fits(lowered(wanted), lowered(name)); });
}

CertificateVerdict bad(CertificateFault fault, std::string text) { return {fault, std::move(text)}; }

CertificateVerdict judge_dates(const std::vector<Certificate>& chain, WallTime now) {
  auto seconds = std::chrono::duration_cast<Seconds>(now.time_since_epoch()).count();
  for (const Certificate& one : chain) {
    time_t from = gnutls_x509_crt_get_activation_time(one.get()), until = gnutls_x509_crt_get_expiration_time(one.get());
    std::string which = &one == chain.data() ? "the certificate" : "a certificate of the chain";
    if (seconds > until) return bad(CertificateFault::expired, which + " has expired on " + day(until));
    if (seconds < from) return bad(CertificateFault::not_yet_valid, which + " is not valid before " + day(from));
  }
  return {};
}

CertificateVerdict judge_status(unsigned status) {
  if (status & GNUTLS_CERT_REVOKED) return bad(CertificateFault::revoked, "the certificate is revoked");
  if (status & GNUTLS_CERT_SIGNER_NOT_FOUND) return bad(CertificateFault::not_trusted, "no certificate authority that is trusted here has issued the certificate");
  if (status & GNUTLS_CERT_INSECURE_ALGORITHM) return bad(CertificateFault::not_trusted, "a signature in the chain uses an algorithm that is not secure");
  if (status & GNUTLS_CERT_SIGNER_NOT_CA) return bad(CertificateFault::not_trusted, "the certificate is signed by one that is no certificate authority");
  if (status & GNUTLS_CERT_PURPOSE_MISMATCH) return bad(CertificateFault::not_trusted, "the certificate is not meant for TLS servers");
  if (status & GNUTLS_CERT_SIGNATURE_FAILURE) return bad(CertificateFault::not_trusted, "a signature in the chain is wrong");
  return bad(CertificateFault::not_trusted, "the chain of the certificate cannot be verified");
}

CertificateVerdict judge_names(const Certificate& leaf, std::string_view der, std::span<const std::string> names) {
  if (names.empty()) return {};
  std::vector<std::string> own = certificate_names(der);
  for (const std::string& name : names)
    if (has_name(leaf, own, name)) return {};
  return bad(CertificateFault::host_mismatch,
             "the certificate is for " + (own.empty() ? std::string("no name") : quoted_names(own)) + ", not for " + quoted_names(names));
}

std::vector<Certificate> read_chain(std::span<const std::string> chain) {
  std::vector<Certificate> out;
  for (const std::string& der : chain.first(std::min(chain.size(), kMostCertificates))) {
    Certificate one(der);
    if (!one) return {};
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

Result<std::shared_ptr<const TrustAnchors>> TrustAnchors::load(const std::string& file) {
  if (!std::ifstream(file)) return fail(Errc::not_found, "the trust anchors in " + file + " cannot be read: " + std::generic_category().message(errno));
  auto out = std::make_shared<GnutlsAnchors>();
  int count = gnutls_x509_trust_list_add_trust_file(out->list, file.c_str(), nullptr, GNUTLS_X509_FMT_PEM, 0, 0);
  if (count <= 0) return fail(Errc::invalid, file + " holds no PEM certificate that can be read");
  return std::shared_ptr<const TrustAnchors>(std::move(out));
}

std::string_view certificate_fault_word(CertificateFault fault) {
  switch (fault) {
    case CertificateFault::none: return "success";
    case CertificateFault::expired:
    case CertificateFault::not_yet_valid: return "certificate-expired";
    case CertificateFault::host_mismatch: return "certificate-host-mismatch";
    case CertificateFault::not_trusted:
    case CertificateFault::revoked: return "certificate-not-trusted";
    case CertificateFault::missing:
    case CertificateFault::malformed: return "validation-failure";
  }
  return "validation-failure";
}

CertificateVerdict verify_chain(std::span<const std::string> chain, const TrustAnchors& anchors, std::span<const std::string> names, WallTime now) {
  if (chain.empty()) return bad(CertificateFault::missing, "the server sent no certificate");
  std::vector<Certificate> read = read_chain(chain);
  if (read.empty()) return bad(CertificateFault::malformed, "the server sent something that is not a certificate");
  if (CertificateVerdict dates = judge_dates(read, now); dates.fault != CertificateFault::none) return dates;
  std::vector<gnutls_x509_crt_t> raw;
  for (const Certificate& one : read) raw.push_back(one.get());
  gnutls_typed_vdata_st purpose{GNUTLS_DT_KEY_PURPOSE_OID, reinterpret_cast<unsigned char*>(const_cast<char*>(GNUTLS_KP_TLS_WWW_SERVER)), 0};
  unsigned status = 0;
  auto list = static_cast<const GnutlsAnchors&>(anchors).list;
  // Dates were judged by `now`.
  constexpr unsigned kFlags = GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_CRL_CHECKS | GNUTLS_VERIFY_ALLOW_UNSORTED_CHAIN;
  int code = gnutls_x509_trust_list_verify_crt2(list, raw.data(), static_cast<unsigned>(raw.size()), &purpose, 1, kFlags, &status, nullptr);
  if (code < 0 || status != 0) return judge_status(status);
  return judge_names(read[0], chain[0], names);
}

CertificateVerdict verify_names(std::string_view certificate, std::span<const std::string> names) {
  Certificate leaf(certificate);
  if (!leaf) return bad(CertificateFault::malformed, "the server sent something that is not a certificate");
  return judge_names(leaf, certificate, names);
}

std::string certificate_fingerprint(std::string_view certificate) {
  std::string digest(32, '\0');
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, certificate.data(), certificate.size(), digest.data()) < 0) return {};
  std::string out;
  for (unsigned char octet : digest) {
    out += "0123456789abcdef"[octet >> 4];
    out += "0123456789abcdef"[octet & 15];
  }
  return out;
}

bool is_fingerprint_of(std::span<const std::string> fingerprints, std::string_view fingerprint) {
  return std::any_of(fingerprints.begin(), fingerprints.end(), [&](const std::string& written) {
    std::string plain;
    for (char c : written)
      if (c != ':' && c != ' ') plain += ascii_lower(c);
    return !plain.empty() && plain == fingerprint;
  });
}

std::string certificate_subject(std::string_view certificate) {
  Certificate read(certificate);
  gnutls_datum_t text{};
  if (!read || gnutls_x509_crt_get_dn3(read.get(), &text, 0) < 0) return {};
  std::string out = printable(std::string_view(reinterpret_cast<char*>(text.data), text.size), 512);
  gnutls_free(text.data);
  return out;
}

std::vector<std::string> certificate_names(std::string_view certificate) {
  Certificate read(certificate);
  std::vector<std::string> out;
  if (!read) return out;
  for (unsigned i = 0; i < kMostNames; ++i) {
    std::string name(256, '\0');
    size_t size = name.size();
    int kind = gnutls_x509_crt_get_subject_alt_name(read.get(), i, name.data(), &size, nullptr);
    if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) break;
    if (kind != GNUTLS_SAN_DNSNAME) continue;
    name.resize(size);
    if (name.find('\0') == std::string::npos) out.push_back(std::move(name));
  }
  if (!out.empty()) return out;
  std::string name(256, '\0');
  size_t size = name.size();
  if (gnutls_x509_crt_get_dn_by_oid(read.get(), GNUTLS_OID_X520_COMMON_NAME, 0, 0, name.data(), &size) < 0) return out;
  name.resize(size);
  if (name.find('\0') == std::string::npos) out.push_back(std::move(name));
  return out;
}

WallTime certificate_expiry(std::string_view certificate) {
  Certificate read(certificate);
  return read ? WallTime(Seconds(gnutls_x509_crt_get_expiration_time(read.get()))) : WallTime();
}

}  // namespace veredus
