// Signing and verifying: the example of RFC 8463, what we sign, what was changed on the way, keys that are not what they should be.
#include <doctest/doctest.h>

#include "mailauth/base/fake_dns.h"
#include "mailauth/dkim/sign.h"
#include "mailauth/dkim/verify.h"

using namespace mailauth;

namespace {

constexpr int64_t kNow = 1'700'000'000;

struct Keys {
  SigningKey rsa{"a.test", "r", PrivateKey::generate(KeyKind::rsa, 2048)};
  SigningKey ed{"a.test", "e", PrivateKey::generate(KeyKind::ed25519, 0)};
  FakeDns dns;
  Keys() {
    dns.add("r._domainkey.a.test", VRD_DNS_TXT, key_record_text(*rsa.key));
    dns.add("e._domainkey.a.test", VRD_DNS_TXT, key_record_text(*ed.key));
  }
};

const std::string kBody = "Hello,\r\n\r\n  two  spaces \r\n\r\n\r\n";
const std::string kMessage = "From: Ann <ann@a.test>\r\nTo: bob@b.test\r\nSubject: greetings\r\n and more\r\nReceived: here\r\n\r\n" + kBody;

SignOptions options() {
  SignOptions out;
  out.names = usually_signed();
  out.oversigned = usually_oversigned();
  out.now = kNow;
  return out;
}

std::string signed_message(const std::string& message, const std::vector<SigningKey>& keys, SignOptions with = options()) {
  HeaderBlock block = read_header(message);
  Signer signer(std::move(with));
  signer.body(std::string_view(message).substr(block.body));
  std::string out = message;
  for (const NewField& field : signer.finish(block, keys)) {
    REQUIRE(!field.value.empty());
    out = field.name + ": " + field.value + "\r\n" + out;
  }
  return out;
}

std::vector<DkimResult> verified(Dns& dns, const std::string& message, DkimPolicy policy = {}, int64_t now = kNow) {
  return run(verify_dkim(dns, message, policy, now));
}

std::string first_word(Dns& dns, const std::string& message, DkimPolicy policy = {}, int64_t now = kNow) {
  auto results = verified(dns, message, policy, now);
  REQUIRE(!results.empty());
  return results[0].result;
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("the example of RFC 8463") {
  FakeDns dns;
  dns.add("brisbane._domainkey.football.example.com", VRD_DNS_TXT, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  const std::string message =
      "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
      " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n"
      " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
      " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
      "From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner ready?\r\n"
      "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
      "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
  auto results = verified(dns, message);
  REQUIRE(results.size() == 1);
  CHECK(results[0].result == "pass");
  CHECK(results[0].reason == "");
  CHECK(results[0].body_b == "/gCrinpc");
}

TEST_CASE("what is signed with two keys passes twice, in all forms") {
  Keys keys;
  for (Canonical header : {Canonical::simple, Canonical::relaxed})
    for (Canonical body : {Canonical::simple, Canonical::relaxed}) {
      SignOptions with = options();
      with.header_form = header;
      with.body_form = body;
      std::string message = signed_message(kMessage, {keys.rsa, keys.ed}, with);
      auto results = verified(keys.dns, message);
      REQUIRE(results.size() == 2);
      CHECK(results[0].result == "pass");
      CHECK(results[0].algorithm == "ed25519-sha256");
      CHECK(results[1].result == "pass");
      CHECK(results[1].key_bits == 2048);
      CHECK(results[1].uncovered.empty());
      CHECK(first_word(keys.dns, replaced(message, "greetings", "Greetings")) == "fail");
      CHECK(first_word(keys.dns, replaced(message, "Hello", "hello")) == "fail");
    }
}

TEST_CASE("relaxed forms outlive white space, and oversigned fields cannot be added") {
  Keys keys;
  std::string message = signed_message(kMessage, {keys.ed});
  CHECK(first_word(keys.dns, replaced(message, "two  spaces \r\n\r\n\r\n", "two spaces\r\n")) == "pass");
  CHECK(first_word(keys.dns, replaced(message, "Subject: greetings\r\n and more", "SUBJECT:greetings   and more ")) == "pass");
  CHECK(first_word(keys.dns, "Received: later\r\n" + message) == "pass");
  for (const char* added : {"From: eve@c.test\r\n", "Subject: other\r\n", "Content-Type: text/html\r\n", "Message-ID: <x@y>\r\n"})
    CHECK(first_word(keys.dns, added + message) == "fail");
  CHECK(first_word(keys.dns, "Reply-To: eve@c.test\r\n" + message) == "pass");
}

TEST_CASE("a field From that the signature does not cover is no pass") {
  Keys keys;
  SignOptions once = options();
  once.oversigned.clear();
  std::string message = signed_message(kMessage, {keys.ed}, once);
  CHECK(first_word(keys.dns, message) == "pass");
  CHECK(first_word(keys.dns, "From: other@b.test\r\n" + message) == "policy");
  CHECK(first_word(keys.dns, signed_message("From: other@b.test\r\n" + kMessage, {keys.rsa}, once)) == "pass");
}

TEST_CASE("lines of the field stay short, whatever is signed") {
  Keys keys;
  std::string message = signed_message("From: a@a.test\r\n\r\n", {keys.rsa});
  for (size_t at = 0, end = 0; at < message.size(); at = end + 2) {
    end = message.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    CHECK(end - at <= 78);
  }
}

TEST_CASE("keys that cannot be had, and keys that do not fit") {
  Keys keys;
  std::string message = signed_message(kMessage, {keys.rsa});
  auto with = [&](const std::string& record) {
    FakeDns dns;
    if (!record.empty()) dns.add("r._domainkey.a.test", VRD_DNS_TXT, record);
    auto results = verified(dns, message);
    return results.at(0).result + ": " + results.at(0).reason;
  };
  CHECK(with("") == "permerror: there is no such key: the name does not exist");
  CHECK(with("v=DKIM1; p=") == "permerror: the key's record is revoked");
  CHECK(with(key_record_text(*keys.ed.key)) == "permerror: the key is of another kind than the signature");
  CHECK(with(key_record_text(*PrivateKey::generate(KeyKind::rsa, 2048))) == "fail: the signature does not fit the header and the key");
  CHECK(with(key_record_text(*PrivateKey::generate(KeyKind::rsa, 768))) == "policy: the key has 768 bits, fewer than 1024");
  CHECK(with(key_record_text(*keys.rsa.key) + "; t=y") == "pass: ");
  // An exponent of 201 bits.
  CHECK(with("p=MIG2MA0GCSqGSIb3DQEBAQUAA4GkADCBoAKBgQC0mjK4o0RJk59n/hZT+r3rn/1PJlbBguBoHNjpNrKNE3HHbV3MIe4Nl5Brgvr7ngY4Nb6T4z5YK6NQ7zZGBFgtLKnFpjMQuHNOK7/HJn77"
             "352KBIbQE/HH00v+kpcTc3M9vPkL0YhOQYHs/BObhQjBDOUC0PXGfe+nicX+cONqmQIaAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAOs=") ==
        "permerror: the key's record has a p= that holds no key of its kind");
  FakeDns slow;
  slow.fail("r._domainkey.a.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  CHECK(first_word(slow, message) == "temperror");
}

TEST_CASE("times, lengths, old algorithms") {
  Keys keys;
  SignOptions with = options();
  with.lifetime = 100;
  std::string message = signed_message(kMessage, {keys.ed}, with);
  CHECK(first_word(keys.dns, message, {}, kNow + 100) == "pass");
  CHECK(first_word(keys.dns, message, {}, kNow + 101) == "fail");
  CHECK(first_word(keys.dns, message, {}, kNow - 601) == "policy");
  CHECK(first_word(keys.dns, replaced(message, "ed25519-sha256", "rsa-sha1")) == "permerror");
  CHECK(first_word(keys.dns, replaced(message, "ed25519-sha256", "md5")) == "neutral");
  CHECK(first_word(keys.dns, replaced(message, "v=1", "v=2")) == "neutral");
  CHECK(first_word(keys.dns, replaced(message, "h=From:From:", "h=")) == "permerror");
}

TEST_CASE("a signature of part of the body is no pass unless it is told to be") {
  Keys keys;
  const std::string body = "signed\r\nadded later\r\n";
  HeaderBlock block = read_header("From: a@a.test\r\n\r\n");
  auto partial = [&](size_t length) {
    std::string value = "v=1; a=ed25519-sha256; c=simple/simple; d=a.test; s=e; l=" + std::to_string(length) + "; h=From; bh=" + encode_base64(sha256(body.substr(0, length))) + "; b=";
    Sha256 hash;
    hash.add("From: a@a.test\r\n");
    return "DKIM-Signature: " + with_signature("DKIM-Signature", value, Canonical::simple, hash, *keys.ed.key) + "\r\nFrom: a@a.test\r\n\r\n" + body;
  };
  DkimPolicy lenient;
  lenient.partial_counts = true;
  auto results = verified(keys.dns, partial(8));
  CHECK(results.at(0).result == "policy");
  CHECK(results.at(0).partial);
  CHECK(first_word(keys.dns, partial(8), lenient) == "pass");
  CHECK(first_word(keys.dns, partial(body.size())) == "pass");
  CHECK(first_word(keys.dns, partial(body.size() + 1)) == "fail");
}

TEST_CASE("every signature has a result, and only so many cost something") {
  Keys keys;
  std::string message = signed_message(kMessage, {keys.ed});
  std::string many;
  for (int i = 0; i < 3'000; ++i) many += "DKIM-Signature: v=1; a=ed25519-sha256; d=d" + std::to_string(i) + ".test; s=s; h=From; bh=AAAA; b=AAAA\r\n";
  auto results = verified(keys.dns, many + message);
  CHECK(results.size() == 1'000);
  CHECK(keys.dns.asked.size() == 10);
  CHECK(results[9].result == "permerror");
  CHECK(results[10].result == "policy");
  CHECK(verified(keys.dns, kMessage).empty());
  CHECK(verified(keys.dns, "DKIM-Signature: \r\n\r\n").at(0).result == "neutral");
}

TEST_CASE("one key is asked for once") {
  Keys keys;
  std::string message = signed_message(signed_message(kMessage, {keys.ed}), {keys.ed});
  CHECK(verified(keys.dns, message).size() == 2);
  CHECK(keys.dns.asked.size() == 1);
}

TEST_CASE("what signatures cost is known before they are verified, so that large keys are not verified on a loop") {
  auto cost = [](KeyKind kind, uint32_t bits) {
    return PublicKey::read(kind, PrivateKey::generate(kind, bits)->public_octets())->cost();
  };
  CHECK(cost(KeyKind::rsa, 1'024) < cost(KeyKind::rsa, 2'048));
  CHECK(cost(KeyKind::rsa, 2'048) + cost(KeyKind::ed25519, 0) <= kLoopCost);  // as most large senders sign
  CHECK(2 * cost(KeyKind::rsa, 4'096) > kLoopCost);
  Keys keys;
  for (int signatures : {1, 2}) {
    std::string message = kMessage;
    for (int i = 0; i < signatures; ++i) message = signed_message(message, {keys.ed});
    Verifier verifier(message, {}, kNow);
    CHECK(verifier.cost() == 0);
    vrd::Task<void> fetching = verifier.fetch_keys(keys.dns);
    REQUIRE(fetching.start({}));
    CHECK((verifier.cost() > kLoopCost) == (signatures > 1));
  }
}

TEST_CASE("private keys: what cannot be used is said") {
  std::string problem;
  CHECK(PrivateKey::from_pem(PrivateKey::generate(KeyKind::ed25519, 0)->pem(), &problem)->kind() == KeyKind::ed25519);
  CHECK(PrivateKey::from_pem(PrivateKey::generate(KeyKind::rsa, 1024)->pem(), &problem)->bits() == 1024);
  CHECK_FALSE(PrivateKey::from_pem("hello", &problem));
  CHECK(problem == "holds no private key in PEM");
  CHECK_FALSE(PrivateKey::from_pem(PrivateKey::generate(KeyKind::rsa, 768)->pem(), &problem));
  CHECK(problem == "holds an RSA key of 768 bits; 1024 are the least");
  CHECK_FALSE(PrivateKey::from_pem("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", &problem));
  CHECK(problem == "is protected by a passphrase");
}
