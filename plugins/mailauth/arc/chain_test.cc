// Chains: made, passed on, broken in every way.
#include <doctest/doctest.h>

#include <functional>

#include "mailauth/arc/chain.h"
#include "mailauth/base/fake_dns.h"

using namespace mailauth;

namespace {

constexpr int64_t kNow = 1'700'000'000;
const std::string kMessage = "From: ann@a.test\r\nTo: list@l.test\r\nSubject: hi\r\n\r\nbody\r\n";

struct World {
  SigningKey a{"a.test", "s", PrivateKey::generate(KeyKind::rsa, 1024)};
  SigningKey b{"b.test", "s", PrivateKey::generate(KeyKind::ed25519, 0)};
  FakeDns dns;
  World() {
    dns.add("s._domainkey.a.test", VRD_DNS_TXT, key_record_text(*a.key));
    dns.add("s._domainkey.b.test", VRD_DNS_TXT, key_record_text(*b.key));
  }
  ArcAnswer check(const std::string& message) { return run(verify_arc(dns, message)); }
  std::string sealed(const std::string& message, const SigningKey& key, const std::string& results = "mx.test; spf=pass") {
    SignOptions options;
    options.names = usually_signed();
    options.now = kNow;
    Signer signer(options);
    signer.body(std::string_view(message).substr(read_header(message).body));
    std::string top;
    for (const NewField& field : seal_message(message, signer, check(message), key, results, kNow)) top += field.name + ": " + field.value + "\r\n";
    return top + message;
  }
};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("a chain grows from seal to seal and tells what each found") {
  World world;
  CHECK(world.check(kMessage).result == "none");
  std::string message = world.sealed(kMessage, world.a, "mx.a.test; dmarc=pass header.from=a.test");
  CHECK(world.check(message).result == "pass");
  message = world.sealed("Received: here\r\n" + message, world.b);
  message = world.sealed(message, world.a);
  ArcAnswer answer = world.check(message);
  CHECK(answer.result == "pass");
  CHECK(answer.reason == "");
  CHECK(answer.oldest_pass == 0);
  REQUIRE(answer.sets.size() == 3);
  CHECK(answer.sets[0].domain == "a.test");
  CHECK(answer.sets[0].chain == "none");
  CHECK(answer.sets[0].results == "mx.a.test; dmarc=pass header.from=a.test");
  CHECK(answer.sets[1].domain == "b.test");
  CHECK(answer.sets[2].chain == "pass");
  CHECK(answer.sets[2].seal == "pass");
}

TEST_CASE("a message that is changed between seals passes, and it shows who changed it") {
  World world;
  std::string message = replaced(world.sealed(kMessage, world.a), "Subject: hi", "Subject: [list] hi");
  CHECK(world.check(message).result == "fail");
  message = world.sealed(kMessage, world.a);
  message = world.sealed(message, world.b);  // then the subject changes, and c seals again: impossible, as b's seal breaks before
  CHECK(world.check(replaced(message, "body", "Body")).result == "fail");
}

TEST_CASE("a list that changes a message after it has judged the chain") {
  World world;
  std::string first = world.sealed(kMessage, world.a);
  ArcAnswer known = world.check(first);
  REQUIRE(known.result == "pass");
  std::string changed = replaced(first, "body", "body\r\n-- \r\nfooter");
  SignOptions options;
  options.names = usually_signed();
  Signer signer(options);
  signer.body(std::string_view(changed).substr(read_header(changed).body));
  std::string top;
  for (const NewField& field : seal_message(changed, signer, known, world.b, "l.test; arc=pass", kNow)) top += field.name + ": " + field.value + "\r\n";
  ArcAnswer answer = world.check(top + changed);
  CHECK(answer.result == "pass");
  CHECK(answer.oldest_pass == 2);
  CHECK(answer.sets[0].message == "fail");
}

TEST_CASE("a broken chain may be sealed once more, and then no more") {
  World world;
  std::string message = world.sealed(kMessage, world.a);
  message = replaced(message, "cv=none", "cv=pass");
  ArcAnswer answer = world.check(message);
  CHECK(answer.result == "fail");
  CHECK(answer.reason == "the seal of set 1 has a cv= that cannot be");
  std::string again = world.sealed(message, world.b);
  CHECK(again.find("cv=fail") != std::string::npos);
  answer = world.check(again);
  CHECK(answer.result == "fail");
  CHECK(answer.ended);
  CHECK(world.sealed(again, world.a) == again);
}

TEST_CASE("the set that says that a chain is broken takes a number that no field has, and covers itself alone") {
  World world;
  const std::string whole = world.sealed(world.sealed(kMessage, world.a), world.b);
  HeaderBlock block = read_header(whole);
  std::string gap = whole;
  for (size_t i = 3; i < 6; ++i) gap = replaced(gap, std::string(block.fields[i].whole) + "\r\n", "");
  const std::string garbled = "ARC-Authentication-Results: spf=pass\r\n" + whole;
  for (const std::string& broken : {gap, garbled}) {
    std::string again = world.sealed(broken, world.b);
    CHECK(again.starts_with("ARC-Seal: i=3;"));
    CHECK(again.find("cv=fail") != std::string::npos);
    CHECK(world.check(again).ended);
    CHECK(world.sealed(again, world.a) == again);
  }
}

TEST_CASE("what the last message signature may not do breaks the chain, what an older one did is told") {
  World world;
  auto sealed = [&](const std::string& message, ArcAnswer known, const SigningKey& key, std::vector<std::string> names) {
    SignOptions options;
    options.oversigned = std::move(names);
    Signer signer(options);
    signer.body(std::string_view(message).substr(read_header(message).body));
    std::string top;
    for (const NewField& field : seal_message(message, signer, known, key, "mx.test; none", kNow)) top += field.name + ": " + field.value + "\r\n";
    return top + message;
  };
  const std::pair<std::vector<std::string>, const char*> kinds[] = {{{"From", "ARC-Seal"}, "it covers seals"}, {{"Subject"}, "it does not cover the field From"}};
  for (const auto& [names, reason] : kinds) {
    std::string message = sealed(kMessage, world.check(kMessage), world.a, names);
    ArcAnswer answer = world.check(message);
    CHECK(answer.result == "fail");
    CHECK(answer.reason == std::string("the message signature of set 1: ") + reason);
    answer.result = "pass";  // as one who does not look would say
    answer = world.check(sealed(message, answer, world.b, {"From"}));
    CHECK(answer.result == "pass");
    CHECK(answer.oldest_pass == 2);
    CHECK(answer.sets[0].message == "fail");
  }
}

TEST_CASE("whatever is missing, doubled or altered breaks the chain") {
  World world;
  const std::string whole = world.sealed(world.sealed(kMessage, world.a), world.b);
  REQUIRE(world.check(whole).result == "pass");
  HeaderBlock block = read_header(whole);
  for (size_t i = 0; i < 6; ++i) {
    std::string field(block.fields[i].whole);
    CAPTURE(field);
    CHECK(world.check(replaced(whole, field + "\r\n", "")).result == "fail");
    CHECK(world.check(field + "\r\n" + whole).result == "fail");
  }
  CHECK(world.check(replaced(whole, "spf=pass", "spf=fail")).result == "fail");
  CHECK(world.check(replaced(whole, "i=2", "i=3")).result == "fail");
  CHECK(world.check(replaced(whole, "i=2", "i=0")).result == "fail");
  CHECK(world.check("ARC-Seal: nonsense\r\n" + whole).result == "fail");
  CHECK(world.check("ARC-Authentication-Results: spf=pass\r\n" + whole).result == "fail");
  CHECK(world.check(replaced(whole, "h=From", "h=ARC-Seal:From")).result == "fail");
}

TEST_CASE("keys that are gone, and keys that cannot be asked for now") {
  World world;
  std::string message = world.sealed(world.sealed(kMessage, world.a), world.b);
  FakeDns none;
  CHECK(run(verify_arc(none, message)).result == "fail");
  world.dns.fail("s._domainkey.a.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  ArcAnswer answer = world.check(message);
  CHECK(answer.result == "temperror");
  CHECK(answer.sets[0].seal == "temperror");
}

TEST_CASE("fifty sets are the most, and cost two questions when there are two keys") {
  World world;
  std::string message = kMessage;
  for (int i = 0; i < 50; ++i) message = world.sealed(message, i % 2 ? world.a : world.b);
  world.dns.asked.clear();
  ArcAnswer answer = world.check(message);
  CHECK(answer.result == "pass");
  CHECK(answer.sets.size() == 50);
  CHECK(world.dns.asked.size() == 2);
  CHECK(world.sealed(message, world.a) == message);
}
