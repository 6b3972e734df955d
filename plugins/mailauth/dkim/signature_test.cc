// Signature fields and key records as strangers write them.
#include <doctest/doctest.h>

#include "mailauth/dkim/key_record.h"
#include "mailauth/dkim/signature.h"

using namespace mailauth;

namespace {

const std::string kGood = "v=1; a=rsa-sha256; d=A.Test; s=Sel; h=From:To; bh=AAAA; b=BBBB";

std::string problem(const std::string& value, SignatureField kind = SignatureField::dkim) { return read_signature(kind, value).problem; }

}  // namespace

TEST_CASE("a signature is read") {
  Signature read = read_signature(SignatureField::dkim, " v=1; a=RSA-SHA256; c=relaxed/simple; d=A.Test;\r\n\ts=Sel; i=@sub.a.test; t=10; x=20; l=5;\r\n h=From : To:\r\n Subject; bh=AA AA; b=Q UJD\r\n RA==; z=ignored");
  CHECK(read.problem == "");
  CHECK(read.domain == "a.test");
  CHECK(read.key_name() == "sel._domainkey.a.test");
  CHECK(read.kind == KeyKind::rsa);
  CHECK(read.header_form == Canonical::relaxed);
  CHECK(read.body_form == Canonical::simple);
  CHECK(read.headers == std::vector<std::string>{"From", "To", "Subject"});
  CHECK(read.signature == "ABCD");
  CHECK(read.b_beginning == "QUJDRA==");
  CHECK(read.body_length == 5);
  CHECK(read.expires_at == 20);
}

