// Reading and checking certificates and keys.
#include "net/tls_pair.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "base/text.h"
#include "net/secret_file.h"
#include "net/tls_verify.h"

namespace veredus {

namespace {

constexpr size_t kLargestFile = 1 << 20;
constexpr auto kWarnBefore = std::chrono::hours(24 * 14);

gnutls_datum_t datum(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

Result<std::string> read_file(const std::string& path, const char* what) {
  Result<int> file = open_secret(path);
  if (!file) return fail(file.error().code, std::string(what) + " " + path + " cannot be read: " + file.error().text);
  std::string text;
  char piece[16'384];
  ssize_t got = 0;
  while (text.size() <= kLargestFile && (got = read(*file, piece, sizeof piece)) > 0) text.append(piece, static_cast<size_t>(got));
  int error = errno;
  close(*file);
  if (got < 0) return fail(Errc::io, std::string(what) + " " + path + " cannot be read: " + std::generic_category().message(error));
  if (text.size() > kLargestFile) return fail(Errc::invalid, std::string(what) + " " + path + " is larger than 1 MiB");
  return text;
}

std::string day(WallTime when) { return iso8601(when).substr(0, 10); }

struct Chain {
  gnutls_x509_crt_t* list = nullptr;
  unsigned count = 0;
  ~Chain() {
    for (unsigned i = 0; i < count; ++i) gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
  }
};

std::string der_of(gnutls_x509_crt_t certificate) {
  gnutls_datum_t der{};
  if (gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, &der) < 0) return {};
  std::string out(reinterpret_cast<char*>(der.data), der.size);
  gnutls_free(der.data);
  return out;
}

Status check_chain(TlsPair& pair, WallTime now) {
  Chain chain;
  gnutls_datum_t pem = datum(pair.cert_pem);
  if (gnutls_x509_crt_list_import2(&chain.list, &chain.count, &pem, GNUTLS_X509_FMT_PEM, 0) < 0 || chain.count == 0)
    return fail(Errc::invalid, "certificate " + pair.cert_path + " is not a PEM certificate (a file that begins with -----BEGIN CERTIFICATE-----)");
  std::string der = der_of(chain.list[0]);
  pair.info = {pair.cert_path, certificate_subject(der), certificate_fingerprint(der), certificate_names(der), certificate_expiry(der), {}};
  for (unsigned i = 0; i < chain.count; ++i) pair.info.chain.push_back(der_of(chain.list[i]));
  WallTime begins{Seconds(gnutls_x509_crt_get_activation_time(chain.list[0]))};
  if (now >= pair.info.expires)
    return fail(Errc::invalid, "certificate " + pair.cert_path + " has expired on " + day(pair.info.expires) + "; renew it");
  if (now < begins) return fail(Errc::invalid, "certificate " + pair.cert_path + " is not valid before " + day(begins) + "; check the clock");
  if (pair.info.expires - now < kWarnBefore) pair.warning = "certificate " + pair.cert_path + " expires on " + day(pair.info.expires);
  auto algorithm = gnutls_x509_crt_get_pk_algorithm(chain.list[0], nullptr);
  pair.elliptic = algorithm == GNUTLS_PK_ECDSA || algorithm == GNUTLS_PK_EDDSA_ED25519 || algorithm == GNUTLS_PK_EDDSA_ED448;
  return {};
}

Status add_pair(gnutls_certificate_credentials_t credentials, const TlsPair& pair) {
  gnutls_datum_t cert = datum(pair.cert_pem), key = datum(pair.key_pem);
  int code = gnutls_certificate_set_x509_key_mem2(credentials, &cert, &key, GNUTLS_X509_FMT_PEM, nullptr, 0);
  if (code >= 0) return {};
  if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
    return fail(Errc::invalid, "key " + pair.key_path + " does not belong to certificate " + pair.cert_path + "; give the key that the certificate was made with");
  if (pair.key_pem.find("ENCRYPTED") != std::string::npos)
    return fail(Errc::invalid, "key " + pair.key_path + " is encrypted; store it without a passphrase, readable by root or the worker's user only");
  return fail(Errc::invalid, "key " + pair.key_path + " is not a PEM private key: " + gnutls_strerror(code));
}

void check_mode(TlsPair& pair) {
  struct stat about {};
  if (stat(pair.key_path.c_str(), &about) == 0 && (about.st_mode & S_IROTH) != 0)
    pair.warning = "key " + pair.key_path + " can be read by everybody; chmod o= it";
}

}  // namespace

TlsPair::~TlsPair() { gnutls_memset(key_pem.data(), 0, key_pem.size()); }

FileStamp stamp_of(const std::string& path) {
  struct stat about {};
  if (!stat_secret(path, about)) return {};
  return {about.st_mtim.tv_sec, about.st_mtim.tv_nsec, about.st_ino, static_cast<uint64_t>(about.st_size)};
}

Result<std::shared_ptr<const TlsPair>> read_pair(const std::string& cert_path, const std::string& key_path, WallTime now) {
  auto pair = std::make_shared<TlsPair>();
  pair->cert_path = cert_path;
  pair->key_path = key_path;
  pair->cert_stamp = stamp_of(cert_path);
  pair->key_stamp = stamp_of(key_path);
  auto cert = read_file(cert_path, "certificate");
  if (!cert) return cert.error();
  auto key = read_file(key_path, "key");
  if (!key) return key.error();
  pair->cert_pem = std::move(*cert);
  pair->key_pem = std::move(*key);
  if (Status sound = check_chain(*pair, now); !sound) return sound.error();
  auto tried = make_credentials({pair}, {});
  if (!tried) return tried.error();
  check_mode(*pair);
  return std::shared_ptr<const TlsPair>(std::move(pair));
}

Result<TlsCredentials> make_credentials(std::vector<std::shared_ptr<const TlsPair>> pairs, const std::string& client_ca) {
  gnutls_certificate_credentials_t raw = nullptr;
  if (gnutls_certificate_allocate_credentials(&raw) < 0) return fail(Errc::limit, "no memory for credentials");
  TlsCredentials out(raw, &gnutls_certificate_free_credentials);
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a->elliptic && !b->elliptic; });
  for (const auto& pair : pairs)
    if (Status added = add_pair(raw, *pair); !added) return added.error();
  if (!client_ca.empty()) {
    int count = gnutls_certificate_set_x509_trust_file(raw, client_ca.c_str(), GNUTLS_X509_FMT_PEM);
    if (count <= 0) return fail(Errc::invalid, "tls.client_ca: " + client_ca + " holds no PEM certificate that can be read");
  }
  return out;
}

}  // namespace veredus
