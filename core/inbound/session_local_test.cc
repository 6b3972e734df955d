// Sessions of programs of this host: who they are, what is mended, what is reported instead of refused, what the drop directory relies on.
#include <sys/socket.h>

#include "inbound/test_rig.h"
#include "smtp/refused_hop.h"

using namespace veredus;

namespace {

void rules(Settings& settings) {
  settings.relay_networks.clear();
  settings.relay_domains.clear();
  settings.origin = "host.test";
}

// A program at the other end of a pair of sockets.
class Program {
 public:
  explicit Program(Rig& rig, LocalPeer peer = ann()) : rig_(rig) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    fd_ = ends[0];
    auto stream = adopt_stream(rig.loop, ends[1]);
    REQUIRE(stream.ok());
    rig.scope.spawn(serve_local(*rig.context, std::move(*stream), std::move(peer)));
    CHECK(read(1).starts_with("220 "));
  }
  ~Program() { close(fd_); }
  static LocalPeer ann() {
    LocalPeer peer;
    peer.uid = 1000;
    peer.pid = 77;
    peer.user = "ann";
    peer.cgroup = "/user.slice";
    return peer;
  }
  std::string say(std::string_view octets, size_t replies = 1) {
    REQUIRE(::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(octets.size()));
    return read(replies);
  }

 private:
  std::string read(size_t replies) {
    std::string text;
    rig_.until([&] {
      char piece[4096];
      for (ssize_t got; (got = recv(fd_, piece, sizeof piece, 0)) > 0;) text.append(piece, static_cast<size_t>(got));
      size_t complete = 0;
      for (size_t at = 0, end; (end = text.find("\r\n", at)) != text.npos; at = end + 2) complete += text[at + 3] == ' ';
      return complete >= replies;
    });
    return text;
  }
  Rig& rig_;
  int fd_ = -1;
};

const std::string kBdat = "BDAT 16 LAST\r\nSubject: x\r\n\r\nb\n";

}  // namespace

TEST_CASE("a program of this host may send anywhere, in one go, with names that have no domain") {
  Rig rig(rules);
  Program program(rig);
  std::string said = program.say("EHLO localhost\nXLOCAL cwd=/srv/ann script=cron.daily\nMAIL FROM:<ann>\nRCPT TO:<root>\nRCPT TO:<b@far.test>\nDATA\n", 6);
  CHECK(said.find("250-XLOCAL") != said.npos);
  CHECK(said.find("250 2.1.0 Ok, id ") != said.npos);
  CHECK(program.say("Subject: x\n\nbody\n.\n").starts_with("250 2.0.0 Ok: queued as "));
  REQUIRE(rig.queue.added.size() == 1);
  const Envelope& envelope = rig.queue.added[0]->envelope;
  CHECK(envelope.sender.text() == "ann@host.test");
  CHECK(envelope.recipients[0].address.text() == "root@host.test");
  CHECK(envelope.origin.protocol == Protocol::local);
  CHECK(*find_note(envelope.notes, "submission.uid") == "1000");
  std::string stored = rig.stored(0);
  CHECK(stored.find("Received: from ann (uid 1000)\r\n\tby mx.test with local id ") != stored.npos);
  for (const char* field : {"\r\nDate: ", "\r\nMessage-ID: <", "\r\nFrom: ann@host.test\r\n"}) CHECK_MESSAGE(stored.find(field) != stored.npos, field);
  CHECK(rig.sink.count("submission.local") == 1);
  CHECK(rig.sink.text().find("\"cwd\":\"/srv/ann\"") != std::string::npos);
  CHECK(rig.sink.text().find("\"cgroup\":\"/user.slice\"") != std::string::npos);
  CHECK(rig.sink.text().find("\"client\":\"local uid 1000\",\"helo\":\"ann\"") != std::string::npos);
  CHECK(rig.sink.text().find("\"client\":\":0\"") == std::string::npos);
}

TEST_CASE("a sender that is given to somebody is not for other users of this host") {
  Rig rig([](Settings& s) {
    s.auth.senders = {{"boss@mx.test", {"boss"}}, {"team@mx.test", {"ann", "boss"}}};
    s.auth.unlisted_senders = UnlistedSender::refuse;  // of accounts; programs of this host go on as ever
  });
  Program program(rig);
  program.say("EHLO x\n", 1);
  CHECK(program.say("MAIL FROM:<boss@mx.test>\n", 1).starts_with("553 5.7.1"));
  CHECK(program.say("MAIL FROM:<team@mx.test>\nRSET\n", 2).starts_with("250"));
  CHECK(program.say("MAIL FROM:<any@mx.test>\nRSET\n", 2).starts_with("250"));
  LocalPeer root = Program::ann();
  root.uid = 0;
  root.user = "root";
  Program trusted(rig, root);
  trusted.say("EHLO x\n", 1);
  CHECK(trusted.say("MAIL FROM:<boss@mx.test>\n", 1).starts_with("250"));
}

