// sendmail's flags row by row, what it makes of standard input and addresses, and the layout of the queue.
#include <doctest/doctest.h>

#include <cstdlib>

#include "base/text.h"
#include "sendmail/flags.h"
#include "sendmail/input.h"
#include "sendmail/listing.h"
#include "sendmail/places.h"
#include "sendmail/recipients.h"
#include "sendmail/submit.h"
#include "smtp/reply.h"

using namespace veredus;

namespace {

using Words = std::vector<std::string>;
using Mode = SendmailMode;

SendmailCall call_of(const Words& words, const char* program = "sendmail") {
  auto call = parse_sendmail(program, words);
  REQUIRE_MESSAGE(call.ok(), words[0]);
  return *call;
}

bool is_usage_error(const Words& words) { return !parse_sendmail("sendmail", words).ok(); }

std::string read(std::string_view text, InputRules rules = InputRules()) {
  InputReader reader(rules);
  reader.feed(text);
  reader.finish();
  std::string whole = reader.take();
  for (size_t piece : {1, 2, 3, 7}) {  // however it is split
    InputReader again(rules);
    for (size_t at = 0; at < text.size(); at += piece) again.feed(text.substr(at, piece));
    again.finish();
    CHECK(again.take() == whole);
  }
  return whole;
}

Words recipients(const Words& arguments, std::string_view header = {}, RecipientRules rules = {}) {
  auto found = find_recipients(arguments, header, rules);
  return found ? *found : Words{"error"};
}

}  // namespace

TEST_CASE("names of the program") {
  CHECK(call_of({"a"}).mode == Mode::deliver);
  CHECK(call_of({}, "mailq").mode == Mode::list);
  CHECK(call_of({}, "newaliases").mode == Mode::aliases);
  CHECK(call_of({}, "runq").mode == Mode::flush);
  SendmailCall rmail = call_of({"a"}, "rmail");
  CHECK(rmail.mode == Mode::deliver);
  CHECK(rmail.uucp);
  CHECK_FALSE(rmail.dot_ends);
  for (const char* name : {"sendmail", "mailq", "newaliases", "rmail", "runq"}) CHECK(is_sendmail_name(name));
  for (const char* name : {"veredus", "", "mail"}) CHECK_FALSE(is_sendmail_name(name));
}

TEST_CASE("command lines of real callers") {
  SendmailCall cron = call_of({"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"});
  CHECK(cron.name == "CronDaemon");
  CHECK_FALSE(cron.dot_ends);
  CHECK(cron.body == "8BITMIME");
  CHECK(cron.errors == ErrorMode::mail);
  CHECK(cron.arguments == Words{"root"});
  CHECK(call_of({"-FAnacron", "-odi", "root"}).arguments == Words{"root"});
  CHECK_FALSE(call_of({"-odi", "root"}).queue_only);
  CHECK(call_of({"-odq", "root"}).queue_only);
  CHECK(call_of({"-odd", "root"}).queue_only);
  CHECK(call_of({"-i", "ann"}).arguments == Words{"ann"});
  SendmailCall sudo = call_of({"-t"});
  CHECK(sudo.extract);
  CHECK(sudo.dot_ends);
  SendmailCall reportbug = call_of({"-f", "a@b", "-oi", "-oem", "x@y"});
  CHECK(reportbug.sender == "a@b");
  CHECK(reportbug.arguments == Words{"x@y"});
  SendmailCall mailx = call_of({"-i", "-t", "-f", "a@b", "-m", "-v"});
  CHECK((mailx.extract && mailx.verbose && !mailx.dot_ends));
  SendmailCall nail = call_of({"-i", "-m", "-F", "N N", "--", "-x@y", "--"});
  CHECK(nail.arguments == Words{"-x@y", "--"});
  SendmailCall mutt = call_of({"-oem", "-oi", "-B8BITMIME", "-f", "a@b", "-N", "failure,delay", "-R", "hdrs", "--", "x@y"});
  CHECK(mutt.notify == "FAILURE,DELAY");
  CHECK(mutt.dsn_return == "HDRS");
  CHECK(call_of({"-f", "a@b", "-i", "x@y"}).has_sender);
  SendmailCall php = call_of({"-t", "-i", "-fweb@b"});
  CHECK(php.sender == "web@b");
  SendmailCall uucp = call_of({"-G", "-oee", "-odi", "-oi", "-f", "x!y", "a"});
  CHECK(uucp.gateway);
}

