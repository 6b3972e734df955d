// Verification of the DKIM signatures of a message (RFC 6376 6). Story: a Verifier reads the header block; fetch_keys() asks DNS for all keys at
// once; the body comes in pieces; finish() judges. Only fetch_keys() needs a loop: the rest may be done on any thread, one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/base/dns.h"
#include "mailauth/dkim/key_record.h"
#include "mailauth/dkim/signature.h"

namespace mailauth {

struct DkimPolicy {
  uint32_t most_signatures = 10;   // of more the rest is not looked at: `policy`
  uint32_t least_rsa_bits = 1024;  // a key of fewer bits: `policy`
  bool partial_counts = false;     // a signature whose l= leaves octets of the body out may pass
  int64_t skew = 600;              // seconds that t= may be ahead of our clock
};

struct DkimResult {
  std::string result;  // of RFC 8601 2.7.1: pass, fail, policy, neutral, temperror, permerror
  std::string reason;  // a sentence, empty for a pass
  std::string domain, selector, algorithm, identity;
  std::string body_b;     // the first eight octets of b=
  bool testing = false;   // the key says t=y
  bool partial = false;   // l= leaves octets of the body out
  uint32_t key_bits = 0;  // 0: no key
  std::string canonical;  // "relaxed/simple"
  std::vector<std::string> uncovered;  // fields of the message that a reader sees and the signature does not cover
};

class Verifier {
 public:
  // `header` must outlive it.
  Verifier(std::string_view header, DkimPolicy policy, int64_t now);
  virtual ~Verifier() = default;
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;
  bool wants_body() const { return !bodies_.empty(); }
  vrd::Task<void> fetch_keys(Dns& dns);
  // Microseconds that finish() takes for verifying signatures, hashing not counted. After fetch_keys().
  uint32_t cost() const;
  virtual void body(std::string_view piece);
  virtual std::vector<DkimResult> finish();  // one a signature, from the top; once

 protected:  // another engine may judge what nothing was said of so far
  struct Judged {
    const Field* field;
    Signature signature;
    DkimResult result;  // not decided while its result is empty
    FoundKey key;
    size_t body = SIZE_MAX;  // which of bodies_
  };
  struct Body {
    Canonical form;
    std::optional<uint64_t> limit;
    BodyHash hash;
    Digest digest{};
  };
  void begin(Judged& judged, size_t position);
  void check_times(Judged& judged) const;
  void want_body(Judged& judged);
  void judge_key(Judged& judged) const;
  void judge(Judged& judged) const;
  std::vector<std::string> uncovered(const Signature& signature) const;
  bool covers_every_from(const Signature& signature) const;

  HeaderBlock block_;
  DkimPolicy policy_;
  int64_t now_;
  std::deque<Judged> signatures_;
  std::deque<Body> bodies_;
};

// All of it, for a message in memory.
vrd::Task<std::vector<DkimResult>> verify_dkim(Dns& dns, std::string message, DkimPolicy policy, int64_t now);

// Does the key's signature cover these fields and the field itself? As DKIM and ARC have it.
bool signature_holds(const Signature& signature, const Field& field, const HeaderBlock& block, const PublicKey& key);

}  // namespace mailauth
