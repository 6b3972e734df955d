// Whether a chain matches TLSA records. Usage 3 compares octets. Usage 2 looks for a path from the server's certificate through what was sent
// to a certificate or key that a record names, and has GnuTLS verify that path with that anchor alone.
#include "net/dane.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "net/certificate_der.h"

namespace veredus {

namespace {

constexpr size_t kMostCertificates = 16;
constexpr unsigned kMostSteps = 256;  // of the search for a path
constexpr unsigned kMostJudged = 16;  // paths with an anchor that are verified
constexpr uint8_t kAnchor = 2, kEndEntity = 3;

gnutls_datum_t datum(std::string_view octets) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(octets.data())), static_cast<unsigned>(octets.size())};
}

template <typename Handle, void (*destroy)(Handle)>
class Owned {
 public:
  explicit Owned(Handle handle = nullptr) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept { return std::swap(handle_, other.handle_), *this; }
  ~Owned() {
    if (handle_) destroy(handle_);
  }
  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  Handle handle_;
};
using Crt = Owned<gnutls_x509_crt_t, gnutls_x509_crt_deinit>;
using Key = Owned<gnutls_pubkey_t, gnutls_pubkey_deinit>;

Crt import_certificate(std::string_view der) {
  gnutls_x509_crt_t raw = nullptr;
  if (gnutls_x509_crt_init(&raw) < 0) return Crt();
  Crt out(raw);
  gnutls_datum_t octets = datum(der);
  return gnutls_x509_crt_import(raw, &octets, GNUTLS_X509_FMT_DER) < 0 ? Crt() : std::move(out);
}

Key import_key(std::string_view der) {
  gnutls_pubkey_t raw = nullptr;
  if (gnutls_pubkey_init(&raw) < 0) return Key();
  Key out(raw);
  gnutls_datum_t octets = datum(der);
  return gnutls_pubkey_import(raw, &octets, GNUTLS_X509_FMT_DER) < 0 ? Key() : std::move(out);
}

std::string digest(gnutls_digest_algorithm_t algorithm, std::string_view octets) {
  std::string out(gnutls_hash_get_len(algorithm), '\0');
  return gnutls_hash_fast(algorithm, octets.data(), octets.size(), out.data()) < 0 ? std::string() : out;
}

// A certificate that was sent, with what records are compared with; digests are made when first wanted.
struct Sent {
  explicit Sent(std::string_view octets) : der(octets), parts(certificate_parts(octets)) {}
  std::string_view der;
  std::optional<CertificateParts> parts;
  Crt crt;
  std::array<std::string, 6> known;

  const std::string& form(uint8_t selector, uint8_t matching) {
    std::string& out = known[selector * 3u + matching];
    std::string_view octets = selector == 0 ? der : parts ? parts->public_key : std::string_view();
    if (!out.empty() || octets.empty()) return out;
    out = matching == 0 ? std::string(octets) : digest(matching == 1 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512, octets);
    return out;
  }
  bool is(const TlsaRecord& record) {
    const std::string& mine = form(record.selector, record.matching);
    return !mine.empty() && mine == record.data;
  }
};

// RFC 7671 9: of the digests of one usage and selector, the strongest that is published.
std::vector<const TlsaRecord*> strongest(const std::vector<TlsaRecord>& records, uint8_t usage) {
  std::array<bool, 2> has_sha512{};
  for (const TlsaRecord& one : records)
    if (one.usage == usage && one.selector < 2 && one.matching == 2) has_sha512[one.selector] = true;
  std::vector<const TlsaRecord*> out;
  for (const TlsaRecord& one : records)
    if (one.usage == usage && one.selector < 2 && one.matching < 3 && !(one.matching == 1 && has_sha512[one.selector])) out.push_back(&one);
  return out;
}

std::string day(time_t when) { return iso8601(WallTime(Seconds(when))).substr(0, 10); }

bool signed_by(const Sent& subject, gnutls_pubkey_t key) {
  gnutls_datum_t raw{nullptr, 0};
  std::string signature(8192, '\0');
  size_t size = signature.size();
  if (gnutls_x509_crt_get_signature(subject.crt.get(), signature.data(), &size) < 0) return false;
  raw = datum(std::string_view(signature).substr(0, size));
  gnutls_datum_t octets = datum(subject.parts->to_be_signed);
  auto algorithm = static_cast<gnutls_sign_algorithm_t>(gnutls_x509_crt_get_signature_algorithm(subject.crt.get()));
  return algorithm != GNUTLS_SIGN_UNKNOWN && gnutls_pubkey_verify_data2(key, algorithm, 0, &octets, &raw) >= 0;
}

