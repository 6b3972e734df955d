// Whose mail it is, what is told of signatures, what the commands print, both engines over the same messages.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "dkim/check.h"
#include "dkim/engine.h"
#include "dkim/incoming.h"
#include "dkim/outgoing.h"
#include "mailauth/base/fake_dns.h"

using namespace mail_dkim;
using mailauth::DkimResult;

namespace {

DkimResult result(std::string word, std::string domain = "a.test", bool testing = false) {
  DkimResult out;
  out.result = std::move(word);
  out.domain = std::move(domain);
  out.testing = testing;
  return out;
}

mailauth::SignOptions options() {
  mailauth::SignOptions out;
  out.names = mailauth::usually_signed();
  out.oversigned = mailauth::usually_oversigned();
  out.now = 1'700'000'000;
  return out;
}

std::string signed_by(const Engine& engine, const std::string& message, const mailauth::SigningKey& key, const mailauth::SignOptions& with = options()) {
  const size_t body = mailauth::read_header(message).body;
  const std::string_view all = message;
  auto fields = engine.sign({all.substr(0, body), [&](const Take& take) { take(all.substr(body)); }}, with, {&key, 1});
  REQUIRE_FALSE(fields.front().value.empty());
  return fields.front().name + ": " + fields.front().value + "\r\n" + message;
}

std::string verified_by(const Engine& engine, mailauth::Dns& dns, const std::string& message) {
  const std::string_view all = message;
  const size_t body = mailauth::read_header(message).body;
  auto verifier = engine.verifier(all.substr(0, body), {}, 1'700'000'000);
  mailauth::run(verifier->fetch_keys(dns));
  verifier->body(all.substr(body));
  auto results = verifier->finish();
  REQUIRE(results.size() == 1);
  return results[0].result;
}

}  // namespace

TEST_CASE("whose mail it is") {
  CHECK(owner_of("From: Ann <ann@A.test>\r\n\r\n", "s.test", true).domain == "a.test");
  CHECK(owner_of("From: a@b\xC3\xBC" "cher.test\r\n\r\n", "", true).domain == "xn--bcher-kva.test");
  CHECK(owner_of("From: a@a.test, b@b.test\r\nSender: a@a.test\r\n\r\n", "", true).domain == "a.test");
  CHECK(owner_of("From: nobody:;\r\n\r\n", "S.test", true).domain == "s.test");
  CHECK(owner_of("From: nobody:;\r\n\r\n", "s.test", false).domain.empty());
  CHECK(owner_of("From: a@a.test\r\nFrom: b@b.test\r\n\r\n", "s.test", true).domain.empty());
  CHECK(owner_of("Subject: x\r\n\r\n", "s.test", true).domain.empty());
}

TEST_CASE("the best result speaks for the message, and what only tests does not count against it") {
  auto best = [](const std::vector<DkimResult>& all) { return best_of(all) ? best_of(all)->result : "-"; };
  CHECK(best({}) == "-");
  CHECK(best({result("fail"), result("pass")}) == "pass");
  CHECK(best({result("permerror"), result("temperror"), result("fail")}) == "temperror");
  CHECK(best({result("fail", "a.test", true)}) == "-");
  CHECK(best({result("neutral"), result("policy")}) == "policy");
}

TEST_CASE("what is told is bounded and printable") {
  std::vector<DkimResult> all(40, result("fail"));
  all[0].identity = "x\r\ny\xFF@a.test";
  all[0].reason = std::string(500, 'r');
  auto told = told_of(all, 10);
  REQUIRE(told.size() == 11);
  CHECK(told[0].reason.size() == 200);
  CHECK(told[0].properties.back() == std::pair<std::string, std::string>("header.i", "x??y?@a.test"));
  CHECK(told[10].result == "policy");
  CHECK(told[10].reason == "there are 30 more signatures, which were not looked at");
  CHECK(reply_text("{result} of {domain}: {reason} {x}", "fail", &all[1]) == "fail of a.test:  {x}");
}

TEST_CASE("a signature is put on top in the line ends of the file, and nothing else changes") {
  const mailauth::NewField field{"DKIM-Signature", "v=1;\r\n\tb=x"};
  for (const std::string input : {"From: a\n\nb\n", "From: a\n\nb"}) CHECK(with_field(mailauth::message_input(input), input, field) == "DKIM-Signature: v=1;\n\tb=x\n" + input);
  const std::string crlf = "From: a\r\n\r\nb\r\n";
  CHECK(with_field(mailauth::message_input(crlf), crlf, field) == "DKIM-Signature: v=1;\r\n\tb=x\r\n" + crlf);
}

TEST_CASE("the fields that a user names are covered exactly") {
  const std::string message = "From: a@a.test\r\nTo: b\r\nSubject: s\r\n\r\n";
  const mailauth::HeaderBlock block = mailauth::read_header(message);
  auto names = [&](const char* list) {
    mailauth::SignOptions with = options();
    cover(with, list, block);
    return mailauth::names_to_sign(block, with);
  };
  CHECK(names("from:to") == std::vector<std::string>{"from", "to"});
  CHECK(names("to") == std::vector<std::string>{"From", "to"});
  CHECK(names("from:from:cc") == std::vector<std::string>{"from", "from", "cc"});
}

TEST_CASE("lines of the command begin with a result") {
  DkimResult partial = result("policy");
  partial.partial = true;
  partial.reason = "why";
  partial.uncovered = {"Subject"};
  const std::string text = check_text({result("pass"), partial});
  CHECK(text.starts_with("pass header.d=a.test\npolicy header.d=a.test: why\nkey: "));
  CHECK(text.find("warning: the signature of a.test does not cover Subject") != std::string::npos);
  CHECK(check_text({}).starts_with("none\n"));
  CHECK(nlohmann::json::parse(check_json({result("fail"), result("pass")}))["result"] == "pass");
}

TEST_CASE("both engines verify what the other signed") {
  auto opendkim = opendkim_engine();
  if (!opendkim) return;
  const NativeEngine native;
  for (auto kind : {mailauth::KeyKind::rsa, mailauth::KeyKind::ed25519}) {
    const mailauth::SigningKey key{"a.test", "s", mailauth::PrivateKey::generate(kind, 1'024)};
    mailauth::FakeDns dns;
    dns.add("s._domainkey.a.test", VRD_DNS_TXT, mailauth::key_record_text(*key.key));
    for (const char* body : {"", "\r\n", "text", "text \r\n\r\n", " \t\r\n", "a\tb  c\r\n"}) {
      const std::string message = std::string("From: a@a.test\r\nSubject: s \r\n\t t\r\n\r\n") + body;
      for (auto form : {mailauth::Canonical::simple, mailauth::Canonical::relaxed}) {
        mailauth::SignOptions with = options();
        with.header_form = with.body_form = form;
        CHECK(verified_by(native, dns, signed_by(*opendkim, message, key, with)) == "pass");
        CHECK(verified_by(*opendkim, dns, signed_by(native, message, key, with)) == "pass");
        CHECK(verified_by(*opendkim, dns, signed_by(native, message, key, with) + "more\r\n") == "fail");
      }
    }
  }
}

TEST_CASE("guards of libopendkim: lists of fields that it would cut, records that it would cut, signatures without end") {
  auto opendkim = opendkim_engine();
  if (!opendkim) return;
  const mailauth::SigningKey key{"a.test", "s", mailauth::PrivateKey::generate(mailauth::KeyKind::rsa, 1'024)};
  mailauth::FakeDns dns, longer;
  dns.add("s._domainkey.a.test", VRD_DNS_TXT, mailauth::key_record_text(*key.key));
  longer.add("s._domainkey.a.test", VRD_DNS_TXT, mailauth::key_record_text(*key.key) + "; n=" + std::string(1'000, 'n'));
  std::string many = "From: a@a.test\r\n";
  for (int i = 0; i < 900; ++i) many += "To: b" + std::to_string(i) + "@b.test\r\n";
  const std::string whole = signed_by(*opendkim, many + "\r\ntext\r\n", key);
  CHECK(verified_by(NativeEngine(), dns, whole) == "pass");
  std::string changed = whole;
  changed.replace(changed.find("b899@"), 4, "evil");
  CHECK(verified_by(NativeEngine(), dns, changed) == "fail");
  const std::string plain = signed_by(*opendkim, "From: a@a.test\r\n\r\ntext\r\n", key);
  CHECK(verified_by(*opendkim, dns, plain) == "pass");
  CHECK(verified_by(*opendkim, longer, plain) == "neutral");
  std::string hostile;
  for (int i = 0; i < 3'000; ++i) hostile += "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=AAAA; b=AAAA\r\n";
  hostile += "From: a@a.test\r\n\r\n";
  auto verifier = opendkim->verifier(hostile, {}, 1'700'000'000);
  mailauth::run(verifier->fetch_keys(dns));
  CHECK(verifier->finish().size() == 1'000);
}
