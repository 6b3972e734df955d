// Records of the drop directory, names of its files, and the dialogue in which a submission is handed in.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "drop/drop_directory.h"
#include "drop/drop_format.h"
#include "drop/hand_in.h"
#include "smtp/reply_parser.h"

using namespace veredus;

namespace {

Submission whole() {
  Submission out;
  out.sender = "ann";
  out.recipients = {"root", "b@far.test"};
  out.name = "Ann Lee";
  out.body = "8BITMIME";
  out.envid = "id+2B1";
  out.dsn_return = "HDRS";
  out.notify = "SUCCESS,DELAY";
  out.gateway = out.queue_only = true;
  out.cwd = "/srv";
  out.script = "cron.daily";
  out.id = "0SC5DPXSW0000";
  out.content = "Subject: x\r\n\r\n" + std::string(200'000, 'x') + "\r\n";
  return out;
}

bool same(const Submission& a, const Submission& b) {
  return a.sender == b.sender && a.recipients == b.recipients && a.name == b.name && a.body == b.body && a.envid == b.envid &&
         a.dsn_return == b.dsn_return && a.notify == b.notify && a.gateway == b.gateway && a.queue_only == b.queue_only && a.cwd == b.cwd && a.script == b.script && a.id == b.id &&
         a.content == b.content;
}

std::string problem(const std::string& octets) {
  auto read = decode_records(octets);
  return read ? "none" : read.error().text;
}

Reply reply(uint16_t code, std::string text = "x") { return {code, {static_cast<uint8_t>(code / 100), 0, 0}, {std::move(text)}}; }

// Says everything and answers with what the function gives for a line; what was said.
template <typename F>
std::string talk(HandIn& dialogue, F answer) {
  std::string said;
  for (HandIn::Turn turn = dialogue.turn(); !turn.over; turn = dialogue.turn()) {
    said += turn.head;
    said += turn.body;
    if (turn.head.empty()) dialogue.take(reply(220));
    std::string_view left = turn.head;
    for (size_t i = 0; i < turn.replies && !turn.head.empty(); ++i) {
      std::string line(left.substr(0, left.find('\r')));
      left.remove_prefix(line.size() + 2);
      dialogue.take(answer(line));
    }
  }
  return said;
}

}  // namespace

TEST_CASE("what is written is read") {
  CHECK(same(*decode_records(encode_records(whole())), whole()));
  Submission least;
  least.recipients = {"a"};
  CHECK(same(*decode_records(encode_records(least)), least));
  CHECK(said_id(encode_records(whole()).substr(0, 300)) == "0SC5DPXSW0000");
  CHECK(said_id(encode_records(least)).empty());
}

TEST_CASE("a file that is cut off anywhere, or changed, is no message") {
  Submission small = whole();
  small.content = "x";
  std::string good = encode_records(small);
  for (size_t size = 0; size < good.size(); ++size) CHECK_MESSAGE(problem(good.substr(0, size)) != "none", size);
  CHECK(problem(good) == "none");
  CHECK(problem(good + "Z0:\n") == "something follows the end");
  CHECK(problem(good + "\n") != "none");
}

TEST_CASE("each record is checked") {
  auto with = [](std::string_view record) { return problem("V1:1\nF0:\n" + std::string(record) + "R1:a\nM1:x\nZ0:\n"); };
  CHECK(with("") == "none");
  CHECK(with("X1:x\n") == "there is no such record");
  CHECK(with("F1:x\n") == "a record comes twice");
  CHECK(with("R0:\n") == "a recipient is empty");
  CHECK(with("R3:a\nb\n") == "a record of the envelope holds a control character");
  CHECK(with(std::string_view("N3:a\0b\n", 7)) == "a record of the envelope holds a control character");
  CHECK(with("N1:\x7f\n") == "a record of the envelope holds a control character");
  CHECK(with("B4:9BIT\n") == "a record has an unknown value");
  CHECK(with("B4:7BIT\n") == "none");
  CHECK(with("B1:7\n") == "a record has an unknown value");
  CHECK(with("D4:FULL\n") == "none");
  CHECK(with("G1:x\n") == "a record is too long");
  CHECK(with("N300:" + std::string(300, 'n') + "\n") == "a record is too long");
  CHECK(with("N1:ab\n") == "a record does not end where it should");
  CHECK(with("M1:x\n") == "there is no recipient");
  for (const char* head : {"N01:x\n", "N:x\n", "n1:x\n", "N-1:x\n", "N99999999:x\n", "N 1:x\n", " N1:x\n", "N65537:x\n"}) CHECK_MESSAGE(with(head) == "this is no record", head);
  CHECK(problem("V1:1\nR1:a\nM1:x\nZ0:\n") == "there is no sender");
  CHECK(problem("F0:\n") == "the version does not come first");
  CHECK(problem("V1:2\n") == "a record has an unknown value");
  CHECK(problem("V1:1\nF0:\nR1:a\nM1:x\nR1:b\nZ0:\n") == "the envelope goes on behind the content");
  CHECK(problem(std::string("V1:1\nF0:\nR1:a\nM3:a\0b\nZ0:\n", 26)) == "the content holds a NUL octet");
  std::string many = "V1:1\nF0:\n";
  for (int i = 0; i <= VDROP_RECIPIENTS; ++i) many += "R1:a\n";
  CHECK(problem(many) == "there are too many recipients");
}

TEST_CASE("names tell what a file is") {
  using K = DropEntry::Kind;
  CHECK(entry_of("new.1.2.3").kind == K::fresh);
  CHECK(entry_of("new.1.2.3").rest == "1.2.3");
  DropEntry claimed = entry_of(claimed_name(*MessageId::parse("0SC5DPXSW0000"), "1.2.3"));
  CHECK(claimed.kind == K::claimed);
  CHECK(claimed.rest == "1.2.3");
  CHECK(claimed.id.text() == "0SC5DPXSW0000");
  CHECK(entry_of("tmp.1").kind == K::stale);
  for (const char* foreign : {"", "new.", "new.x", "new", "work.1.2", "work.0SC5DPXSW0000", "work.0SC5DPXSW0000.x", "mail", ".x", "new.1/2"})
    CHECK_MESSAGE(entry_of(foreign).kind == K::foreign, foreign);
  CHECK(entry_of("new." + std::string(300, '1')).kind == K::foreign);
}

TEST_CASE("files of a directory: what can be read is read, links and others are not") {
  char place[] = "/tmp/veredus-drop-test-XXXXXX";
  REQUIRE(mkdtemp(place));
  std::string path = place;
  auto put = [&](const std::string& name, const std::string& octets) {
    int fd = open((path + "/" + name).c_str(), O_WRONLY | O_CREAT, 0444);
    CHECK(write(fd, octets.data(), octets.size()) == static_cast<ssize_t>(octets.size()));
    close(fd);
  };
  put("new.2", "two");
  put("new.1", encode_records(whole()));
  put("bad.x", "");
  put("tmp.1", "");
  CHECK(symlink("new.1", (path + "/new.3").c_str()) == 0);
  CHECK(mkdir((path + "/new.4").c_str(), 0700) == 0);
  CHECK(mkfifo((path + "/new.5").c_str(), 0600) == 0);
  DropDirectory directory(path);
  WallTime now(Seconds(time(nullptr)));
  auto entries = directory.list(now);
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 5);
  CHECK((*entries)[0].name == "new.1");
  CHECK(directory.read("new.1")->uid == getuid());
  CHECK(directory.read("new.2")->octets == "two");
  for (const char* name : {"new.3", "new.4", "new.5"}) CHECK(directory.read(name).error().code == Errc::corrupt);
  CHECK(directory.read("new.9").error().code == Errc::not_found);
  CHECK(directory.promised(now)->size() == 1);
  CHECK(directory.list(now + Seconds(7200))->size() == 6);
  CHECK(link((path + "/new.2").c_str(), (path + "/new.6").c_str()) == 0);
  CHECK(directory.read("new.6").error().code == Errc::corrupt);
  CHECK_FALSE(directory.rename("new.1", "new.2").ok());  // nothing is replaced
  CHECK(directory.remove("gone").ok());
  CHECK(DropDirectory(path + "/none").list(now)->empty());
  CHECK_FALSE(DropDirectory(path + "/new.2").list(now).ok());
  CHECK(system(("rm -r " + path).c_str()) == 0);
}