// The key of a record, or of the certificate in it.
struct AnchorKey {
  const TlsaRecord* record = nullptr;
  Crt crt;  // of "2 0 0"
  Key key;  // of "2 1 0"
};

std::string_view why_not(unsigned status) {
  if (status & GNUTLS_CERT_INSECURE_ALGORITHM) return "a signature in the chain uses an algorithm that is not secure";
  if (status & GNUTLS_CERT_SIGNER_NOT_CA) return "a certificate in the chain that signs another one is not that of a CA";
  if (status & GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE) return "the chain breaks a constraint of one of its CAs";
  if (status & GNUTLS_CERT_PURPOSE_MISMATCH) return "the certificate is not meant for TLS servers";
  if (status & GNUTLS_CERT_SIGNATURE_FAILURE) return "a signature in the chain is wrong";
  return "the chain cannot be verified up to the anchor of the record";
}

class AnchorSearch {
 public:
  AnchorSearch(std::vector<Sent>& sent, std::vector<const TlsaRecord*> records, std::span<const std::string> names, WallTime now)
      : sent_(sent), records_(std::move(records)), names_(names), now_(std::chrono::duration_cast<Seconds>(now.time_since_epoch()).count()) {
    for (const TlsaRecord* record : records_) add_key(record);
  }

  DaneVerdict run() {
    if (!sent_.empty() && sent_[0].crt && !records_.empty()) {
      path_.push_back(0);
      climb();
    }
    return std::move(verdict_);
  }

 private:
  void add_key(const TlsaRecord* record) {
    if (record->matching != 0) return;
    AnchorKey anchor;
    anchor.record = record;
    if (record->selector == 0) anchor.crt = import_certificate(record->data);
    else anchor.key = import_key(record->data);
    if (anchor.crt || anchor.key) keys_.push_back(std::move(anchor));
  }

  // True: a path was found and accepted. The first reason why a path with an anchor was not is kept.
  bool climb() {
    if (path_.size() > 1 && try_sent_anchor()) return true;
    if (try_keys()) return true;
    for (size_t next = 1; next < sent_.size(); ++next) {
      if (std::find(path_.begin(), path_.end(), next) != path_.end() || !issued(next)) continue;
      path_.push_back(next);
      if (climb()) return true;
      path_.pop_back();
    }
    return false;
  }

  bool try_sent_anchor() {
    Sent& top = sent_[path_.back()];
    for (const TlsaRecord* record : records_)
      if (top.is(*record) && accept(*record, top.crt.get())) return true;
    return false;
  }

  bool try_keys() {
    Sent& top = sent_[path_.back()];
    for (const AnchorKey& anchor : keys_) {
      if (steps_ == 0) return false;
      --steps_;
      if (anchor.crt && gnutls_x509_crt_check_issuer(top.crt.get(), anchor.crt.get()) && accept(*anchor.record, anchor.crt.get())) return true;
      if (anchor.key && signed_by(top, anchor.key.get()) && accept(*anchor.record, path_.size() > 1 ? top.crt.get() : nullptr)) return true;
    }
    return false;
  }

  // By the names and key identifiers only: whether the signature is right, accept() has verified.
  bool issued(size_t issuer) {
    if (steps_ == 0) return false;
    --steps_;
    return gnutls_x509_crt_check_issuer(sent_[path_.back()].crt.get(), sent_[issuer].crt.get()) != 0;
  }

  // `anchor` null: the record's key signed the server's certificate itself, and there is nothing between them.
  bool accept(const TlsaRecord& record, gnutls_x509_crt_t anchor) {
    if (judged_++ >= kMostJudged) return false;
    DaneVerdict found;
    found.by = record;
    found.text = anchor ? fault_of_path(anchor) : std::string();
    if (found.text.empty()) judge_dates(found, anchor);
    if (found.text.empty()) judge_names(found);
    found.matched = found.text.empty();
    if (found.matched) found.text = "the chain is anchored by the record " + record.short_text() + " and the certificate is for the right name";
    if (found.matched || !verdict_.by) verdict_ = std::move(found);
    return verdict_.matched;
  }

