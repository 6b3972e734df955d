// Tests of the protocol: what we say, and what is made of what Dovecot says.
#include "protocol.h"

#include <algorithm>

#include <doctest/doctest.h>

using namespace auth_dovecot;
using namespace std::string_literals;

namespace {

constexpr char kGreeting[] = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t77\nCUID\t1\nCOOKIE\tabcdef\nDONE\n";

Reader ready() {
  Reader out;
  out.add(kGreeting);
  CHECK(std::holds_alternative<Ready>(out.next()));
  CHECK(std::holds_alternative<std::monostate>(out.next()));
  return out;
}

std::string problem_of(const std::string& said) {
  Reader reader;
  reader.add(said);
  Event event = reader.next();
  REQUIRE(std::holds_alternative<Broken>(event));
  return std::get<Broken>(event).problem;
}

}  // namespace

TEST_CASE("what we say") {
  CHECK(handshake(4711) == "VERSION\t1\t1\nCPID\t4711\n");
  CHECK(request({7, "tim", "", "tanstaaftanstaaf", "192.0.2.7"}) == "AUTH\t7\tPLAIN\tservice=smtp\tsecured\trip=192.0.2.7\tresp=AHRpbQB0YW5zdGFhZnRhbnN0YWFm\n");
  CHECK(request({8, "tim", "root", "x", ""}) == "AUTH\t8\tPLAIN\tservice=smtp\tsecured\tresp=cm9vdAB0aW0AeA==\n");
  CHECK(request({8, "tim", "", "x", "2001:db8::1"}).find("\trip=2001:db8::1\t") != std::string::npos);
}

TEST_CASE("nothing that a client says becomes a field or a line") {
  std::string line = request({1, "a\tb\nAUTH\t2", "\t", "p\nq\t", "1.2.3.4\tuser=root"});
  CHECK(std::count(line.begin(), line.end(), '\n') == 1);
  CHECK(std::count(line.begin(), line.end(), '\t') == 5);
  CHECK(line.find("root") == line.npos);
  CHECK(request({1, "a\0b"s, "", "x", ""}) == "");
  CHECK(request({1, "a", "b\0"s, "x", ""}) == "");
  CHECK(request({1, "a", "", "\0"s, ""}) == "");
}

TEST_CASE("escapes") {
  const std::string odd = "a\001b\tc\rd\ne\0f"s;
  CHECK(escaped(odd) == "a\0011b\001tc\001rd\001ne\0010f"s);
  CHECK(unescaped(escaped(odd)) == odd);
  CHECK(unescaped("x\001") == "x\001");
  CHECK(unescaped("x\001?") == "x\001?");
}

TEST_CASE("answers, also octet by octet") {
  Reader reader = ready();
  const std::string said = "OK\t1\tuser=Tim@a.test\ttoken=x\nFAIL\t2\tuser=bob\nFAIL\t3\tuser=bob\ttemp\nFAIL\t4\tuser=bob\tcode=temp_fail\treason=the\001tdatabase\n"
                           "CONT\t5\t\nSOMETHING\tnew\nOK\t6\n";
  std::vector<Event> events;
  for (char c : said) {
    reader.add(std::string_view(&c, 1));
    for (Event event = reader.next(); !std::holds_alternative<std::monostate>(event); event = reader.next()) events.push_back(event);
  }
  REQUIRE(events.size() == 6);
  CHECK(std::get<Passed>(events[0]).id == 1);
  CHECK(std::get<Passed>(events[0]).user == "Tim@a.test");
  CHECK_FALSE(std::get<Failed>(events[1]).temporary);
  CHECK(std::get<Failed>(events[2]).temporary);
  CHECK(std::get<Failed>(events[3]).temporary);
  CHECK(std::get<Failed>(events[3]).reason == "the\tdatabase");
  CHECK(std::get<Unexpected>(events[4]).id == 5);
  CHECK(std::get<Passed>(events[5]).user == "");
}

TEST_CASE("what cannot be talked to") {
  CHECK(problem_of("VERSION\t2\t0\n") == "Dovecot speaks another version of the protocol than 1");
  CHECK(problem_of("VERSION\n") == "Dovecot speaks another version of the protocol than 1");
  CHECK(problem_of("VERSION\t1\t2\nMECH\tCRAM-MD5\nDONE\n").find("PLAIN") != std::string::npos);
  CHECK(problem_of("DONE\n") == "what answers does not speak Dovecot's protocol");
  CHECK(problem_of(std::string(9000, 'x')) == "Dovecot sent a line of more than 8192 octets");
  for (const char* bad : {"OK\n", "OK\tx\n", "FAIL\t-1\n", "FAIL\t99999999999\n", "OK\t\n"}) {
    Reader reader = ready();
    reader.add(bad);
    CHECK(std::holds_alternative<Broken>(reader.next()));
  }
}