TEST_CASE("what is wrong with a signature is said") {
  CHECK(problem(kGood) == "");
  CHECK(problem("") == "has no a=");
  CHECK(problem("v=1") == "has no a=");
  CHECK(problem("nonsense") == "is no list of tags");
  CHECK(problem("v=2" + kGood.substr(3)) == "has another version than 1");
  CHECK(problem(kGood.substr(4)) == "has no v=");
  CHECK(problem(kGood + "; t=x") == "has a t= that is no time");
  CHECK(problem(kGood + "; t=-1") == "has a t= that is no time");
  CHECK(problem(kGood + "; l=1e3") == "has an l= that is no number");
  CHECK(problem(kGood + "; l=99999999999999999999") == "has an l= that is no number");
  CHECK(problem(kGood + "; t=5; x=4") == "expires before it was made");
  CHECK(problem(kGood + "; i=b.test") == "has an i= outside of its d=");
  CHECK(problem(kGood + "; i=@xa.test") == "has an i= outside of its d=");
  CHECK(problem(kGood + "; c=nowsp") == "has a c= that is not known");
  CHECK(problem(kGood + "; q=http") == "has a q= without dns/txt");
  CHECK(problem(kGood + "; q=dns/txt:x") == "");
  CHECK(problem("v=1; a=rsa-sha256; d=a.test; s=s; h=To; bh=AAAA; b=BBBB") == "does not sign the field From");
  CHECK(problem("v=1; a=rsa-sha256; d=a.test; s=s; h=From::To; bh=AAAA; b=BBBB") == "has an h= that is no list of names");
  CHECK(problem("v=1; a=rsa-sha256; d=a.test; s=s; h=From; bh=!; b=BBBB") == "has a bh= that is not base64");
  CHECK(problem("v=1; a=rsa-sha256; d=test; s=s; h=From; bh=AAAA; b=BBBB") == "has a d= that is no domain");
  CHECK(problem("v=1; a=rsa-sha256; d=a..test; s=s; h=From; bh=AAAA; b=BBBB") == "has a d= that is no domain");
  CHECK(problem("v=1; a=rsa-sha256; d=a.test; s=a b; h=From; bh=AAAA; b=BBBB") == "has an s= that is no selector");
  CHECK(problem(kGood + "; x" + std::string(70'000, ' ')) == "is too long");
  CHECK_FALSE(read_signature(SignatureField::dkim, "v=1; a=rsa-sha1" + kGood.substr(17)).kind);
}

TEST_CASE("fields of ARC have an instance") {
  const std::string seal = "i=2; a=rsa-sha256; d=a.test; s=s; cv=pass; b=BBBB";
  CHECK(read_signature(SignatureField::arc_seal, seal).instance == 2);
  CHECK(read_signature(SignatureField::arc_seal, seal).chain == "pass");
  CHECK(problem("i=0" + seal.substr(3), SignatureField::arc_seal) == "has an i= that is not 1 to 50");
  CHECK(problem("i=51" + seal.substr(3), SignatureField::arc_seal) == "has an i= that is not 1 to 50");
  CHECK(problem(seal + "; h=from", SignatureField::arc_seal) == "has an h=, which a seal may not have");
  CHECK(problem("i=1; a=rsa-sha256; d=a.test; s=s; b=BBBB", SignatureField::arc_seal) == "has a cv= that is not none, pass or fail");
  CHECK(problem("i=1; a=rsa-sha256; d=a.test; s=s; h=Subject; bh=AAAA; b=BBBB", SignatureField::arc_message) == "");
}

TEST_CASE("the signature is left out of its own field, and nothing else") {
  auto left = [](std::string_view text) {
    HeaderBlock block = read_header(text);
    std::string storage;
    return std::string(without_signature(block.fields.at(0), storage).whole);
  };
  CHECK(left("DKIM-Signature: v=1; b=abc; bh=x\r\n") == "DKIM-Signature: v=1; b=; bh=x");
  CHECK(left("DKIM-Signature: v=1; bh=b=;\r\n\tb = a\r\n bc\r\n") == "DKIM-Signature: v=1; bh=b=;\r\n\tb =");
  CHECK(left("X: b=abc\r\n") == "X: b=");
  CHECK(left("X: none\r\n") == "X: none");
}

TEST_CASE("fields are taken from the bottom, each once") {
  HeaderBlock block = read_header("A: 1\r\nB: 2\r\na: 3\r\n\r\n");
  auto found = signed_fields(block, {"A", "a", "A", "C", "b"});
  REQUIRE(found.size() == 3);
  CHECK(found[0]->value == " 3");
  CHECK(found[1]->value == " 1");
  CHECK(found[2]->value == " 2");
}

TEST_CASE("key records") {
  const std::string ed = "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
  CHECK(read_key_record("v=DKIM1; k=ed25519; " + ed).problem == "");
  CHECK(read_key_record("k=ed25519; t=y:s; n=note; " + ed).testing);
  CHECK(read_key_record("k=ed25519; t=y:s; " + ed).strict);
  CHECK(read_key_record("v=DKIM1; k=rsa; p=").revoked);
  CHECK(read_key_record("v=DKIM1; k=rsa; " + ed).problem == "has a p= that holds no key of its kind");
  CHECK(read_key_record("v=DKIM1; k=ed25519; p=AAAA").problem == "has a p= that holds no key of its kind");
  CHECK(read_key_record("v=DKIM2; k=ed25519; " + ed).problem == "has another version than DKIM1, or not at its beginning");
  CHECK(read_key_record("k=ed25519; v=DKIM1; " + ed).problem == "has another version than DKIM1, or not at its beginning");
  CHECK(read_key_record("k=dsa; " + ed).problem == "has a kind of key that is not known");
  CHECK(read_key_record("k=ed25519; s=tlsrpt; " + ed).problem == "is not for mail (s=)");
  CHECK(read_key_record("k=ed25519; s=tlsrpt:email; " + ed).problem == "");
  CHECK(read_key_record("k=ed25519; h=sha1; " + ed).problem == "does not allow sha256 (h=)");
  CHECK(read_key_record("k=ed25519").problem == "has no p=");
  CHECK(read_key_record("p=!").problem == "has a p= that is not base64");
  CHECK(read_key_record("hello").problem == "is no list of tags");
}

TEST_CASE("base64, padded or not, with white space and without") {
  CHECK(decode_base64("QUJD") == "ABC");
  CHECK(decode_base64("QU\r\n JDRA==") == "ABCD");
  CHECK(decode_base64("QUJDRA") == "ABCD");
  CHECK_FALSE(decode_base64(""));
  CHECK_FALSE(decode_base64("Q"));
  CHECK_FALSE(decode_base64("QUJ!"));
  CHECK_FALSE(decode_base64("Q=JD"));
  CHECK_FALSE(decode_base64("===="));
  CHECK(encode_base64(std::string_view("ABCD")) == "QUJDRA==");
}