  std::string fault_of_path(gnutls_x509_crt_t anchor) {
    gnutls_x509_trust_list_t raw = nullptr;
    if (gnutls_x509_trust_list_init(&raw, 0) < 0) return "out of memory";
    auto release = [](gnutls_x509_trust_list_t list) { gnutls_x509_trust_list_deinit(list, 0); };
    std::unique_ptr<gnutls_x509_trust_list_st, decltype(release)> list(raw, release);
    if (gnutls_x509_trust_list_add_cas(raw, &anchor, 1, 0) < 1) return "the anchor of the record cannot be used";
    std::vector<gnutls_x509_crt_t> chain;
    for (size_t at : path_) chain.push_back(sent_[at].crt.get());
    unsigned status = 0;
    gnutls_typed_vdata_st purpose{GNUTLS_DT_KEY_PURPOSE_OID, reinterpret_cast<unsigned char*>(const_cast<char*>(GNUTLS_KP_TLS_WWW_SERVER)), 0};
    constexpr unsigned kFlags = GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_CRL_CHECKS;  // dates are judged by `now`
    int code = gnutls_x509_trust_list_verify_crt2(raw, chain.data(), static_cast<unsigned>(chain.size()), &purpose, 1, kFlags, &status, nullptr);
    return code < 0 || status != 0 ? std::string(why_not(status)) : std::string();
  }

  void judge_dates(DaneVerdict& found, gnutls_x509_crt_t anchor) {
    std::vector<gnutls_x509_crt_t> all;
    for (size_t at : path_) all.push_back(sent_[at].crt.get());
    if (anchor) all.push_back(anchor);
    for (gnutls_x509_crt_t one : all) {
      time_t from = gnutls_x509_crt_get_activation_time(one), until = gnutls_x509_crt_get_expiration_time(one);
      std::string which = one == all[0] ? "the certificate" : "a certificate of the chain";
      if (now_ > until) found.expired = true, found.text = which + " has expired on " + day(until);
      else if (now_ < from) found.expired = true, found.text = which + " is not valid before " + day(from);
      if (!found.text.empty()) return;
    }
  }

  void judge_names(DaneVerdict& found) {
    for (const std::string& name : names_)
      if (gnutls_x509_crt_check_hostname2(sent_[0].crt.get(), name.c_str(), 0)) return;
    found.host_mismatch = true;
    found.text = "the certificate is for none of the names that the record (usage 2) allows:";
    for (const std::string& name : names_) found.text += " " + name;
  }

  std::vector<Sent>& sent_;
  std::vector<const TlsaRecord*> records_;
  std::vector<AnchorKey> keys_;
  std::span<const std::string> names_;
  int64_t now_;
  std::vector<size_t> path_;
  unsigned steps_ = kMostSteps, judged_ = 0;
  DaneVerdict verdict_;
};

std::vector<Sent> read_chain(std::span<const std::string> chain, bool certificates_too) {
  std::vector<Sent> out;
  for (const std::string& der : chain.first(std::min(chain.size(), kMostCertificates))) {
    Sent one(der);
    if (!out.empty() && !one.parts) continue;  // not a certificate
    if (certificates_too && one.parts) one.crt = import_certificate(der);
    if (!out.empty() && certificates_too && !one.crt) continue;
    out.push_back(std::move(one));
  }
  return out;
}

std::string no_match_text(const TlsaSet& records) {
  size_t count = records.usable.size();
  std::string which = count == 1 ? "the TLSA record does not match" : "none of the " + std::to_string(count) + " TLSA records matches";
  std::string out = which + " what the server sent:";
  for (size_t i = 0; i < std::min<size_t>(count, 4); ++i) out += (i ? ", " : " ") + records.usable[i].short_text();
  return out + (count > 4 ? ", ..." : "");
}

}  // namespace

DaneVerdict match_dane(const TlsaSet& records, std::span<const std::string> chain, std::span<const std::string> names, WallTime now) {
  DaneVerdict out;
  auto anchors = strongest(records.usable, kAnchor);
  std::vector<Sent> sent = read_chain(chain, !anchors.empty());
  if (records.usable.empty()) out.text = "there are no TLSA records that can be used";
  else if (sent.empty()) out.text = "the server sent no certificate";
  if (!out.text.empty()) return out;
  for (const TlsaRecord* record : strongest(records.usable, kEndEntity)) {
    if (!sent[0].is(*record)) continue;
    out.matched = true;
    out.by = *record;
    out.text = std::string("the server's ") + (record->selector == 0 ? "certificate" : "key") + " is the one of the record " + record->short_text();
    return out;
  }
  out = AnchorSearch(sent, std::move(anchors), names, now).run();
  if (out.text.empty()) out.text = no_match_text(records);
  return out;
}

}  // namespace veredus
