// From standard input to a durable message.
#include "sendmail/submit.h"

#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/text.h"
#include "mail/address.h"
#include "sendmail/door.h"
#include "sendmail/input.h"
#include "sendmail/process.h"
#include "sendmail/recipients.h"

namespace veredus {

namespace {

Prepared refuse(int code, std::string complaint) {
  Prepared out;
  out.code = code;
  out.complaint = std::move(complaint);
  return out;
}

// An empty text: it was read whole.
std::string read_input(InputReader& reader) {
  char piece[65536];
  while (!reader.ended() && reader.problem() == InputReader::Problem::none) {
    ssize_t got = read(STDIN_FILENO, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::strerror(errno);
    if (got == 0) break;
    reader.feed({piece, static_cast<size_t>(got)});
  }
  reader.finish();
  return {};
}

std::string uucp_address(std::string_view path) {
  size_t bang = path.rfind('!');
  if (bang == path.npos) return std::string(path);
  std::string_view host = path.substr(0, bang), name = path.substr(bang + 1);
  size_t before = host.rfind('!');
  if (before != host.npos) host.remove_prefix(before + 1);
  return is_domain_name(host) && host.find('.') != host.npos ? std::string(name) + "@" + std::string(host) : std::string(path);
}

Result<std::string> sender_of(const SendmailCall& call, const InputReader& reader, const SubmittingUser& user) {
  if (call.has_sender) return read_sender(call.sender);
  if (call.uucp && !reader.uucp_sender().empty()) return read_sender(uucp_address(reader.uucp_sender()));
  return quoted_local(user.login);
}

// Fit for a record and a header: UTF-8 without controls.
std::string legible(std::string text, size_t most) {
  if (text.size() > most || !is_utf8(text)) return printable(text, most);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return text;
}

void complain(const SendmailCall& call, const std::string& text) {
  if (call.errors != ErrorMode::quiet) std::fprintf(stderr, "sendmail: %s\n", text.c_str());
}

int drop(const Submission& submission, const SendmailCall& call, const Places& places, const std::string& why) {
  block_signals();
  std::string program = drop_program();
  std::vector<std::string> words;
  if (!places.drop.empty()) words = {"--directory", places.drop};
  std::string records = encode_records(submission);
  int code = run_program(program, words, &records, false).code;
  if (code == EX_OK) {
    if (call.verbose) std::printf("the daemon is not there (%s): the message waits for it in the drop directory\n", why.c_str());
    return EX_OK;
  }
  bool known = code == EX_DATAERR || code == EX_UNAVAILABLE || code == EX_OSERR || code == EX_CANTCREAT || code == EX_IOERR || code == EX_TEMPFAIL;
  complain(call, "the daemon is not there (" + why + "), and " + program + " could not keep the message; it was not sent");
  return known ? code : code < 0 ? EX_OSERR : EX_UNAVAILABLE;
}

void tell_refused(const HandIn& dialogue, const SendmailCall& call) {
  for (const HandIn::Refused& one : dialogue.refused()) complain(call, printable(one.recipient, 320) + ": " + one.reply.joined());
}

}  // namespace

int exit_code_of(const Reply& refusal) {
  if (!refusal.permanent()) return EX_TEMPFAIL;
  if (refusal.enhanced.subject == 7) return EX_NOPERM;
  return refusal.enhanced.subject == 6 || refusal.code == 501 ? EX_DATAERR : EX_UNAVAILABLE;
}

Prepared prepare_submission(const SendmailCall& call, const Places& places) {
  InputRules rules;
  rules.dot_ends = call.dot_ends;
  InputReader reader(rules);
  bool none = !call.extract && call.arguments.empty();
  if (none) return refuse(EX_USAGE, "no recipients are named");
  std::string failure = read_input(reader);
  if (!failure.empty()) return refuse(EX_DATAERR, "the message cannot be read: " + failure);
  if (reader.problem() == InputReader::Problem::nul) return refuse(EX_DATAERR, "the message holds a NUL octet; mail cannot carry one");
  if (reader.problem() == InputReader::Problem::too_large) return refuse(EX_UNAVAILABLE, "the message is too large");
  auto recipients = find_recipients(call.arguments, reader.header(), {call.extract, places.subtract_arguments});
  if (!recipients) return refuse(EX_DATAERR, recipients.error().text);
  if (recipients->empty()) return refuse(EX_USAGE, "no recipients are named");
  SubmittingUser user = submitting_user();
  auto sender = sender_of(call, reader, user);
  if (!sender) return refuse(EX_DATAERR, sender.error().text);
  Prepared out;
  Submission& made = out.submission;
  made.sender = std::move(*sender);
  made.recipients = std::move(*recipients);
  made.name = legible(call.name.empty() ? user.name : call.name, 256);
  made.body = !call.body.empty() ? call.body : reader.has_8bit() ? "8BITMIME" : "";
  made.envid = call.envid;
  made.dsn_return = call.dsn_return;
  made.notify = call.notify;
  made.gateway = call.gateway;
  made.queue_only = call.queue_only;
  made.cwd = legible(working_directory(), 1000);
  made.script = legible(script_that_calls(reader.header()), 1000);
  std::string kept = call.gateway ? without_bcc(reader.header()) : std::string();
  size_t header_size = reader.header().size();
  made.content = reader.take();
  if (call.gateway) made.content.replace(0, header_size, kept);
  return out;
}

int hand_in(Submission submission, const SendmailCall& call, const Places& places) {
  Door door;
  if (Status opened = door.open(places.submit); !opened) return drop(submission, call, places, opened.error().text);
  HandIn dialogue(submission, call.errors == ErrorMode::mail);
  drive(door, dialogue, block_signals);
  switch (dialogue.end()) {
    case HandIn::End::accepted:
      tell_refused(dialogue, call);
      if (call.verbose) std::printf("%s\n", dialogue.reply().joined().c_str());
      return EX_OK;
    case HandIn::End::permanent:
      tell_refused(dialogue, call);
      complain(call, "the message was refused: " + dialogue.reply().joined());
      return exit_code_of(dialogue.reply());
    case HandIn::End::temporary:
      if (dialogue.reply().code != 452) return drop(submission, call, places, dialogue.reply().joined());
      complain(call, "the message cannot be taken now: " + dialogue.reply().joined());
      return EX_TEMPFAIL;
    case HandIn::End::broken:
      break;
  }
  std::string id = dialogue.id();
  submission.id = id.size() <= 32 ? id : std::string();
  return drop(submission, call, places, "it ended the connection");
}

}  // namespace veredus
