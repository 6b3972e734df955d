// The modes of sendmail.
#include "sendmail/sendmail.h"

#include <poll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/text.h"
#include "sendmail/door.h"
#include "sendmail/listing.h"
#include "sendmail/process.h"
#include "sendmail/recipients.h"
#include "sendmail/submit.h"

namespace veredus {

namespace {

int complain(const std::string& text, int code) {
  std::fprintf(stderr, "sendmail: %s\n", text.c_str());
  return code;
}

int deliver(const SendmailCall& call, const Places& places) {
  Prepared prepared = prepare_submission(call, places);
  if (prepared.code != 0) {
    if (call.errors == ErrorMode::quiet) return prepared.code;
    return complain(prepared.complaint, prepared.code);
  }
  return hand_in(std::move(prepared.submission), call, places);
}

// Greets and says who calls; the greeting, or nullopt.
std::optional<Reply> introduce(Door& door, const Places& places) {
  if (!door.open(places.submit)) return std::nullopt;
  auto greeting = door.reply();
  if (!greeting || !greeting->positive()) return greeting;
  Submission nobody;
  nobody.cwd = working_directory();
  nobody.script = script_that_calls({});
  nobody.name = submitting_user().name;
  if (!door.send(HandIn::introduction(nobody))) return std::nullopt;
  auto taken = door.reply();
  return taken ? greeting : std::nullopt;
}

bool copy(int from, int to) {
  char piece[65536];
  ssize_t got = read(from, piece, sizeof piece);
  if (got < 0 && errno == EINTR) return true;
  for (ssize_t sent = 0; sent < got;) {
    ssize_t taken = write(to, piece + sent, static_cast<size_t>(got - sent));
    if (taken < 0 && errno == EINTR) continue;
    if (taken <= 0) return false;
    sent += taken;
  }
  return got > 0;
}

// Octets both ways until the daemon has said all it has to say.
void relay(Door& door) {
  bool input = true;
  door.wait_for(0);
  for (;;) {
    pollfd waits[] = {{input ? STDIN_FILENO : -1, POLLIN, 0}, {door.fd(), POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0 && !copy(door.fd(), STDOUT_FILENO)) return;
    if (input && waits[0].revents != 0 && !copy(STDIN_FILENO, door.fd())) {
      input = false;
      shutdown(door.fd(), SHUT_WR);
    }
  }
}

int speak_smtp(const Places& places) {
  Door door;
  auto greeting = introduce(door, places);
  std::string first = greeting ? greeting->wire() : "421 4.3.2 The mail service is not available\r\n";
  bool told = write(STDOUT_FILENO, first.data(), first.size()) == static_cast<ssize_t>(first.size());
  if (!greeting || !greeting->positive()) return EX_UNAVAILABLE;
  if (told) relay(door);
  return EX_OK;
}

void print_listing_line(QueueListing& listing, bool json, std::string_view line) {
  std::string text = json ? std::string(line) + "\n" : listing.take(line);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// Without the daemon the spool can be read by who may; nobody else loses anything by an error.
int list_stopped(const SendmailCall& call, const Places& places) {
  Ran ran = run_program(own_path(), {"--conf", places.conf, "--json", "spool", "list"}, nullptr, true);
  if (ran.code != 0) return complain("the queue cannot be shown: the daemon does not run, and the spool cannot be read", EX_UNAVAILABLE);
  QueueListing listing(call.verbose);
  for (std::string_view line : split(ran.output, '\n'))
    if (!line.empty()) print_listing_line(listing, call.json, line);
  if (!call.json) std::fputs(listing.end().c_str(), stdout);
  return std::fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int list(const SendmailCall& call, const Places& places) {
  Door door;
  auto greeting = introduce(door, places);
  if (!greeting || !greeting->positive() || !door.send("XQUEUE\r\n")) return list_stopped(call, places);
  QueueListing listing(call.verbose);
  for (;;) {
    auto line = door.line();
    if (!line || line->size() < 4) return complain("the daemon ended the listing", EX_TEMPFAIL);
    if ((*line)[3] != '-') break;
    print_listing_line(listing, call.json, std::string_view(*line).substr(4));
  }
  if (!call.json) std::fputs(listing.end().c_str(), stdout);
  return std::fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

// Aliases are read when they have changed; this is for those who do not want to wait for that.
int aliases(const Places& places) {
  run_program(own_path(), {"--conf", places.conf, "reload"}, nullptr, true);
  return EX_OK;
}

int verdict_of(const Reply& reply) {
  if (reply.positive()) return EX_OK;
  if (!reply.permanent()) return EX_TEMPFAIL;
  return reply.enhanced == EnhancedCode{5, 1, 2} || reply.enhanced.subject == 4 ? EX_NOHOST : EX_NOUSER;
}

int verify(const SendmailCall& call, const Places& places) {
  auto recipients = find_recipients(call.arguments, {}, {});
  if (!recipients) return complain(recipients.error().text, EX_DATAERR);
  if (recipients->empty()) return complain("no addresses are named", EX_USAGE);
  Door door;
  auto greeting = introduce(door, places);
  bool ready = greeting && greeting->positive() && door.send("EHLO localhost\r\nMAIL FROM:<" + submitting_user().login + ">\r\n");
  auto hello = ready ? door.reply() : std::nullopt;
  auto mail = hello ? door.reply() : std::nullopt;
  if (!mail) return complain("the mail service is not available", EX_UNAVAILABLE);
  if (!mail->positive()) return complain(mail->joined(), exit_code_of(*mail));
  int worst = EX_OK;
  for (const std::string& recipient : *recipients) {
    auto reply = door.send("RCPT TO:<" + recipient + ">\r\n") ? door.reply() : std::nullopt;
    if (!reply) return complain("the mail service is not available", EX_UNAVAILABLE);
    int code = verdict_of(*reply);
    std::printf("%s ... %s: %s\n", printable(recipient, 320).c_str(), code == EX_OK ? "deliverable" : "undeliverable", reply->joined().c_str());
    if (worst == EX_OK || code == EX_NOUSER) worst = code == EX_OK ? worst : code;
  }
  door.send("RSET\r\nQUIT\r\n");
  return std::fflush(stdout) == 0 ? worst : EX_IOERR;
}

std::string with_domain(const std::string& text) { return text.find('@') == text.npos ? "*@" + text : text; }

int flush(const SendmailCall& call, const Places& places) {
  if (call.periodic) return EX_OK;
  std::vector<std::string> words{"--conf", places.conf, "queue", "retry"};
  if (!call.flush_id.empty()) words.push_back(call.flush_id);
  if (!call.flush_recipient.empty()) words.insert(words.end(), {"--recipient", with_domain(call.flush_recipient)});
  if (!call.flush_sender.empty()) words.insert(words.end(), {"--sender", with_domain(call.flush_sender)});
  if (words.size() == 4) words.insert(words.end(), {"--older", "0s"});
  Ran ran = run_program(own_path(), words, nullptr, true);
  if (call.verbose) std::fwrite(ran.output.data(), 1, ran.output.size(), stdout);
  return ran.code < 0 ? EX_OSERR : ran.code == 1 ? EX_OK : ran.code;
}

int daemon(const SendmailCall& call, const Places& places) {
  Door door;
  if (door.open(places.submit)) return std::puts("veredusd runs already") < 0 ? EX_IOERR : EX_OK;
  if (!call.foreground) return complain("the service manager starts the daemon: systemctl start veredus; or use -bD", EX_USAGE);
  std::string program = beside_own("veredusd");
  if (program.empty()) program = VEREDUS_DAEMON_PROGRAM;
  execl(program.c_str(), "veredusd", "--conf", places.conf.c_str(), static_cast<char*>(nullptr));
  return complain(program + " cannot be started", EX_OSERR);
}

int expand(const SendmailCall& call) {
  for (const std::string& word : call.arguments) std::printf("%s\n", printable(word, 1000).c_str());
  return EX_OK;
}

int carry_out(const SendmailCall& call, const Places& places) {
  switch (call.mode) {
    case SendmailMode::deliver:
      return deliver(call, places);
    case SendmailMode::smtp:
      return speak_smtp(places);
    case SendmailMode::list:
      return list(call, places);
    case SendmailMode::aliases:
      return aliases(places);
    case SendmailMode::verify:
      return verify(call, places);
    case SendmailMode::version:
      return std::puts("veredus " VEREDUS_VERSION) < 0 ? EX_IOERR : EX_OK;
    case SendmailMode::expand:
      return expand(call);
    case SendmailMode::daemon:
      return daemon(call, places);
    case SendmailMode::host_status:
      return EX_OK;
    case SendmailMode::flush:
      return flush(call, places);
  }
  return EX_SOFTWARE;
}

}  // namespace

int run_sendmail(const std::string& program, const std::vector<std::string>& words, const std::string& conf) {
  tidy_process();
  auto call = parse_sendmail(program, words);
  if (!call) {
    std::fprintf(stderr, "%s: %s\n%s", printable(program, 40).c_str(), call.error().text.c_str(), sendmail_usage().c_str());
    return EX_USAGE;
  }
  for (const std::string& warning : call->warnings) complain("warning: " + warning, 0);
  return carry_out(*call, find_places(conf));
}

}  // namespace veredus
