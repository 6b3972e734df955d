// Signing: what of a message is covered, and the fields that say so: DKIM-Signature (RFC 6376), and the same for ARC. A signer is of one message;
// its body comes in pieces, and every key signs the same digests. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/base/header_block.h"
#include "mailauth/dkim/canonical.h"
#include "mailauth/dkim/crypto.h"

namespace mailauth {

struct SigningKey {
  std::string domain, selector;
  std::shared_ptr<const PrivateKey> key;
};

struct SignOptions {
  Canonical header_form = Canonical::relaxed, body_form = Canonical::relaxed;
  std::vector<std::string> names;  // covered as far as they are there, all fields of each name
  std::vector<std::string> oversigned;  // covered once more than they are there: none can be added later
  std::string identity;                 // i=; empty: none
  int64_t now = 0;                      // t=
  std::optional<int64_t> lifetime;      // x= = t= + lifetime, seconds
};

// RFC 6376 5.4.1 and what a reader sees: see README.md of the plugin.
const std::vector<std::string>& usually_signed();
const std::vector<std::string>& usually_oversigned();

// A field to put on top of a message.
struct NewField {
  std::string name, value;  // the value folded, without the space after the colon and without the last line end
};

// h= of a message: each name as often as it is there, and once more when it is oversigned.
std::vector<std::string> names_to_sign(const HeaderBlock& block, const SignOptions& options);

class Signer {
 public:
  explicit Signer(SignOptions options) : options_(std::move(options)), body_(options_.body_form) {}
  void body(std::string_view piece) { body_.add(piece); }
  // One field a key, in their order. Once. A key that fails gives a field without a value.
  std::vector<NewField> finish(const HeaderBlock& block, std::span<const SigningKey> keys);
  // ARC-Message-Signature (RFC 8617 4.1.2). The options name no field of ARC.
  NewField finish_arc(const HeaderBlock& block, const SigningKey& key, uint32_t instance);

 private:
  struct Covered {
    std::vector<std::string> names;
    Sha256 hash;  // of the fields
  };
  Covered cover(const HeaderBlock& block) const;
  NewField make(std::string name, const std::string& lead, const SigningKey& key, const Covered& covered, const std::string& body_hash) const;

  SignOptions options_;
  BodyHash body_;
};

// Signs a field whose last tag is an empty b=, behind what `hash` has taken so far.
std::string with_signature(std::string name, std::string value, Canonical form, Sha256 hash, const PrivateKey& key);

}  // namespace mailauth