TEST_CASE("what XLOCAL says: a name for From; a gateway's header is left alone") {
  Rig rig(rules);
  {
    Program program(rig);
    program.say("EHLO x\nXLOCAL name=Ann+20Lee\nMAIL FROM:<ann>\nRCPT TO:<b@far.test>\n" + std::string("BDAT 15 LAST\nSubject: x\r\n\r\nb"), 5);
    CHECK(rig.stored(0).find("From: Ann Lee <ann@host.test>\r\n") != std::string::npos);
  }
  {
    Program program(rig);
    program.say("EHLO x\nXLOCAL gateway=yes\nMAIL FROM:<ann>\nRCPT TO:<b@far.test>\nBDAT 15 LAST\nSubject: x\r\n\r\nb", 5);
    CHECK(rig.stored(1).ends_with("\r\nSubject: x\r\n\r\nb"));
    CHECK(rig.stored(1).find("\r\nFrom:") == std::string::npos);
  }
  Program program(rig);
  for (const char* wrong : {"XLOCAL name\n", "XLOCAL =x\n", "XLOCAL name=+0A\n", "XLOCAL name=+00\n"})
    CHECK(program.say(wrong).starts_with("501 "));
}

TEST_CASE("hidden recipients leave the header, addresses without a domain get one") {
  Rig rig(rules);
  Program program(rig);
  std::string text = "From: root (Cron Daemon)\r\nTo: ann, \"B, C\" <bob>, eve@far.test\r\nBcc: x@y.test\r\nReturn-Path: <z>\r\n\r\nb";
  program.say("EHLO x\nMAIL FROM:<>\nRCPT TO:<b@far.test>\nBDAT " + std::to_string(text.size()) + " LAST\n" + text, 4);
  REQUIRE(rig.queue.added.size() == 1);
  std::string stored = rig.stored(0);
  CHECK(stored.find("From: root@host.test (Cron Daemon)\r\n") != stored.npos);
  CHECK(stored.find("To: ann@host.test, \"B, C\" <bob@host.test>, eve@far.test\r\n") != stored.npos);
  for (const char* gone : {"Bcc", "x@y.test", "Return-Path"}) CHECK_MESSAGE(stored.find(gone) == stored.npos, gone);
}

TEST_CASE("values of address fields are completed and otherwise left as they are") {
  auto whole = [](std::string_view value) { return qualified(value, "h.test"); };
  CHECK(whole("ann") == "ann@h.test");
  CHECK(whole(" ann , bob@b.test") == " ann@h.test , bob@b.test");
  CHECK(whole("Ann <ann>") == "Ann <ann@h.test>");
  CHECK(whole("\"a, b\" <ann>, c") == "\"a, b\" <ann@h.test>, c@h.test");
  CHECK(whole("list: ann, <bob>; , eve") == "list: ann@h.test, <bob@h.test>; , eve@h.test");
  CHECK(whole("ann (x, y@z)") == "ann@h.test (x, y@z)");
  CHECK(whole("undisclosed-recipients:;") == "undisclosed-recipients:;");
  for (const char* kept : {"", "<>", "a@b@c", "((", "\"", "a b c <", "x <y> z", "ann@[IPv6:::1]"}) CHECK_MESSAGE(whole(kept) == kept, kept);
}

TEST_CASE("with errors=mail a refused recipient is accepted, to be reported; without it is refused") {
  Rig rig([](Settings& settings) {
    rules(settings);
    settings.limits.recipient_rate = 0;
  });
  Recipient recipient;
  Reply refusal{550, {5, 1, 1}, {"No such user"}};
  CHECK(refused_hop(refusal) == "refused:550 5.1.1 No such user");
  auto back = refusal_of_hop("refused:550 5.1.1 No such user");
  REQUIRE(back);
  CHECK(*back == refusal);
  CHECK_FALSE(refusal_of_hop("smtp://a.test"));
  CHECK(refusal_of_hop("refused:")->code == 550);
  CHECK(refusal_of_hop("refused:250 fine")->code == 550);
}

TEST_CASE("the drop directory's message has the id it was promised, and its file goes before it is queued") {
  Rig rig(rules);
  LocalPeer peer = Program::ann();
  peer.id = rig.ids.next();
  MessageId id = peer.id;
  size_t queued_then = 99;
  peer.stored = [&] { queued_then = rig.queue.added.size(); };
  Program program(rig, std::move(peer));
  program.say("EHLO x\nMAIL FROM:<ann>\nRCPT TO:<b@far.test>\nBDAT 15 LAST\nSubject: x\r\n\r\nb", 4);
  REQUIRE(rig.queue.added.size() == 1);
  CHECK(rig.queue.added[0]->envelope.id == id);
  CHECK(queued_then == 0);
  CHECK(rig.spool.message_count() == 1);
  program.say("MAIL FROM:<ann>\nRCPT TO:<b@far.test>\nBDAT 15 LAST\nSubject: x\r\n\r\nb", 3);
  CHECK(rig.queue.added[1]->envelope.id != id);
}

TEST_CASE("the verbs of local sessions do not exist for the network") {
  Rig rig;
  Rig::Client client(rig);
  client.read(1);
  CHECK(client.say("EHLO client.test\r\n").find("XLOCAL") == std::string::npos);
  CHECK(client.code("XLOCAL name=x\r\n") == "500");
  CHECK(client.code("XQUEUE\r\n") == "500");
  CHECK(client.code("MAIL FROM:<ann>\r\n") == "501");
}

TEST_CASE("the queue is told one line a message") {
  Rig rig(rules);
  Program program(rig);
  CHECK(program.say("XQUEUE\n") == "250 2.0.0 End of the queue\r\n");
}
