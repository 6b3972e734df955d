// The fields DKIM-Signature (RFC 6376 3.5), ARC-Message-Signature and ARC-Seal (RFC 8617 4.1): read, and the octets that a signature covers.
// Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/base/header_block.h"
#include "mailauth/dkim/canonical.h"
#include "mailauth/dkim/crypto.h"

namespace mailauth {

enum class SignatureField : uint8_t { dkim, arc_message, arc_seal };

struct Signature {
  std::string algorithm;  // as written, in lower case
  std::optional<KeyKind> kind;  // none: an algorithm that is not known, or rsa-sha1, which counts no more (RFC 8301)
  std::string domain, selector;  // in lower case
  std::string identity;          // i= of DKIM; empty: not given
  std::string signature;         // decoded
  std::string b_beginning;       // the first eight octets of b=, as header.b tells (RFC 6008)
  std::string body_hash;         // decoded
  Canonical header_form = Canonical::simple, body_form = Canonical::simple;
  std::vector<std::string> headers;  // h=, as written
  std::optional<uint64_t> body_length;           // l=
  std::optional<int64_t> signed_at, expires_at;  // t=, x=
  uint32_t instance = 0;                         // i= of ARC
  std::string chain;                             // cv= of ARC-Seal
  std::string problem;  // what is wrong with the field as such, as a phrase; then the rest may be incomplete

  std::string key_name() const { return selector + "._domainkey." + domain; }
};

Signature read_signature(SignatureField kind, std::string_view value);

// The field with the value of its tag b= left out, as it is hashed itself. `storage` keeps the text.
Field without_signature(const Field& field, std::string& storage);

// Which fields h= names, in its order: of each name the last not yet taken, from the bottom up; names without a field left are not in it.
std::vector<const Field*> signed_fields(const HeaderBlock& block, const std::vector<std::string>& names);

// A host name fit to be asked for, of letters, digits, hyphens and underscores. Nothing else reaches DNS.
bool is_host_name(std::string_view name);

}  // namespace mailauth
