// Macros: the examples of RFC 7208 7.4, bounds, and what must not be expanded.
#include "mailauth/spf/macro.h"

#include <doctest/doctest.h>

using namespace mailauth::spf;

namespace {

MacroValues values() {
  MacroValues out;
  out.sender = "strong-bad@email.example.com";
  out.local = "strong-bad";
  out.sender_domain = out.domain = "email.example.com";
  out.ip = out.readable_ip = "192.0.2.3";
  out.family = "in-addr";
  out.helo = "mx.example.org";
  out.validated = "mx.example.org";
  out.receiver = "rx.test";
  out.time = "1000";
  return out;
}

std::string text(std::string_view macro) { return expanded(macro, values(), 8192).value_or("NOTHING"); }

}  // namespace

TEST_CASE("the examples of the standard") {
  const std::pair<const char*, const char*> kExamples[] = {
      {"%{s}", "strong-bad@email.example.com"}, {"%{o}", "email.example.com"}, {"%{d}", "email.example.com"}, {"%{d4}", "email.example.com"}, {"%{d3}", "email.example.com"},
      {"%{d2}", "example.com"}, {"%{d1}", "com"}, {"%{dr}", "com.example.email"}, {"%{d2r}", "example.email"}, {"%{l}", "strong-bad"}, {"%{l-}", "strong.bad"},
      {"%{lr}", "strong-bad"}, {"%{lr-}", "bad.strong"}, {"%{l1r-}", "strong"}, {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
      {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"}, {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
      {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"}, {"%%%_%-", "% %20"}, {"%{S}", "strong-bad%40email.example.com"},
      {"%{h} %{p} %{c} %{r} %{t}", "mx.example.org mx.example.org 192.0.2.3 rx.test 1000"},
  };
  for (const auto& [macro, wanted] : kExamples) {
    CAPTURE(macro);
    CHECK(text(macro) == wanted);
  }
}

TEST_CASE("what is no macro is told") {
  for (const char* bad : {"%", "%x", "%{", "%{}", "%{z}", "%{d", "%{d0}", "%{dr2}", "%{d.x}", "a%", "%{1d}"}) {
    CAPTURE(bad);
    CHECK_FALSE(macro_problem(bad, MacroUse::explanation).empty());
  }
  CHECK(macro_problem("plain text with spaces", MacroUse::explanation).empty());
  CHECK_FALSE(macro_problem("with space", MacroUse::modifier).empty());
  CHECK_FALSE(macro_problem("%{t}", MacroUse::domain).empty());
  CHECK_FALSE(macro_problem("\xC3\xA4", MacroUse::explanation).empty());
  CHECK_FALSE(macro_problem("a\nb", MacroUse::explanation).empty());
}

TEST_CASE("names are cut from the left to 253 octets, at a label") {
  MacroValues with = values();
  std::string longest = std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + "." + std::string(60, 'd');
  with.sender_domain = longest;
  auto name = target_name("%{o}.%{o}.x.test.", with);
  REQUIRE(name);
  CHECK(*name == longest + ".x.test");
  const std::string longer(300, 'x'), long_label(64, 'x');
  with.local = longer;
  CHECK(*target_name("%{l}.x.test", with) == "x.test");
  with.local = long_label;
  CHECK_FALSE(target_name("%{l}.x.test", with));
  with.local = "a..b";
  CHECK_FALSE(target_name("%{l}.x.test", with));
  with.local = "\xC3\xA4";
  CHECK_FALSE(target_name("%{l}.x.test", with));
  with.local = "a\\.b";
  CHECK_FALSE(target_name("%{l}.x.test", with));
}

TEST_CASE("expansions are bounded in length and number") {
  std::string many;
  for (int i = 0; i < 257; ++i) many += "%%";
  CHECK_FALSE(expanded(many, values(), 1 << 20));
  CHECK_FALSE(expanded("%{s}%{s}", values(), 40));
  CHECK(expanded(many.substr(2), values(), 256));
  MacroValues with = values();
  const std::string hyphens(1000, '-');
  with.local = hyphens;
  CHECK(expanded("%{l99999999999999999999r-}", with, 8192)->size() == 1000);
  CHECK(wants_validated_name("a.%{P}"));
  CHECK_FALSE(wants_validated_name("a.p%%{p}"));
}