TEST_CASE("clusters, values apart and attached, the end of flags") {
  SendmailCall both = call_of({"-ti", "x"});
  CHECK((both.extract && !both.dot_ends));
  SendmailCall options = call_of({"-oiee", "x"});
  CHECK_FALSE(options.dot_ends);
  CHECK(options.arguments == Words{"x"});
  CHECK(call_of({"-tifa@b"}).sender == "a@b");
  CHECK(call_of({"-o", "i", "x"}).arguments == Words{"x"});
  CHECK_FALSE(call_of({"-o", "i", "x"}).dot_ends);
  CHECK(call_of({"-b", "p"}).mode == Mode::list);
  CHECK_FALSE(call_of({"-oitrue"}).dot_ends);
  SendmailCall null = call_of({"-f", "", "x"});
  CHECK((null.has_sender && null.sender.empty()));
  CHECK(call_of({"x", "-t"}).arguments == Words{"x", "-t"});  // flags end with the first argument
  CHECK(call_of({"-", "x"}).arguments == Words{"-", "x"});
  CHECK(call_of({"--", "-t"}).arguments == Words{"-t"});
}

TEST_CASE("every row of the table is accepted as the manual says") {
  for (const SendmailFlag& flag : sendmail_flags()) {
    std::string word = "-" + std::string(flag.letters);
    if (flag.letters == "b" || flag.letters == "o") continue;  // these stand for all the others
    std::string value = flag.letters == "B" ? "7BIT" : flag.letters.ends_with('e') && flag.value == SendmailFlag::Value::needed ? "m" : "never";
    if (flag.value == SendmailFlag::Value::needed) {
      CHECK_MESSAGE(!is_usage_error({word, value, "x"}), word);
      CHECK_MESSAGE(!is_usage_error({word + value, "x"}), word);
      CHECK_MESSAGE(call_of({word, value, "x"}).arguments == Words{"x"}, word);
      CHECK_MESSAGE(is_usage_error({word}), word);
    } else {
      CHECK_MESSAGE(call_of({word, "x"}).arguments == Words{"x"}, word);
    }
    CHECK(sendmail_usage().find(" " + word) != std::string::npos);
    CHECK_FALSE(flag.doc.empty());
  }
}

TEST_CASE("modes") {
  struct {
    const char* word;
    Mode mode;
  } rows[] = {{"-bm", Mode::deliver}, {"-bs", Mode::smtp}, {"-bp", Mode::list}, {"-bi", Mode::aliases}, {"-I", Mode::aliases}, {"-bv", Mode::verify},
              {"-bt", Mode::verify}, {"-bV", Mode::version}, {"-be", Mode::expand}, {"-bd", Mode::daemon}, {"-bD", Mode::daemon}, {"-bl", Mode::daemon},
              {"-bh", Mode::host_status}, {"-bH", Mode::host_status}, {"-q", Mode::flush}, {"-q15m", Mode::flush}, {"-qf", Mode::flush}, {"-qIx", Mode::flush},
              {"-qRx", Mode::flush}, {"-qSx", Mode::flush}};
  for (const auto& row : rows) CHECK_MESSAGE(call_of({row.word}).mode == row.mode, row.word);
  CHECK(call_of({"-bd", "-q15m"}).mode == Mode::daemon);
  CHECK(call_of({"-q15m"}).periodic);
  CHECK(call_of({"-qp5m"}).periodic);
  CHECK_FALSE(call_of({"-q"}).periodic);
  CHECK(call_of({"-qI", "ABC"}).flush_id == "ABC");
  CHECK(call_of({"-qRfar.test"}).flush_recipient == "far.test");
}

