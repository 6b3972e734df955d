// Fuzz target: ARC chains and Authentication-Results of strangers. The first octet chooses. A check must end with a result of the standard, ask for
// no more than two keys a set, and say why it failed; what is read of results must be bounded.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mailauth/arc/chain.h"
#include "mailauth/arc/results.h"
#include "mailauth/base/fake_dns.h"

namespace {

using namespace mailauth;

void require(bool condition) {
  if (!condition) std::abort();
}

void chain(const std::string& message) {
  static const auto key = PrivateKey::generate(KeyKind::ed25519, 0);
  FakeDns dns;
  dns.add("s._domainkey.a.test", VRD_DNS_TXT, key_record_text(*key)).fail("t._domainkey.a.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  ArcAnswer answer = run(verify_arc(dns, message));
  require(answer.result == "none" || answer.result == "pass" || answer.result == "fail" || answer.result == "temperror");
  require(dns.asked.size() <= 2 * kMostArcSets && answer.sets.size() <= kMostArcSets);
  require((answer.result == "none" || answer.result == "pass") == answer.reason.empty());
  SignOptions options;
  options.names = usually_signed();
  Signer signer(options);
  auto fields = seal_message(message, signer, answer, {"a.test", "s", key}, "mx.test; none", 1);
  require(fields.empty() || fields.size() == 3);
  if (answer.result == "none" && !fields.empty()) require(answer.sets.empty());
}

void results(std::string_view text) {
  ResultsField read = read_results(text);
  require(read.results.size() <= 64 && (read.valid || read.results.empty()));
  for (const MethodResult& one : read.results) require(!one.method.empty() && one.properties.size() <= 32);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) chain(text);
  else results(text);
  return 0;
}
