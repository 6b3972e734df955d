#include "mailauth/arc/chain.h"

#include <algorithm>
#include <cstring>

#include "mailauth/base/parallel.h"
#include "mailauth/base/tag_list.h"
#include "mailauth/dkim/verify.h"

namespace mailauth {

namespace {

constexpr std::string_view kResults = "ARC-Authentication-Results", kMessage = "ARC-Message-Signature", kSeal = "ARC-Seal";

std::string unfolded(std::string_view value) {
  std::string out;
  for (char c : value)
    if (c != '\r' && c != '\n') out += c == '\t' ? ' ' : c;
  size_t begin = out.find_first_not_of(' ');
  size_t end = out.find_last_not_of(' ');
  return begin == std::string::npos ? std::string() : out.substr(begin, end - begin + 1);
}

// "i=3; mx.test; spf=pass": 3, and what is behind it. 0: it does not begin like that.
uint32_t split_instance(std::string_view value, std::string* rest) {
  std::string text = unfolded(value);
  size_t end = text.find(';');
  std::string head = without_space(std::string_view(text).substr(0, end));
  if (end == std::string::npos || !head.starts_with("i=") || head.size() < 3 || head.size() > 4) return 0;
  uint32_t out = 0;
  for (char c : head.substr(2)) {
    if (c < '0' || c > '9') return 0;
    out = out * 10 + static_cast<uint32_t>(c - '0');
  }
  if (rest) *rest = unfolded(std::string_view(text).substr(end + 1));
  return out > kMostArcSets ? 0 : out;
}

void append_set(const Field* results, const Field* message, const Field* seal, std::string& out) {
  for (const Field* field : {results, message, seal}) {
    append_canonical(Canonical::relaxed, *field, out);
    out += "\r\n";
  }
}

bool covers(const Signature& signature, std::string_view name) {
  return std::any_of(signature.headers.begin(), signature.headers.end(), [&](const std::string& each) { return same_name(each, name); });
}

// What a message signature may not do (RFC 8617 4.1.2, RFC 6376 5.4).
std::string_view problem_of_scope(const Signature& signature) {
  if (covers(signature, kSeal)) return "it covers seals";
  if (!covers(signature, "From")) return "it does not cover the field From";
  return signature.body_length ? "it covers only a part of the body (l=)" : "";
}

std::string of(uint32_t instance) { return " of set " + std::to_string(instance); }

}  // namespace

ChainVerifier::ChainVerifier(std::string_view header, uint32_t least_rsa_bits) : block_(read_header(header)), least_rsa_bits_(least_rsa_bits) {
  answer_.result.clear();
  collect();
}

void ChainVerifier::end(std::string_view result, std::string reason) {
  answer_.result = std::string(result);
  answer_.reason = std::move(reason);
}

void ChainVerifier::collect() {
  std::string problem;
  uint32_t left = 3 * kMostArcSets;
  for (const Field& field : block_.fields) {
    bool ours = same_name(field.name, kResults) || same_name(field.name, kMessage) || same_name(field.name, kSeal);
    if (!ours) continue;
    std::string wrong = left == 0 ? "is one more than 50 sets have" : take(field);
    if (problem.empty() && !wrong.empty()) problem = "the field " + std::string(field.name) + " " + wrong;
    if (left-- == 0) break;
  }
  if (sets_.empty()) return problem.empty() ? end("none", "") : end("fail", std::move(problem));
  if (problem.empty()) problem = check_structure();
  answer_.highest = sets_.rbegin()->first;
  for (auto& [instance, set] : sets_) {
    ArcSetAnswer& out = answer_.sets.emplace_back();
    out.instance = instance;
    out.domain = set.seal_signature.domain;
    out.selector = set.seal_signature.selector;
    out.chain = set.seal_signature.chain;
    if (set.results) split_instance(set.results->value, &out.results);
  }
  answer_.ended = sets_.rbegin()->second.seal_signature.chain == "fail";
  if (!problem.empty()) return end("fail", std::move(problem));
  for (auto& [instance, set] : sets_) {
    auto form = static_cast<size_t>(set.message_signature.body_form);
    if (!bodies_[form]) bodies_[form].emplace(set.message_signature.body_form);
  }
}

std::string ChainVerifier::take(const Field& field) {
  const Field* Set::*place = same_name(field.name, kResults) ? &Set::results : same_name(field.name, kMessage) ? &Set::message : &Set::seal;
  uint32_t instance = 0;
  Signature read;
  if (place == &Set::results) {
    instance = split_instance(field.value, nullptr);
    if (instance == 0) return "does not begin with i= from 1 to 50";
  } else {
    read = read_signature(place == &Set::message ? SignatureField::arc_message : SignatureField::arc_seal, field.value);
    if (!read.problem.empty()) return read.problem;
    instance = read.instance;
  }
  Set& set = sets_[instance];
  if (set.*place) return "is there twice for i=" + std::to_string(instance);
  set.*place = &field;
  if (place == &Set::message) set.message_signature = std::move(read);
  if (place == &Set::seal) set.seal_signature = std::move(read);
  return {};
}

// RFC 8617 5.2, steps 2 and 3.
std::string ChainVerifier::check_structure() {
  uint32_t expected = 1;
  for (auto& [instance, set] : sets_) {
    if (instance != expected++) return "there is no set " + std::to_string(expected - 1);
    if (!set.results || !set.message || !set.seal) return "a field" + of(instance) + " is missing";
  }
  if (sets_.rbegin()->second.seal_signature.chain == "fail") return "the last seal says that the chain was broken before it";
  for (auto& [instance, set] : sets_) {
    if (set.seal_signature.chain != (instance == 1 ? "none" : "pass")) return "the seal" + of(instance) + " has a cv= that cannot be";
  }
  return {};
}

vrd::Task<void> ChainVerifier::fetch_keys(Dns& dns) {
  if (!wants_body()) co_return;
  for (auto& [instance, set] : sets_) {
    keys_[set.message_signature.key_name()];
    keys_[set.seal_signature.key_name()];
  }
  std::vector<std::string> names;
  for (auto& [name, key] : keys_) names.push_back(name);
  AskAll questions(dns, names, VRD_DNS_TXT);
  std::vector<vrd::DnsResult> answers = co_await questions;
  for (size_t i = 0; i < names.size(); ++i) keys_[names[i]] = key_of(answers[i]);
}

uint32_t ChainVerifier::cost() const {
  uint32_t out = 0;
  for (const auto& [instance, set] : sets_)
    for (const Signature* signature : {&set.message_signature, &set.seal_signature}) {
      auto place = keys_.find(signature->key_name());
      if (place != keys_.end() && place->second.record.key) out += place->second.record.key->cost();
    }
  return out;
}

void ChainVerifier::body(std::string_view piece) {
  for (auto& hash : bodies_)
    if (hash) hash->add(piece);
}

// Null: `word` and `reason` say why.
const PublicKey* ChainVerifier::key_for(const Signature& signature, std::string& word, std::string& reason) const {
  auto place = keys_.find(signature.key_name());
  word = "fail";
  if (place == keys_.end() || place->second.temporary) {
    word = "temperror";
    reason = "the key cannot be looked up now";
    return nullptr;
  }
  const FoundKey& found = place->second;
  if (!signature.kind) reason = "the algorithm " + signature.algorithm + " is not known";
  else if (!found.problem.empty()) reason = found.problem;
  else if (found.record.kind != *signature.kind) reason = "the key is of another kind than the signature";
  else if (found.record.kind == KeyKind::rsa && found.record.key->bits() < least_rsa_bits_) reason = "the key has fewer than " + std::to_string(least_rsa_bits_) + " bits";
  else return found.record.key.get();
  return nullptr;
}

// A seal covers all sets up to its own.
void ChainVerifier::judge_seal(uint32_t instance) {
  const Signature& signature = sets_[instance].seal_signature;
  ArcSetAnswer& out = answer_.sets[instance - 1];
  const PublicKey* key = key_for(signature, out.seal, out.reason);
  if (!key) return;
  std::string text, storage;
  for (uint32_t i = 1; i < instance; ++i) append_set(sets_[i].results, sets_[i].message, sets_[i].seal, text);
  for (const Field* field : {sets_[instance].results, sets_[instance].message}) {
    append_canonical(Canonical::relaxed, *field, text);
    text += "\r\n";
  }
  append_canonical(Canonical::relaxed, without_signature(*sets_[instance].seal, storage), text);
  bool holds = key->verify(sha256(text), signature.signature);
  out.seal = holds ? "pass" : "fail";
  if (!holds) out.reason = "the seal does not fit the sets and the key";
}

void ChainVerifier::judge_message(uint32_t instance) {
  const Signature& signature = sets_[instance].message_signature;
  ArcSetAnswer& out = answer_.sets[instance - 1];
  std::string reason;
  const PublicKey* key = key_for(signature, out.message, reason);
  if (key) {
    const Digest& digest = digests_[static_cast<size_t>(signature.body_form)];
    bool same_body = signature.body_hash.size() == digest.size() && std::memcmp(signature.body_hash.data(), digest.data(), digest.size()) == 0;
    reason = problem_of_scope(signature);
    bool holds = reason.empty() && same_body && signature_holds(signature, *sets_[instance].message, block_, *key);
    out.message = holds ? "pass" : "fail";
    if (!holds && reason.empty()) reason = same_body ? "the message signature does not fit the header and the key" : "the body is not the one that was signed";
  }
  if (out.reason.empty()) out.reason = std::move(reason);
}

ArcAnswer ChainVerifier::finish() {
  for (size_t form = 0; form < bodies_.size(); ++form)
    if (bodies_[form]) digests_[form] = bodies_[form]->finish();
  if (wants_body()) settle();
  return std::move(answer_);
}

// RFC 8617 5.2, steps 4 to 6: the last message signature and every seal must hold; older message signatures tell who changed the message.
void ChainVerifier::settle() {
  const auto last = static_cast<uint32_t>(sets_.size());
  for (uint32_t i = last; i >= 1 && answer_.oldest_pass == 0; --i) {
    judge_message(i);
    if (answer_.sets[i - 1].message != "pass") answer_.oldest_pass = i + 1;  // what is older needs no look
  }
  for (uint32_t i = last; i >= 1; --i) judge_seal(i);
  auto broken = [&](const std::string& word, uint32_t i, std::string_view what) {
    if (word == "pass" || answer_.result == "fail") return;
    end(word, std::string(what) + of(i) + ": " + answer_.sets[i - 1].reason);
  };
  answer_.result = "pass";
  broken(answer_.sets[last - 1].message, last, "the message signature");
  for (uint32_t i = last; i >= 1; --i) broken(answer_.sets[i - 1].seal, i, "the seal");
  if (answer_.result != "pass") answer_.oldest_pass = 0;
}

vrd::Task<ArcAnswer> verify_arc(Dns& dns, std::string message) {
  ChainVerifier verifier(message);
  vrd::Task<void> keys = verifier.fetch_keys(dns);
  co_await keys;
  if (verifier.wants_body()) verifier.body(std::string_view(message).substr(read_header(message).body));
  co_return verifier.finish();
}

namespace {

// The sets of a message by instance; what is there twice or out of place is the verifier's business.
std::map<uint32_t, std::array<const Field*, 3>> sets_of(const HeaderBlock& block) {
  std::map<uint32_t, std::array<const Field*, 3>> out;
  for (const Field& field : block.fields) {
    if (same_name(field.name, kResults)) out[split_instance(field.value, nullptr)][0] = &field;
    else if (same_name(field.name, kMessage)) out[read_signature(SignatureField::arc_message, field.value).instance][1] = &field;
    else if (same_name(field.name, kSeal)) out[read_signature(SignatureField::arc_seal, field.value).instance][2] = &field;
  }
  return out;
}

Field as_field(const NewField& from, std::string& storage) {
  storage = from.name + ": " + from.value;
  std::string_view whole = storage;
  return {whole.substr(0, from.name.size()), whole.substr(from.name.size() + 1), whole};
}

}  // namespace

std::vector<NewField> seal_message(std::string_view header, Signer& signer, const ArcAnswer& known, const SigningKey& key, std::string_view results, int64_t now) {
  const uint32_t instance = known.highest + 1;
  if (known.ended || instance > kMostArcSets || known.result == "temperror") return {};
  const std::string chain = known.result == "pass" || known.result == "none" ? known.result : "fail";
  HeaderBlock block = read_header(header);
  NewField found{std::string(kResults), "i=" + std::to_string(instance) + "; " + std::string(results)};
  NewField message = signer.finish_arc(block, key, instance);
  if (message.value.empty()) return {};
  std::string covered, found_text, message_text;
  if (chain != "fail")  // a seal on a broken chain covers its own set only (RFC 8617 5.1.2)
    for (auto& [number, set] : sets_of(block))
      if (number != 0) append_set(set[0], set[1], set[2], covered);
  for (const auto& [field, storage] : {std::pair{&found, &found_text}, std::pair{&message, &message_text}}) {
    append_canonical(Canonical::relaxed, as_field(*field, *storage), covered);
    covered += "\r\n";
  }
  Sha256 hash;
  hash.add(covered);
  std::string value = "i=" + std::to_string(instance) + "; a=" + std::string(algorithm_of(key.key->kind())) + "; cv=" + chain + ";\r\n\td=" + key.domain +
                      "; s=" + key.selector + ";" + (now > 0 ? " t=" + std::to_string(now) + ";" : "") + "\r\n\tb=";
  value = with_signature(std::string(kSeal), std::move(value), Canonical::relaxed, hash, *key.key);
  if (value.empty()) return {};
  return {{std::string(kSeal), std::move(value)}, std::move(message), std::move(found)};
}

}  // namespace mailauth