TEST_CASE("what is wrong") {
  for (const Words& words : {Words{"-Z"}, {"-bz"}, {"-B", "9BIT"}, {"-f"}, {"-oex"}, {"-e", "mm"}, {"--help"}, {"-q!Rx"}, {"-\n"}, {"-tZ"}})
    CHECK_MESSAGE(is_usage_error(words), words[0]);
  CHECK(call_of({"-N", "sometimes"}).warnings.size() == 1);
  CHECK(call_of({"-N", "never,success"}).warnings.size() == 1);
  CHECK(call_of({"-N", "NEVER"}).notify == "NEVER");
  CHECK(call_of({"-R", "half"}).warnings.size() == 1);
  CHECK(call_of({"-V", "a b"}).warnings.size() == 1);
  CHECK(call_of({"-V", "a+00"}).warnings.size() == 1);
  CHECK(call_of({"-V", std::string(101, 'x')}).warnings.size() == 1);
  CHECK(call_of({"-V", "a+2B"}).envid == "a+2B");
}

TEST_CASE("lines of standard input") {
  CHECK(read("Subject: x\n\nb\n") == "Subject: x\r\n\r\nb\r\n");
  CHECK(read("Subject: x\r\n\r\nb\r\n") == "Subject: x\r\n\r\nb\r\n");
  CHECK(read("Subject: x\r\r\n\n\rb\rc\r\r\n") == "Subject: x\r\n\r\n b c\r\n");
  CHECK(read("Subject: x\n folded\n\tagain\n\nlast") == "Subject: x\r\n folded\r\n\tagain\r\n\r\nlast\r\n");
  CHECK(read("") == "\r\n");
  CHECK(read("\n") == "\r\n");
  CHECK(read("no header\nhere") == "\r\nno header\r\nhere\r\n");
  CHECK(read("Subject: x") == "Subject: x\r\n\r\n");
  CHECK(read("Subject: x\nnot: a field: ok\nno field\nmore\n") == "Subject: x\r\nnot: a field: ok\r\n\r\nno field\r\nmore\r\n");
  CHECK(read("From ann Sat\n>From bob Sat\nSubject: x\n\nFrom here\n") == "Subject: x\r\n\r\nFrom here\r\n");
}

TEST_CASE("the dot") {
  CHECK(read("a: b\n\nx\n.\nnever\n") == "a: b\r\n\r\nx\r\n");
  CHECK(read("a: b\n\nx\n.\r\nnever\n") == "a: b\r\n\r\nx\r\n");
  CHECK(read("a: b\n\n..\n. \nx") == "a: b\r\n\r\n..\r\n. \r\nx\r\n");
  InputRules whole;
  whole.dot_ends = false;
  CHECK(read("a: b\n\nx\n.\nmore\n", whole) == "a: b\r\n\r\nx\r\n.\r\nmore\r\n");
}

TEST_CASE("what cannot be mail, and what is known of the rest") {
  InputReader nul;
  nul.feed(std::string_view("a: b\n\nx\0y\n", 10));
  CHECK(nul.problem() == InputReader::Problem::nul);
  InputRules small;
  small.most = 100;
  InputReader large(small);
  for (int i = 0; i < 1000; ++i) large.feed("xxxxxxxxxxxxxxxx");
  CHECK(large.problem() == InputReader::Problem::too_large);
  InputReader mixed;
  mixed.feed("From ann Sat Nov 28 remote from host.test\nTo: a\n\n\xc3\xa4\n");
  mixed.finish();
  CHECK(mixed.has_8bit());
  CHECK(mixed.uucp_sender() == "host.test!ann");
  CHECK(mixed.header() == "To: a\r\n");
}

TEST_CASE("recipients among the arguments are lists of addresses") {
  CHECK(recipients({"a@x.test, b", "Bob <c@x.test>", "\"q u\"@x.test", "a@X.test"}) == Words{"a@x.test", "b", "c@x.test", "\"q u\"@x.test"});
  CHECK(recipients({"", " "}).empty());
  for (const char* bad : {"a b", "<a", "a@@b", "a\nb", "a@b c", "a@b\r\nRCPT", "a\x01", "@b"}) CHECK_MESSAGE(recipients({bad}) == Words{"error"}, bad);
  std::string many;
  for (size_t i = 0; i <= kMostRecipients; ++i) many += "r" + std::to_string(i) + ",";
  CHECK(recipients({many}) == Words{"error"});
}

