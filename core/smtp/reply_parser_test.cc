// ReplyParser: legal replies in any pieces, and everything a hostile next hop may send instead.
#include <doctest/doctest.h>

#include <random>

#include "smtp/reply_parser.h"

namespace veredus {

namespace {

using State = ReplyParser::State;

Reply parsed(std::string_view octets) {
  ReplyParser parser;
  CHECK(parser.feed(octets) == octets.size());
  REQUIRE(parser.state() == State::complete);
  return parser.take();
}

std::string problem_of(std::string_view octets) {
  ReplyParser parser;
  parser.feed(octets);
  CHECK(parser.state() == State::broken);
  return parser.problem();
}

}  // namespace

TEST_CASE("replies of one and of several lines") {
  CHECK(parsed("250 ok\r\n") == Reply{250, {}, {"ok"}});
  CHECK(parsed("250\r\n") == Reply{250, {}, {""}});
  CHECK(parsed("250-a\r\n250 b\r\n") == Reply{250, {}, {"a", "b"}});
  CHECK(parsed("250-\r\n250-b\r\n250\r\n") == Reply{250, {}, {"", "b", ""}});
  CHECK(parsed("571 no\n") == Reply{571, {}, {"no"}});
}

TEST_CASE("enhanced codes are taken off every line when their class fits") {
  CHECK(parsed("550-5.1.1 no\r\n550 5.1.1 such\r\n") == Reply{550, {5, 1, 1}, {"no", "such"}});
  CHECK(parsed("250 2.0.0\r\n") == Reply{250, {2, 0, 0}, {""}});
  CHECK(parsed("550 4.1.1 odd\r\n") == Reply{550, {}, {"4.1.1 odd"}});
  CHECK(parsed("250 2.0.0.1 x\r\n") == Reply{250, {}, {"2.0.0.1 x"}});
  CHECK(parsed("250 2.1000.0 x\r\n") == Reply{250, {}, {"2.1000.0 x"}});
  CHECK(parsed("354 3.0.0 x\r\n") == Reply{354, {}, {"3.0.0 x"}});
}

TEST_CASE("text is made printable") {
  CHECK(parsed("550 caf\xC3\xA9\x01\r\x7F\r\n") == Reply{550, {}, {"caf?????"}});
}

TEST_CASE("what is not a reply breaks the connection") {
  CHECK(problem_of("hello\r\n") == "not a reply: \"hello\"");
  CHECK(problem_of("\r\n") == "not a reply: \"\"");
  CHECK(problem_of("25\r\n") == "not a reply: \"25\"");
  CHECK(problem_of("150 x\r\n") == "not a reply: \"150 x\"");
  CHECK(problem_of("650 x\r\n") == "not a reply: \"650 x\"");
  CHECK(problem_of("250x\r\n") == "not a reply: \"250x\"");
  CHECK(problem_of("250-a\r\n251 b\r\n") == "the code changes within a reply: \"251 b\"");
  CHECK(problem_of("250 " + std::string(3000, 'x')) == "a reply line is longer than 2048 octets");
}

TEST_CASE("a reply that does not end is cut off after a bound") {
  std::string endless;
  for (int i = 0; i < 600; ++i) endless += "250-x\r\n";
  CHECK(problem_of(endless) == "a reply does not end");
  endless.clear();
  for (int i = 0; i < 70; ++i) endless += "250-" + std::string(1000, 'x') + "\r\n";
  CHECK(problem_of(endless) == "a reply does not end");
}

TEST_CASE("only one reply is taken at a time") {
  ReplyParser parser;
  CHECK(parser.feed("250 a\r\n250 b\r\n25") == 7);
  CHECK(parser.feed("250 b\r\n") == 0);
  CHECK(parser.take().lines[0] == "a");
  CHECK(parser.feed("250 b\r\n25") == 7);
  CHECK(parser.take().lines[0] == "b");
}

TEST_CASE("every cut of the input gives the same reply") {
  std::string input = "550-5.7.1 first\r\n550-5.7.1 second \xFF\r\n550 5.7.1 third\r\n";
  Reply whole = parsed(input);
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    ReplyParser parser;
    std::string buffer;
    for (size_t at = 0; at < input.size();) {
      size_t piece = std::min<size_t>(1 + random() % 9, input.size() - at);
      buffer.append(input, at, piece);
      at += piece;
      buffer.erase(0, parser.feed(buffer));
    }
    REQUIRE(parser.state() == State::complete);
    CHECK(parser.take() == whole);
  }
}

TEST_CASE("a recorded reply is read back as it was") {
  for (const char* text : {"450 4.2.1 busy", "550 no code", "250 2.0.0 Ok: queued as X", "421"}) CHECK(reply_from_text(text).joined() == text);
  CHECK(reply_from_text("450 4.2.1 busy").enhanced == EnhancedCode{4, 2, 1});
  CHECK(reply_from_text("450 5.2.1 other class").enhanced == EnhancedCode{});
  for (const char* none : {"", "not a reply", "99 x", "4500 x"}) CHECK(reply_from_text(none).code == 0);
}

}  // namespace veredus
