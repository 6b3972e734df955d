// Settings of TLS: certificates, what is asked of clients, how connections to next hops are secured.
#include "config/bind.h"
#include "config/tables.h"

namespace veredus {

namespace {

using bind::at;

constexpr std::string_view kLevels[] = {"none", "opportunistic", "encrypt", "verify", "dane", "dane-only", "mta-sts"};

constexpr Setting kCertificate[] = {
    {.name = "cert",
     .type = Type::path,
     .member = at<&CertificateSettings::cert>(),
     .required = true,
     .doc = "PEM file with the certificate and its chain."},
    {.name = "key",
     .type = Type::path,
     .member = at<&CertificateSettings::key>(),
     .required = true,
     .doc = "PEM file with the private key."},
};

constexpr Setting kPolicy[] = {
    {.name = "match",
     .type = Type::pattern,
     .member = at<&TlsPolicySettings::match>(),
     .required = true,
     .doc = "Recipient domains: a.test is exactly that, .a.test any depth below it, * all."},
    {.name = "level",
     .type = Type::choice,
     .member = at<&TlsPolicySettings::level>(),
     .choices = kLevels,
     .required = true,
     .doc = "How connections for these domains are secured, in the words of tls.outbound."},
    {.name = "names",
     .type = Type::text,
     .shape = Shape::list,
     .member = at<&TlsPolicySettings::names>(),
     .fallback = "[]",
     .doc = "For verify: names of which the certificate must have one; *.a.test and .a.test stand for names "
            "below."},
    {.name = "ca",
     .type = Type::path,
     .member = at<&TlsPolicySettings::ca>(),
     .derived = "tls.ca",
     .doc = "For verify: PEM file with the trust anchors."},
    {.name = "fingerprints",
     .type = Type::text,
     .shape = Shape::list,
     .member = at<&TlsPolicySettings::fingerprints>(),
     .fallback = "[]",
     .doc = "For verify: SHA-256 fingerprints of the certificates that are accepted, in hex; nothing else of them "
            "is looked at."},
};

constexpr Setting kRows[] = {
    {.name = "tls.certificates",
     .type = Type::record,
     .shape = Shape::records,
     .member = at<&Settings::tls, &TlsSettings::certificates>(),
     .fallback = "[]",
     .fields = kCertificate,
     .doc = "Certificates to offer. A client that names a server gets the one with that name, others get the "
            "first. Put ECDSA before RSA where both have the same names."},
    {.name = "tls.certificate_table",
     .type = Type::name,
     .member = at<&Settings::tls, &TlsSettings::certificate_table>(),
     .derived = "no table",
     .doc = "Table of certificates by server name, loaded when first asked for; the value is the path of the "
            "certificate and the path of the key, parted by a space."},
    {.name = "tls.certificate_cache",
     .type = Type::integer,
     .member = at<&Settings::tls, &TlsSettings::certificate_cache>(),
     .fallback = "1000",
     .low = "1",
     .high = "1000000",
     .doc = "How many certificates of the table stay loaded."},
    {.name = "tls.key_directories",
     .type = Type::path,
     .shape = Shape::list,
     .member = at<&Settings::tls, &TlsSettings::key_directories>(),
     .fallback = "[]",
     .doc = "Directories of certificates and keys that certificate_table names and only root may read: the supervisor opens "
            "them for the worker, as [/etc/letsencrypt]. Links must not lead out of the directory. Files that settings "
            "name need no entry."},
    {.name = "tls.priority",
     .type = Type::text,
     .member = at<&Settings::tls, &TlsSettings::priority>(),
     .derived = "TLS 1.2 and 1.3 with forward secrecy",
     .doc = "Protocol versions and ciphers for clients, as a GnuTLS priority string."},
    {.name = "tls.client_ca",
     .type = Type::path,
     .member = at<&Settings::tls, &TlsSettings::client_ca>(),
     .derived = "no client certificate is trusted",
     .doc = "PEM file with the authorities whose client certificates are trusted; clients are asked for one."},
    {.name = "tls.ask_client",
     .type = Type::boolean,
     .member = at<&Settings::tls, &TlsSettings::ask_client>(),
     .fallback = "false",
     .doc = "Ask clients for a certificate even without client_ca; rules see its fingerprint."},
    {.name = "tls.tickets",
     .type = Type::duration,
     .member = at<&Settings::tls, &TlsSettings::tickets>(),
     .fallback = "6h",
     .low = "0s",
     .high = "7d",
     .doc = "How long a key for session tickets lives; clients resume sessions for up to twice as long. 0s: no "
            "resumption."},
    {.name = "tls.handshake",
     .type = Type::duration,
     .member = at<&Settings::tls, &TlsSettings::handshake>(),
     .fallback = "30s",
     .low = "1s",
     .high = "10m",
     .doc = "How long a handshake may take, as server and as client."},
    {.name = "tls.outbound",
     .type = Type::choice,
     .member = at<&Settings::tls, &TlsSettings::outbound>(),
     .fallback = "opportunistic",
     .choices = kLevels,
     .doc = "How connections to next hops are secured. none: never. opportunistic: when offered, and as strictly "
            "as the domain itself asks for by DANE or MTA-STS. encrypt: always. verify: always, with a "
            "certificate that is right. dane: by the TLSA records of the next hop, else opportunistic. dane-only: "
            "by TLSA records, or not at all. mta-sts: by the MTA-STS policy of the domain, or not at all."},
    {.name = "tls.policies",
     .type = Type::record,
     .shape = Shape::records,
     .member = at<&Settings::tls, &TlsSettings::policies>(),
     .fallback = "[]",
     .fields = kPolicy,
     .doc = "Levels for recipient domains; the first match wins and stands above tls.outbound."},
    {.name = "tls.policy_table",
     .type = Type::name,
     .member = at<&Settings::tls, &TlsSettings::policy_table>(),
     .derived = "no table",
     .doc = "Table of levels by recipient domain, asked before policies with the domain and then with each domain "
            "above it behind a dot; the value is LEVEL, then names=A:B, fingerprint=HEX or ca=PATH."},
    {.name = "tls.ca",
     .type = Type::path,
     .member = at<&Settings::tls, &TlsSettings::ca>(),
     .fallback = "/etc/ssl/certs/ca-certificates.crt",
     .doc = "PEM file with the trust anchors of verify and mta-sts."},
    {.name = "tls.outbound_priority",
     .type = Type::text,
     .member = at<&Settings::tls, &TlsSettings::outbound_priority>(),
     .derived = "TLS 1.2 and 1.3",
     .doc = "Protocol versions and ciphers towards next hops, as a GnuTLS priority string."},
    {.name = "tls.outbound_cert",
     .type = Type::path,
     .member = at<&Settings::tls, &TlsSettings::outbound_cert>(),
     .derived = "none",
     .doc = "PEM file with the certificate shown to next hops that ask for one."},
    {.name = "tls.outbound_key",
     .type = Type::path,
     .member = at<&Settings::tls, &TlsSettings::outbound_key>(),
     .derived = "none",
     .doc = "PEM file with its private key."},
    {.name = "tls.revoked",
     .type = Type::text,
     .shape = Shape::list,
     .member = at<&Settings::tls, &TlsSettings::revoked>(),
     .fallback = "[]",
     .doc = "SHA-256 fingerprints, in hex, of certificates that are not accepted any more: a client with one is refused, a "
            "next hop that shows one is not trusted at any level that looks at certificates."},
    {.name = "tls.trusted_resolvers",
     .type = Type::network,
     .shape = Shape::list,
     .member = at<&Settings::tls, &TlsSettings::trusted_resolvers>(),
     .fallback = "[loopback]",
     .doc = "Resolvers whose DNSSEC verdict (the AD bit) is believed."},
};

}  // namespace

std::span<const Setting> tls_rows() {
  return kRows;
}

}  // namespace veredus
