#include "mailauth/dkim/verify.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "mailauth/base/parallel.h"

namespace mailauth {

namespace {

void decide(DkimResult& out, std::string_view word, std::string reason) {
  out.result = std::string(word);
  out.reason = std::move(reason);
}

bool same_octets(const Digest& digest, std::string_view octets) {
  return octets.size() == digest.size() && std::memcmp(octets.data(), digest.data(), digest.size()) == 0;
}

// A field of h= or From that must be there and is not is more than a matter of syntax (RFC 8601 2.7.1).
std::string_view word_of_problem(const std::string& problem) {
  return problem == "does not sign the field From" ? "permerror" : "neutral";
}

std::string domain_of(std::string_view identity) {
  std::string out(identity.substr(identity.rfind('@') + 1));
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

}  // namespace

bool signature_holds(const Signature& signature, const Field& field, const HeaderBlock& block, const PublicKey& key) {
  std::string text, storage;
  for (const Field* each : signed_fields(block, signature.headers)) {
    append_canonical(signature.header_form, *each, text);
    text += "\r\n";
  }
  append_canonical(signature.header_form, without_signature(field, storage), text);
  return key.verify(sha256(text), signature.signature);
}

Verifier::Verifier(std::string_view header, DkimPolicy policy, int64_t now) : block_(read_header(header)), policy_(policy), now_(now) {
  size_t position = 0;
  for (const Field& field : block_.fields) {
    if (!same_name(field.name, "DKIM-Signature")) continue;
    if (signatures_.size() == 1'000) break;
    Judged& judged = signatures_.emplace_back();
    judged.field = &field;
    begin(judged, position++);
  }
}

void Verifier::begin(Judged& judged, size_t position) {
  if (position >= policy_.most_signatures) return decide(judged.result, "policy", "there are more than " + std::to_string(policy_.most_signatures) + " signatures, this one was not looked at");
  judged.signature = read_signature(SignatureField::dkim, judged.field->value);
  const Signature& read = judged.signature;
  DkimResult& out = judged.result;
  out.domain = read.domain;
  out.selector = read.selector;
  out.algorithm = read.algorithm;
  out.identity = read.identity;
  out.body_b = read.b_beginning;
  out.canonical = std::string(canonical_word(read.header_form)) + "/" + std::string(canonical_word(read.body_form));
  if (!read.problem.empty()) return decide(out, word_of_problem(read.problem), "the signature " + read.problem);
  if (read.algorithm == "rsa-sha1") return decide(out, "permerror", "rsa-sha1 counts no more (RFC 8301)");
  if (!read.kind) return decide(out, "neutral", "the algorithm " + read.algorithm + " is not known");
  check_times(judged);
  out.uncovered = uncovered(read);
  if (out.result.empty() && !covers_every_from(read)) decide(out, "policy", "the signature does not cover every field From: one may have been added");
  if (out.result.empty()) want_body(judged);
}

void Verifier::check_times(Judged& judged) const {
  const Signature& read = judged.signature;
  if (read.expires_at && *read.expires_at < now_) return decide(judged.result, "fail", "the signature has expired");
  if (read.signed_at && *read.signed_at > now_ + policy_.skew) decide(judged.result, "policy", "the signature was made in the future");
}

// Signatures that count the same share a hash.
void Verifier::want_body(Judged& judged) {
  const Signature& read = judged.signature;
  for (size_t i = 0; i < bodies_.size(); ++i)
    if (bodies_[i].form == read.body_form && bodies_[i].limit == read.body_length) judged.body = i;
  if (judged.body != SIZE_MAX) return;
  judged.body = bodies_.size();
  bodies_.push_back({read.body_form, read.body_length, BodyHash(read.body_form, read.body_length), {}});
}

std::vector<std::string> Verifier::uncovered(const Signature& signature) const {
  std::vector<std::string> out;
  auto has = [](const auto& list, std::string_view name) {
    return std::any_of(list.begin(), list.end(), [&](const std::string& each) { return same_name(each, name); });
  };
  for (std::string_view name : {"Subject", "To", "Cc", "Date", "Message-ID", "Reply-To", "Content-Type"}) {
    bool there = std::any_of(block_.fields.begin(), block_.fields.end(), [&](const Field& field) { return same_name(field.name, name); });
    if (there && !has(signature.headers, name)) out.emplace_back(name);
  }
  return out;
}

// A reader sees the first of them, a signature takes the last (RFC 6376 8.15).
bool Verifier::covers_every_from(const Signature& signature) const {
  auto there = std::count_if(block_.fields.begin(), block_.fields.end(), [](const Field& field) { return same_name(field.name, "From"); });
  return there <= std::count_if(signature.headers.begin(), signature.headers.end(), [](const std::string& name) { return same_name(name, "From"); });
}

vrd::Task<void> Verifier::fetch_keys(Dns& dns) {
  std::vector<std::string> names;
  for (const Judged& judged : signatures_)
    if (judged.result.result.empty() && std::find(names.begin(), names.end(), judged.signature.key_name()) == names.end()) names.push_back(judged.signature.key_name());
  if (names.empty()) co_return;
  AskAll questions(dns, names, VRD_DNS_TXT);
  std::vector<vrd::DnsResult> answers = co_await questions;
  std::map<std::string, FoundKey> found;
  for (size_t i = 0; i < names.size(); ++i) found[names[i]] = key_of(answers[i]);
  for (Judged& judged : signatures_) {
    if (!judged.result.result.empty()) continue;
    judged.key = found[judged.signature.key_name()];
    judge_key(judged);
  }
}

uint32_t Verifier::cost() const {
  uint32_t out = 0;
  for (const Judged& judged : signatures_)
    if (judged.result.result.empty() && judged.key.record.key) out += judged.key.record.key->cost();
  return out;
}

void Verifier::judge_key(Judged& judged) const {
  const FoundKey& key = judged.key;
  DkimResult& out = judged.result;
  if (key.temporary) return decide(out, "temperror", key.problem);
  if (!key.problem.empty()) return decide(out, "permerror", key.problem);
  out.testing = key.record.testing;
  out.key_bits = key.record.key->bits();
  if (key.record.kind != *judged.signature.kind) return decide(out, "permerror", "the key is of another kind than the signature");
  if (key.record.kind == KeyKind::rsa && out.key_bits < policy_.least_rsa_bits)
    return decide(out, "policy", "the key has " + std::to_string(out.key_bits) + " bits, fewer than " + std::to_string(policy_.least_rsa_bits));
  if (key.record.kind == KeyKind::rsa && out.key_bits > 8'192) return decide(out, "policy", "the key has more than 8192 bits");
  if (key.record.strict && !out.identity.empty() && domain_of(out.identity) != out.domain)
    decide(out, "permerror", "the key is not for subdomains, and i= is of one");
}

void Verifier::body(std::string_view piece) {
  for (Body& each : bodies_) each.hash.add(piece);
}

void Verifier::judge(Judged& judged) const {
  DkimResult& out = judged.result;
  const Signature& read = judged.signature;
  const Body& body = bodies_[judged.body];
  if (!judged.key.record.key) return decide(out, "temperror", "the key was not looked up");
  if (read.body_length && *read.body_length > body.hash.canonical_size()) return decide(out, "fail", "l= counts more octets than the body has");
  out.partial = read.body_length && *read.body_length < body.hash.canonical_size();
  if (!same_octets(body.digest, read.body_hash)) return decide(out, "fail", "the body is not the one that was signed");
  if (!signature_holds(read, *judged.field, block_, *judged.key.record.key)) return decide(out, "fail", "the signature does not fit the header and the key");
  if (out.partial && !policy_.partial_counts) return decide(out, "policy", "the signature covers only the beginning of the body (l=)");
  decide(out, "pass", "");
}

std::vector<DkimResult> Verifier::finish() {
  for (Body& each : bodies_) each.digest = each.hash.finish();
  std::vector<DkimResult> out;
  for (Judged& judged : signatures_) {
    if (judged.result.result.empty()) judge(judged);
    out.push_back(std::move(judged.result));
  }
  return out;
}

vrd::Task<std::vector<DkimResult>> verify_dkim(Dns& dns, std::string message, DkimPolicy policy, int64_t now) {
  Verifier verifier(message, policy, now);
  vrd::Task<void> keys = verifier.fetch_keys(dns);
  co_await keys;
  if (verifier.wants_body()) verifier.body(std::string_view(message).substr(read_header(message).body));
  co_return verifier.finish();
}

}  // namespace mailauth