TEST_CASE("a submission is said with all that belongs to it") {
  Submission submission = whole();
  submission.content = "c\r\n";
  submission.name = "Ann +";
  HandIn dialogue(submission, true);
  std::string said = talk(dialogue, [](const std::string& line) { return reply(250, line.starts_with("MAIL") ? "Ok, id ABC" : "Ok"); });
  CHECK(said ==
        "EHLO localhost\r\nXLOCAL name=Ann+20+2B cwd=/srv script=cron.daily gateway=yes delivery=queue errors=mail\r\n"
        "MAIL FROM:<ann> BODY=8BITMIME RET=HDRS ENVID=id+2B1\r\nRCPT TO:<root> NOTIFY=SUCCESS,DELAY\r\nRCPT TO:<b@far.test> NOTIFY=SUCCESS,DELAY\r\n"
        "BDAT 3 LAST\r\nc\r\nQUIT\r\n");
  CHECK(dialogue.end() == HandIn::End::accepted);
  CHECK(dialogue.id() == "ABC");
  CHECK(dialogue.accepted_recipients() == 2);
}

TEST_CASE("what is answered decides how it ends") {
  Submission submission = whole();
  submission.content = "c\r\n";
  auto end = [&](std::string_view verb, uint16_t code, const char* not_said) {
    HandIn dialogue(submission, false);
    std::string said = talk(dialogue, [&](const std::string& line) { return reply(line.starts_with(verb) ? code : 250); });
    CHECK_MESSAGE(said.find(not_said) == said.npos, verb);
    return dialogue.end();
  };
  using E = HandIn::End;
  CHECK(end("MAIL", 550, "RCPT") == E::permanent);
  CHECK(end("MAIL", 451, "RCPT") == E::temporary);
  CHECK(end("RCPT", 550, "BDAT") == E::permanent);
  CHECK(end("RCPT TO:<root>", 550, "nothing") == E::accepted);
  CHECK(end("RCPT TO:<root>", 450, "BDAT") == E::temporary);
  CHECK(end("BDAT", 552, "nothing") == E::permanent);
  CHECK(end("BDAT", 421, "nothing") == E::temporary);
  HandIn lost(submission, false);
  lost.lost();
  CHECK(lost.end() == E::broken);
  CHECK(lost.turn().over);
}

TEST_CASE("recipients are said in batches, and words of XLOCAL are bounded and clean") {
  Submission submission;
  for (int i = 0; i < 250; ++i) submission.recipients.push_back("r" + std::to_string(i) + "@a.test");
  submission.cwd = std::string(3000, '/');
  submission.script = "a\nMAIL FROM:<evil>\x01\xff";
  HandIn dialogue(submission, true);
  size_t most = 0;
  for (HandIn::Turn turn = dialogue.turn(); !turn.over; turn = dialogue.turn()) {
    most = std::max(most, turn.replies);
    for (size_t at = 0, end; (end = turn.head.find("\r\n", at)) != turn.head.npos; at = end + 2) CHECK(end - at < 2000);
    CHECK(turn.head.find("\nMAIL FROM:<evil") == turn.head.npos);
    for (size_t i = 0; i < turn.replies; ++i) dialogue.take(reply(turn.head.empty() ? 220 : 250));
  }
  CHECK(most == 100);
  CHECK(dialogue.accepted_recipients() == 250);
  CHECK(HandIn::introduction(submission).starts_with("XLOCAL cwd=/"));
}
