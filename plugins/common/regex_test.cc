// Regular expressions of rules: what they match and replace, and that neither a pattern nor a text can make them expensive.
#include "common/regex.hpp"

#include <doctest/doctest.h>

using common::Budget;
using common::Match;
using common::Regex;

namespace {

Match run(const char* pattern, std::string_view text) {
  Budget budget;
  return Regex(pattern).match(text, budget);
}

std::string replaced(const char* pattern, std::string_view text, const char* with) {
  Budget budget;
  return Regex(pattern).replace(text, with, budget).value_or("(limit)");
}

std::string complaint(const std::string& pattern) {
  try {
    Regex regex(pattern);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("an expression matches anywhere, on octets") {
  CHECK(run("b+", "abbc") == Match::yes);
  CHECK(run("^b", "abbc") == Match::no);
  CHECK(run("(?i)VIAGRA", "cheap viagra") == Match::yes);
  CHECK(run("", "") == Match::yes);
  CHECK(run("^.$", "\xFF") == Match::yes);
  CHECK(run("a.b", std::string_view("a\0b", 3)) == Match::yes);
  CHECK(run("x$", "x\n") == Match::no);
}

TEST_CASE("a wrong expression is named with its place") {
  CHECK(complaint("a(b") == "in the regular expression, at octet 4: missing closing parenthesis");
  CHECK(complaint("[z-a]").find("at octet 4") != std::string::npos);
  CHECK(complaint("*").find("quantifier") != std::string::npos);
  CHECK(complaint("(*UTF)a") != "");
  CHECK(complaint("\\C") != "");
  CHECK(complaint("((a{900}){900}){900}") != "");
  CHECK(complaint(std::string(1025, 'a')).find("longer than 1024") != std::string::npos);
  CHECK(complaint(std::string(1024, 'a')) == "");
  CHECK(complaint(std::string(1024, '(')) != "");
}

TEST_CASE("replacing: all matches, groups, backslashes, empty matches") {
  CHECK(replaced("a", "banana", "o") == "bonono");
  CHECK(replaced("(\\w+)@(\\w+)", "x u@h y", "\\2 at \\1\\9") == "x h at u y");
  CHECK(replaced("n", "n", "\\\\\\x\\") == "\\\\x\\");
  CHECK(replaced("x*", "abc", "-") == "-a-b-c-");
  CHECK(replaced("x*", "axb", "-") == "-a--b-");  // as in Perl
  CHECK(replaced("$", "abc", "!") == "abc!");
  CHECK(replaced("^", "", "!") == "!");
  CHECK(replaced("q", "abc", "!") == "abc");
  CHECK(replaced("(a)|b", "ab", "[\\1]") == "[a][]");
}

TEST_CASE("only the first octets of a long text are looked at, and a replacement keeps the rest") {
  const std::string pad(Regex::kLongestText, 'a');
  CHECK(run("b", pad + "b") == Match::no);
  CHECK(replaced("a$", pad + "bc", "X").substr(Regex::kLongestText - 2) == "aXbc");
  CHECK(replaced("b", pad + "bc", "X") == pad + "bc");
}

TEST_CASE("bombs end at a bound: in steps, in length of the result") {
  // No text has what the expressions end with, and no single octet that they must have is missing: that would be seen at once.
  const std::string as = std::string(Regex::kLongestText - 1, 'a') + "!";
  for (const char* bomb : {"(a+)+$", "(a|aa)+$", "(a*)*[bc]", "(a|a?)+[bc]", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)(.*)(.*)(.*)(.*)[bc]", "(?:a?){30}a{30}[bc]",
                           "((a+)+)+[bc]", "(?=(a+))a*[bc]\\1", "(a(?1)?)*[bc]", "[^,;]*[,;]", ".*.*=?.*[xy]", "(?:(?:a*)*)*[bc]"}) {
    Budget budget;
    CHECK_MESSAGE(Regex(bomb).match(as, budget) == Match::limit, bomb);
    CHECK_MESSAGE(budget.steps > -1000, bomb);
  }
  CHECK(replaced("a", as, std::string(20, 'b').c_str()) == "(limit)");
  CHECK(replaced("", as, "bbbbbbbbbb") == "(limit)");
}

TEST_CASE("one budget pays for several runs, and an empty one for none") {
  Budget budget;
  const Regex bomb("(a+)+[bc]");
  CHECK(bomb.match(std::string(40, 'a'), budget) == Match::limit);
  CHECK(budget.steps <= 0);
  CHECK(Regex("x").match("x", budget) == Match::limit);
  CHECK_FALSE(Regex("x").replace("x", "y", budget));
}
