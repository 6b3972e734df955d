// Key records "v=DKIM1; k=rsa; p=..." (RFC 6376 3.6.1, RFC 8463): what a domain publishes under SELECTOR._domainkey.DOMAIN. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/base/dns.h"
#include "mailauth/dkim/crypto.h"

namespace mailauth {

struct KeyRecord {
  KeyKind kind = KeyKind::rsa;
  std::shared_ptr<const PublicKey> key;
  bool revoked = false;  // p= is empty
  bool testing = false;  // t=y
  bool strict = false;   // t=s: i= may not be of a subdomain
  bool for_mail = true;  // s=
  bool sha256 = true;    // h=
  std::string notes;     // n=
  std::string problem;   // as a phrase; then there is no key
};

KeyRecord read_key_record(std::string_view text);

// What DNS said of a key.
struct FoundKey {
  KeyRecord record;
  std::string text;
  bool temporary = false;  // nobody knows now
  std::string problem;     // why there is none
};

// Of the TXT records at the name.
FoundKey key_of(const vrd::DnsResult& answer);

// "v=DKIM1; k=ed25519; p=..."
std::string key_record_text(const PrivateKey& key);

}  // namespace mailauth