TEST_CASE("recipients of the header") {
  RecipientRules t{true, false}, exim{true, true};
  std::string header = "To: a@x.test\r\nCC: B <b@x.test>,\r\n c@x.test\r\nBcc: d@x.test\r\nSubject: To: e@x.test\r\n";
  CHECK(recipients({}, header, t) == Words{"a@x.test", "b@x.test", "c@x.test", "d@x.test"});
  CHECK(recipients({"z"}, header, t) == Words{"z", "a@x.test", "b@x.test", "c@x.test", "d@x.test"});
  CHECK(recipients({"b@X.test"}, header, exim) == Words{"a@x.test", "c@x.test", "d@x.test"});
  CHECK(recipients({"z"}, header, {}) == Words{"z"});
  CHECK(recipients({}, header + "Resent-To: r@x.test\r\nResent-Bcc: s@x.test\r\n", t) == Words{"r@x.test", "s@x.test"});
  CHECK(recipients({}, header + "Resent-From: r@x.test\r\n", t).size() == 4);
  CHECK(recipients({}, "To: undisclosed-recipients:;\r\n", t).empty());
  CHECK(recipients({}, "To: <<\r\n", t) == Words{"error"});
  CHECK(without_bcc(header).find("d@x.test") == std::string::npos);
  CHECK(without_bcc("Bcc: a,\r\n b\r\nResent-Bcc: c\r\nTo: x\r\n") == "To: x\r\n");
}

TEST_CASE("senders") {
  CHECK(*read_sender("") == "");
  CHECK(*read_sender(" <> ") == "");
  CHECK(*read_sender("a@x.test") == "a@x.test");
  CHECK(*read_sender("Name <a@x.test> (c)") == "a@x.test");
  CHECK(*read_sender("ann") == "ann");
  for (const char* bad : {"a, b", "<a", "a b", "a@\n"}) CHECK_MESSAGE(!read_sender(bad).ok(), bad);
}

TEST_CASE("exit codes for what the daemon will not take") {
  CHECK(exit_code_of({550, {5, 7, 1}, {""}}) == 77);
  CHECK(exit_code_of({550, {5, 6, 0}, {""}}) == 65);
  CHECK(exit_code_of({552, {5, 3, 4}, {""}}) == 69);
  CHECK(exit_code_of({451, {4, 3, 0}, {""}}) == 75);
}

TEST_CASE("the queue in Postfix's layout") {
  setenv("TZ", "UTC", 1);
  QueueListing listing(false);
  CHECK(listing.end() == "Mail queue is empty\n");
  CHECK(listing.take("nonsense").empty());
  CHECK(listing.take("{\"recipients\":5}").empty());
  std::string text = listing.take(
      R"({"id":"0SC5DPXSW0000","sender":"","recipients":[{"address":"a@x.test","state":"queued","attempts":2,"next":"2026-11-28T11:00:00Z","reply":"450 later"},)"
      R"({"address":"b@x.test","state":"queued","attempts":2,"next":"2026-11-28T11:00:00Z","reply":"450 later"}],"size":2048,"arrived":"2026-11-08T10:42:44.1Z"})");
  auto lines = split(text, '\n');
  REQUIRE(lines.size() == 7);
  CHECK(lines[0] == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------");
  CHECK(lines[1] == "0SC5DPXSW0000     2048  Sun Nov  8 10:42:44 MAILER-DAEMON");
  CHECK(trimmed(lines[2]) == "(450 later)");
  CHECK(lines[3] == std::string(41, ' ') + "a@x.test");
  CHECK(lines[4] == std::string(41, ' ') + "b@x.test");
  CHECK(lines[5].empty());
  CHECK(listing.take(R"({"id":"X","sender":"s","recipients":[{"address":"a","state":"held"}],"size":1,"arrived":"x"})").starts_with("X!"));
  CHECK(listing.take(R"({"id":"Y","sender":"s\nx","recipients":[{"address":"a","state":"queued","next":""}],"size":1})").starts_with("Y*"));
  CHECK(listing.end() == "-- 2 Kbytes in 3 Requests.\n");
}
