// Which TLSA records can be used, and why the others cannot. Certificates and keys inside records are read by GnuTLS.
#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include <memory>

#include "base/text.h"
#include "net/certificate_der.h"
#include "net/dane.h"

namespace veredus {

namespace {

constexpr size_t kSha256 = 32, kSha512 = 64, kShortData = 16;
constexpr size_t kHead = 3;  // usage, selector, matching type

gnutls_datum_t datum(std::string_view octets) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(octets.data())), static_cast<unsigned>(octets.size())};
}

std::string hex(std::string_view octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (char c : octets) out += {kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 15]};
  return out;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = ascii_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_certificate(std::string_view der) {
  gnutls_x509_crt_t raw = nullptr;
  if (!certificate_parts(der) || gnutls_x509_crt_init(&raw) < 0) return false;
  std::unique_ptr<gnutls_x509_crt_int, decltype(&gnutls_x509_crt_deinit)> certificate(raw, gnutls_x509_crt_deinit);
  gnutls_datum_t octets = datum(der);
  return gnutls_x509_crt_import(raw, &octets, GNUTLS_X509_FMT_DER) >= 0;
}

bool is_public_key(std::string_view der) {
  gnutls_pubkey_t raw = nullptr;
  if (gnutls_pubkey_init(&raw) < 0) return false;
  std::unique_ptr<gnutls_pubkey_st, decltype(&gnutls_pubkey_deinit)> key(raw, gnutls_pubkey_deinit);
  gnutls_datum_t octets = datum(der);
  return gnutls_pubkey_import(raw, &octets, GNUTLS_X509_FMT_DER) >= 0;
}

std::string wrong_length(const TlsaRecord& record, size_t wanted) {
  return "a digest of " + std::to_string(record.data.size()) + " octets; matching type " + std::to_string(record.matching) + " has " + std::to_string(wanted);
}

// Empty: the record can be used.
std::string fault_of(const TlsaRecord& record) {
  if (record.usage < 2) return "usage " + std::to_string(record.usage) + (record.usage == 0 ? " (PKIX-TA)" : " (PKIX-EE)") + " means nothing to SMTP (RFC 7672 3.1.3)";
  if (record.usage > 3) return "usage " + std::to_string(record.usage) + " is not known";
  if (record.selector > 1) return "selector " + std::to_string(record.selector) + " is not known";
  if (record.matching > 2) return "matching type " + std::to_string(record.matching) + " is not known";
  if (record.matching == 1 && record.data.size() != kSha256) return wrong_length(record, kSha256);
  if (record.matching == 2 && record.data.size() != kSha512) return wrong_length(record, kSha512);
  if (record.matching == 0 && record.selector == 0 && !is_certificate(record.data)) return "its data is not a certificate";
  if (record.matching == 0 && record.selector == 1 && !is_public_key(record.data)) return "its data is not a public key";
  return {};
}

TlsaRecord record_of(std::string_view octets) {
  TlsaRecord out;
  out.usage = static_cast<uint8_t>(octets[0]);
  out.selector = static_cast<uint8_t>(octets[1]);
  out.matching = static_cast<uint8_t>(octets[2]);
  out.data = octets.substr(kHead);
  return out;
}

void take(std::string_view octets, TlsaSet& out) {
  if (octets.size() < kHead) {
    out.unusable.push_back(hex(octets) + ": a record of " + std::to_string(octets.size()) + " octets");
    return;
  }
  TlsaRecord record = record_of(octets);
  std::string fault = fault_of(record);
  if (fault.empty()) out.usable.push_back(std::move(record));
  else out.unusable.push_back(record.short_text() + ": " + fault);
}

}  // namespace

std::string TlsaRecord::text() const {
  return std::to_string(usage) + " " + std::to_string(selector) + " " + std::to_string(matching) + " " + hex(data);
}

std::string TlsaRecord::short_text() const {
  TlsaRecord head{usage, selector, matching, data.substr(0, kShortData)};
  return head.text() + (data.size() > kShortData ? "..." : "");
}

TlsaSet read_tlsa(const DnsAnswer& answer) {
  TlsaSet out;
  for (const DnsRecord& record : answer.records)
    if (record.type == DnsType::tlsa) take(record.octets, out);
  return out;
}

std::optional<TlsaRecord> parse_tlsa_text(std::string_view text) {
  auto words = split(text, ' ');
  std::erase_if(words, [](const auto& word) { return word.empty(); });
  if (words.size() < 4) return std::nullopt;
  std::string octets, digits;
  for (size_t i = 0; i < kHead; ++i) {
    auto number = parse_uint(words[i], 255);
    if (!number) return std::nullopt;
    octets.push_back(static_cast<char>(*number));
  }
  for (size_t i = kHead; i < words.size(); ++i) digits += words[i];  // zone files may break the data
  if (digits.size() % 2 != 0) return std::nullopt;
  for (size_t i = 0; i < digits.size(); i += 2) {
    int high = digit_of(digits[i]), low = digit_of(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    octets.push_back(static_cast<char>(high << 4 | low));
  }
  return record_of(octets);
}

}  // namespace veredus
