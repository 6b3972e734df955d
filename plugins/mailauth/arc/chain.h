// ARC chains (RFC 8617): the sets that those who passed a message on have left in it, whether they hold, and one more of our own. Story of a
// check: a ChainVerifier reads the header block; fetch_keys() asks DNS for all keys at once; the body comes in pieces; finish() judges. Only
// fetch_keys() needs a loop: the rest may be done on any thread, one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/base/dns.h"
#include "mailauth/dkim/key_record.h"
#include "mailauth/dkim/sign.h"
#include "mailauth/dkim/signature.h"

namespace mailauth {

constexpr uint32_t kMostArcSets = 50;  // RFC 8617 4.2.1

struct ArcSetAnswer {
  uint32_t instance = 0;
  std::string domain, selector;   // of the seal
  std::string chain;              // cv= of the seal
  std::string results;            // value of ARC-Authentication-Results, unfolded, without i=
  std::string seal, message;      // "pass", "fail", "temperror", or empty: not judged
  std::string reason;             // why not
};

struct ArcAnswer {
  std::string result = "none";  // none, pass, fail, temperror
  std::string reason;           // a sentence for fail and temperror
  std::vector<ArcSetAnswer> sets;  // by instance, from 1
  uint32_t highest = 0;            // instance that a field names; of a broken chain there may be fewer sets
  uint32_t oldest_pass = 0;     // RFC 8617 5.2: the lowest instance whose message signature and all later ones still hold; 0: all of them do
  bool ended = false;           // the last seal says cv=fail: nobody may add another
};

class ChainVerifier {
 public:
  // `header` must outlive it.
  ChainVerifier(std::string_view header, uint32_t least_rsa_bits = 1024);
  bool wants_body() const { return answer_.result.empty(); }
  vrd::Task<void> fetch_keys(Dns& dns);
  uint32_t cost() const;  // as Verifier::cost()
  void body(std::string_view piece);
  ArcAnswer finish();  // once

 private:
  struct Set {
    const Field *results = nullptr, *message = nullptr, *seal = nullptr;
    Signature message_signature, seal_signature;
  };
  void collect();
  std::string take(const Field& field);
  std::string check_structure();
  void judge_seal(uint32_t instance);
  void judge_message(uint32_t instance);
  void settle();
  const PublicKey* key_for(const Signature& signature, std::string& word, std::string& reason) const;
  void end(std::string_view result, std::string reason);

  HeaderBlock block_;
  uint32_t least_rsa_bits_;
  std::map<uint32_t, Set> sets_;
  std::map<std::string, FoundKey> keys_;
  std::array<std::optional<BodyHash>, 2> bodies_;  // by form
  std::array<Digest, 2> digests_{};
  ArcAnswer answer_;
};

// All of it, for a message in memory.
vrd::Task<ArcAnswer> verify_arc(Dns& dns, std::string message);

// One more set on top: seal, message signature, results, in the order they go above the message. `results` is what stands in
// Authentication-Results behind the name of the field: "mx.test; spf=pass ...". `known` is what was found of the chain so far, of this same
// message. Empty: the chain has ended or is full, or the key failed.
std::vector<NewField> seal_message(std::string_view header, Signer& signer, const ArcAnswer& known, const SigningKey& key, std::string_view results, int64_t now);

}  // namespace mailauth
