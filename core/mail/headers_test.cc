// Header blocks: positions, malformed lines, edits that leave everything else alone, address lists.
#include "mail/headers.h"

#include <doctest/doctest.h>

#include "mail/mailbox_list.h"

namespace veredus {

namespace {

const std::string kBlock =
    "Received: from a\r\n\tby b\r\nSubject : odd\r\nthis is no field\r\nsubject: two\r\n "
    "words\r\nX-Empty:\r\n: nameless\r\n\r\nbody: x\r\n";

}  // namespace

TEST_CASE("fields by position, body untouched") {
  auto block = HeaderBlock::parse(kBlock);
  REQUIRE(block.ok());
  CHECK(block->fields().size() == 6);
  CHECK(block->text() == kBlock.substr(0, kBlock.find("body:")));
  CHECK(block->end_line() == "\r\n");
  CHECK(block->count("SUBJECT") == 2);
  CHECK(block->value(*block->find("subject")) == " odd");
  CHECK(block->value(*block->find("subject", 2)) == " two\r\n words");
  CHECK(unfolded(block->value(*block->find("subject", 2))) == "two words");
  CHECK(block->find("subject", 3) == nullptr);
  CHECK(block->find("body") == nullptr);
  CHECK(block->find("") == nullptr);
  CHECK(block->value(*block->find("x-empty")).empty());
  CHECK(block->name(block->fields()[2]).empty());
  CHECK(block->whole(block->fields()[2]) == "this is no field\r\n");
}

TEST_CASE("blocks without end, with line feeds only, empty") {
  auto block = HeaderBlock::parse("A: 1\nB: 2\n\nbody");
  CHECK(block->fields().size() == 2);
  CHECK(block->end_line() == "\n");
  CHECK(block->size() == 11);
  CHECK(HeaderBlock::parse("")->size() == 0);
  CHECK(HeaderBlock::parse("\r\nbody")->size() == 2);
  auto open = HeaderBlock::parse("A: 1\r\nB: 2");
  CHECK(open->end_line().empty());
  CHECK(open->value(*open->find("b")) == " 2");
  CHECK(HeaderBlock::parse(" fold first\r\nA: 1\r\n")->fields().size() == 2);
}

TEST_CASE("bounds") {
  HeaderLimits limits;
  limits.octets = 10;
  CHECK(HeaderBlock::parse("A: 12345\r\n", limits).ok());
  CHECK(HeaderBlock::parse("A: 123456\r\n", limits).error().code == Errc::limit);
  CHECK_FALSE(HeaderBlock::parse("A: 1\r\n 23456\r\n", limits).ok());
  limits = {};
  limits.fields = 2;
  CHECK(HeaderBlock::parse("A: 1\r\nB: 2\r\n\r\nC", limits).ok());
  CHECK_FALSE(HeaderBlock::parse("A: 1\r\nB: 2\r\nC: 3\r\n", limits).ok());
}

TEST_CASE("edits change what they name and nothing else") {
  auto block = *HeaderBlock::parse(kBlock);
  std::string before(block.text());
  HeaderEditor same(block);
  CHECK(same.text() == before);

  HeaderEditor editor(block);
  CHECK(editor.insert(0, "X-First", "1").ok());
  CHECK(editor.replace("Subject", 2, "new\nline").ok());
  CHECK(editor.remove("X-EMPTY", 1).ok());
  CHECK(editor.append("X-Last", "").ok());
  CHECK_FALSE(editor.remove("X-Empty", 1).ok());
  CHECK_FALSE(editor.replace("Subject", 3, "x").ok());
  CHECK(editor.text() ==
        "X-First: 1\r\nReceived: from a\r\n\tby b\r\nSubject : odd\r\nthis is no field\r\nSubject: "
        "new\r\n\tline\r\n: nameless\r\nX-Last:\r\n\r\n");
  CHECK(editor.replace("x-first", 1, "2").ok());
  CHECK(editor.has("X-FIRST"));
}

TEST_CASE("an unfinished block is finished when edited") {
  HeaderEditor editor(*HeaderBlock::parse("A: 1\r\nB: 2"));
  CHECK(editor.append("C", "3").ok());
  CHECK(editor.text() == "A: 1\r\nB: 2\r\nC: 3\r\n\r\n");
  CHECK(HeaderEditor(*HeaderBlock::parse("")).text() == "\r\n");
}

TEST_CASE("a made field cannot become two") {
  CHECK(*make_field("A", "x\r\nBcc: y") == "A: x\r\n\tBcc: y\r\n");
  CHECK(*make_field("A", "x\r\n\r\nbody") == "A: x\r\n\tbody\r\n");
  CHECK(*make_field("A", "x\n \t\n y") == "A: x\r\n y\r\n");
  CHECK(*make_field("A", "x\r\n\r\n") == "A: x\r\n");
  CHECK(*make_field("A", "x\n  \n") == "A: x\r\n");
  CHECK(*make_field("A", "\nx") == "A: \r\n\tx\r\n");
  CHECK(*make_field("A", " x") == "A: x\r\n");
  CHECK(*make_field("A", std::string_view("x\0y\rz", 5)) == "A: x?y?z\r\n");
  for (std::string bad : {"", "A B", "A:", "A\r\nB", "\xC3\xBC"}) CHECK_FALSE(make_field(bad, "x").ok());
}

TEST_CASE("folding") {
  CHECK(folded_field("To: aaaa bbbb cccc\r\n", 10) == "To: aaaa\r\n bbbb cccc\r\n");
  CHECK(folded_field("To: aaaaaaaaaaaaaaaaaaaa\r\n", 10) == "To:\r\n aaaaaaaaaaaaaaaaaaaa\r\n");
  CHECK(folded_field("A: b\r\n", 10) == "A: b\r\n");
}

TEST_CASE("mailbox lists") {
  auto list = parse_mailbox_list(
      " John Doe <john@x.test>, \"Doe, Jane\" <jane@x.test>,, root, a . b @ c . test (comment (nested)),\r\n"
      " Team: t1@x.test, \"q q\"@x.test;, undisclosed:;, <@r1,@r2:routed@x.test>, =?utf-8?Q?J=C3=B6rg?= "
      "<j@[1.2.3.4]>");
  REQUIRE(list.ok());
  std::vector<std::string> addresses;
  for (const Mailbox& mailbox : *list) addresses.push_back(mailbox.address());
  CHECK(addresses == std::vector<std::string>{"john@x.test", "jane@x.test", "root", "a.b@c.test", "t1@x.test",
                                              "\"q q\"@x.test", "routed@x.test", "j@[1.2.3.4]"});
  CHECK(list->at(0).name == "John Doe");
  CHECK(list->at(1).name == "Doe, Jane");
  CHECK(list->at(7).name == "=?utf-8?Q?J=C3=B6rg?=");
  CHECK(parse_mailbox_list("")->empty());
  CHECK(parse_mailbox_list("J. Random <j@x>")->at(0).name == "J. Random");
}

TEST_CASE("malformed mailbox lists are refused") {
  for (std::string bad : {"a b@x",      "<a@x",    "a@x>",     "a@",   "@x",    "\"a@x",    "a(.b@x",
                          "a@x)",       "a@x b@y", "a:b:c@x;", "a@x;", "g:a@x", "<>",       "<a@x> z",
                          "a@[1.2.3.4", "a@\"x\"", "a,b c",    ":;",   "<@r:>", "<@r a@x>", "a@@x"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_mailbox_list(bad).ok());
  }
  CHECK_FALSE(parse_mailbox_list(std::string(100, '(')).ok());
  CHECK_FALSE(parse_mailbox_list(std::string_view("a\0@x", 4)).ok());
  MailboxLimits limits;
  limits.mailboxes = 2;
  CHECK(parse_mailbox_list("a,b", limits).ok());
  CHECK(parse_mailbox_list("a,b,c", limits).error().code == Errc::limit);
}

TEST_CASE("display names") {
  CHECK(display_name("John Doe") == "John Doe");
  CHECK(display_name("Doe, John") == "\"Doe, John\"");
  CHECK(display_name("a\r\nb \"q\"") == "\"ab \\\"q\\\"\"");
  CHECK(display_name("J\xC3\xB6rg") == "=?utf-8?B?SsO2cmc=?=");
  CHECK(display_name("\xFF") == "\"?\"");
}

}  // namespace veredus
