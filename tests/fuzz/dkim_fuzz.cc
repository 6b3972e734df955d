// Fuzz target: DKIM signatures, key records and whole messages of strangers. The first octet chooses. What is read must be within its bounds; bodies
// hash the same whatever pieces they come in; what we sign passes; a message that is verified has one result a signature, whatever it is.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dkim/check.h"
#include "dkim/engine.h"
#include "dkim/keys.h"
#include "dkim/rotate.h"
#include "mailauth/base/fake_dns.h"

namespace {

using namespace mailauth;

constexpr int64_t kNow = 1'700'000'000;

void require(bool condition) {
  if (!condition) std::abort();
}

const SigningKey& key() {
  static const SigningKey the{"a.test", "s", PrivateKey::generate(KeyKind::ed25519, 0)};
  return the;
}

FakeDns zone(std::string_view record = {}) {
  FakeDns out;
  out.add("s._domainkey.a.test", VRD_DNS_TXT, record.empty() ? key_record_text(*key().key) : std::string(record));
  return out;
}

void signature(std::string_view text) {
  for (auto kind : {SignatureField::dkim, SignatureField::arc_message, SignatureField::arc_seal}) {
    const Signature read = read_signature(kind, text);
    require(read.headers.size() <= 1'000 && read.b_beginning.size() <= 8 && read.instance <= 50);
    require(!read.problem.empty() || (is_host_name(read.domain) && is_host_name(read.selector) && !read.signature.empty()));
  }
  const std::string whole = "DKIM-Signature:" + std::string(text);
  std::string storage;
  const Field field{std::string_view(whole).substr(0, 14), std::string_view(whole).substr(15), whole};
  require(without_signature(field, storage).whole.size() <= whole.size());
}

void record(std::string_view text) {
  const KeyRecord read = read_key_record(text);
  require(!read.problem.empty() || (read.key && read.key->kind() == read.kind && read.for_mail && read.sha256));
  std::string problem;
  require(mail_dkim::places_of(text, problem).size() <= 8 && mail_dkim::selectors_in(text).size() <= 8);
  if (auto keys = mail_dkim::read_keys(text, problem)) {
    auto back = mail_dkim::read_keys(mail_dkim::keys_text(*keys), problem);
    require(back && back->size() == keys->size());
  }
}

std::vector<DkimResult> verified(const mail_dkim::Engine& engine, FakeDns dns, const std::string& message) {
  const size_t body = read_header(message).body;
  auto verifier = engine.verifier(std::string_view(message).substr(0, body), {}, kNow);
  run(verifier->fetch_keys(dns));
  verifier->body(std::string_view(message).substr(body));
  return verifier->finish();
}

void message(std::string_view text) {
  const std::string copy(text);
  size_t there = 0;
  for (const Field& field : read_header(copy).fields) there += same_name(field.name, "DKIM-Signature") ? 1 : 0;
  const auto results = verified(mail_dkim::NativeEngine(), zone(), copy);
  require(results.size() == std::min<size_t>(there, 1'000));
  for (const DkimResult& each : results) require(!each.result.empty() && (each.result == "pass") == each.reason.empty());
  mail_dkim::check_text(results);
  mail_dkim::check_json(results);
}

void signing(std::string_view text) {
  const std::string copy = "From: a@a.test\r\n" + std::string(text);
  const HeaderBlock block = read_header(copy);
  SignOptions options;
  options.names = usually_signed();
  options.oversigned = usually_oversigned();
  options.header_form = text.size() % 2 ? Canonical::simple : Canonical::relaxed;
  options.body_form = text.size() % 3 ? Canonical::simple : Canonical::relaxed;
  options.now = kNow;
  auto pieces = [&](const mail_dkim::Take& take) {
    const size_t step = 1 + text.size() % 7;
    for (size_t at = block.body; at < copy.size(); at += step) take(std::string_view(copy).substr(at, step));
  };
  auto fields = mail_dkim::NativeEngine().sign({std::string_view(copy).substr(0, block.body), pieces}, options, {&key(), 1});
  require(fields.size() == 1);
  // More names than a signature may have: nobody would read it.
  if (names_to_sign(block, options).size() > 900) return;
  const std::string whole = fields[0].name + ": " + fields[0].value + "\r\n" + copy;
  require(verified(mail_dkim::NativeEngine(), zone(), whole)[0].result == "pass");
}

void with_record(std::string_view text) {
  static const std::string plain = "DKIM-Signature: v=1; a=ed25519-sha256; d=a.test; s=s; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\nFrom: a@a.test\r\n\r\n";
  if (!text.empty()) require(verified(mail_dkim::NativeEngine(), zone(text), plain)[0].result != "pass");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr void (*kTargets[])(std::string_view) = {signature, record, message, signing, with_record};
  kTargets[data[0] % 5](text);
  return 0;
}
