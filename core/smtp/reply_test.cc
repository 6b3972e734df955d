// Text forms of replies.
#include "smtp/reply.h"

#include <doctest/doctest.h>

using namespace veredus;

TEST_CASE("one line, several lines, no text") {
  CHECK(Reply{250, {2, 0, 0}, {"Ok"}}.wire() == "250 2.0.0 Ok\r\n");
  CHECK(Reply{250, {}, {"a", "b", "c"}}.wire() == "250-a\r\n250-b\r\n250 c\r\n");
  CHECK(Reply{451, {}, {}}.wire() == "451 \r\n");
  CHECK(Reply{550, {5, 7, 1}, {"no", "never"}}.wire() == "550-5.7.1 no\r\n550 5.7.1 never\r\n");
}

TEST_CASE("nothing but printable ASCII leaves, and no line is too long") {
  std::string evil = "a\r\n250 ok\0\x80 b";
  evil += '\n';
  std::string wire = Reply{550, {5, 0, 0}, {evil, std::string(2000, 'x')}}.wire();
  size_t begin = 0, lines = 0;
  for (size_t end; (end = wire.find("\r\n", begin)) != wire.npos; begin = end + 2, ++lines) {
    CHECK(end - begin <= 510);
    for (char c : wire.substr(begin, end - begin)) CHECK((c >= ' ' && c < 0x7f));
  }
  CHECK(lines == 2);
  CHECK(begin == wire.size());
}

TEST_CASE("joined is bounded and readable") {
  CHECK(Reply{550, {5, 1, 1}, {"no such", "user"}}.joined() == "550 5.1.1 no such user");
  CHECK(Reply{250, {}, {""}}.joined() == "250");
  CHECK(Reply{550, {}, {std::string(9000, 'y'), "z"}}.joined().size() <= 400);
  CHECK(EnhancedCode{4, 22, 131}.text() == "4.22.131");
  CHECK(EnhancedCode{}.text().empty());
}
