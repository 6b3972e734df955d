// The table of flags, and what each does to the call.
#include "sendmail/flags.h"

#include <algorithm>

#include "base/text.h"
#include "mail/xtext.h"

namespace veredus {

namespace {

using Call = SendmailCall;
using Text = std::string_view;
using Value = SendmailFlag::Value;
using Mode = SendmailMode;

Status ignore(Call&, Text) { return {}; }

template <Mode mode>
Status set_mode(Call& call, Text) {
  call.mode = mode;
  return {};
}

template <std::string Call::*member>
Status set_text(Call& call, Text value) {
  call.*member = value;
  return {};
}

template <bool Call::*member, bool value>
Status set_flag(Call& call, Text) {
  call.*member = value;
  return {};
}

Status set_sender(Call& call, Text value) {
  call.has_sender = true;
  call.sender = value;
  return {};
}

Status set_body(Call& call, Text value) {
  call.body = iequals(value, "7BIT") ? "7BIT" : iequals(value, "8BITMIME") ? "8BITMIME" : "";
  return call.body.empty() ? Status(fail(Errc::invalid, "-B wants 7BIT or 8BITMIME")) : Status();
}

// A wrong value of what is only a wish does not keep a message from being sent.
void warn(Call& call, std::string text) { call.warnings.push_back(std::move(text)); }

Status set_notify(Call& call, Text value) {
  std::string out;
  bool never = iequals(value, "never");
  bool wrong = value.empty();
  for (Text word : split(value, ',')) {
    bool known = iequals(word, "success") || iequals(word, "failure") || iequals(word, "delay");
    wrong = wrong || !known;
    out += (out.empty() ? "" : ",") + lowered(word);
  }
  for (char& c : out) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  if (never) out = "NEVER";
  if (wrong && !never) warn(call, "-N wants never, or a list of success, failure, delay; ignored");
  else call.notify = out;
  return {};
}

Status set_return(Call& call, Text value) {
  bool full = iequals(value, "full");
  if (full || iequals(value, "hdrs")) call.dsn_return = full ? "FULL" : "HDRS";
  else warn(call, "-R wants full or hdrs; ignored");
  return {};
}

Status set_envid(Call& call, Text value) {
  auto decoded = decode_envid(value);
  bool legal = decoded && !value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (legal) call.envid = value;
  else warn(call, "-V wants at most 100 characters of xtext; ignored");
  return {};
}

Status set_errors(Call& call, Text value) {
  char mode = value.empty() ? ' ' : value[0];
  if (value.size() != 1 || Text("mpqwe").find(mode) == Text::npos) return fail(Errc::invalid, "-oe wants one of m, p, q, w, e");
  call.errors = mode == 'p' ? ErrorMode::print : mode == 'q' ? ErrorMode::quiet : ErrorMode::mail;
  return {};
}

Status set_delivery(Call& call, Text value) {
  call.queue_only = value == "q" || value == "d";
  return {};
}

Status set_foreground(Call& call, Text) {
  call.mode = Mode::daemon;
  call.foreground = true;
  return {};
}

Status set_flush(Call& call, Text value) {
  if (call.mode == Mode::deliver) call.mode = Mode::flush;
  bool number = !value.empty() && value[0] >= '0' && value[0] <= '9';
  call.periodic = number || value.starts_with('p');
  if (value.starts_with('!')) return fail(Errc::invalid, "-q! is not known here");
  return {};
}

template <std::string Call::*member>
Status set_selected(Call& call, Text value) {
  if (call.mode == Mode::deliver) call.mode = Mode::flush;
  call.*member = value;
  return {};
}

Status unknown_mode(Call&, Text value) { return fail(Errc::invalid, "there is no mode -b" + printable(value, 20)); }

// Longest match first is the parser's business; the order here is that of the manual.
constexpr SendmailFlag kFlags[] = {
    {Value::none, "bm", "", set_mode<Mode::deliver>, "Take a message from standard input for the recipients that are named. The default."},
    {Value::none, "t", "", set_flag<&Call::extract, true>,
     "Recipients are those of To, Cc and Bcc, or of Resent-To, Resent-Cc and Resent-Bcc when there is one of these. Addresses among the "
     "arguments are recipients too, unless submission.subtract_arguments is set."},
    {Value::none, "i", "", set_flag<&Call::dot_ends, false>, "A line that is a single dot is part of the message. Without it, such a line ends the message."},
    {Value::none, "oi", "", set_flag<&Call::dot_ends, false>, "The same as -i."},
    {Value::none, "oitrue", "", set_flag<&Call::dot_ends, false>, "The same as -i."},
    {Value::needed, "f", "ADDRESS", set_sender, "Sender of the envelope; '' and <> mean none. Everybody may name any; who it was is recorded."},
    {Value::needed, "r", "ADDRESS", set_sender, "The same as -f."},
    {Value::needed, "F", "NAME", set_text<&Call::name>, "Full name for a From field that is missing. Else NAME of the environment, else the user's full name."},
    {Value::needed, "B", "TYPE", set_body, "7BIT or 8BITMIME."},
    {Value::needed, "N", "LIST", set_notify, "Reports that are wanted: never, or a list of success, failure, delay."},
    {Value::needed, "R", "full|hdrs", set_return, "How much of the message a report holds."},
    {Value::needed, "V", "ID", set_envid, "Envelope id for reports: at most 100 characters of xtext."},
    {Value::none, "G", "", set_flag<&Call::gateway, true>, "The message comes from elsewhere: nothing is added to its header."},
    {Value::none, "bs", "", set_mode<Mode::smtp>, "SMTP on standard input and output; lines may end with LF."},
    {Value::none, "bp", "", set_mode<Mode::list>, "List the queue, as mailq(1)."},
    {Value::none, "bi", "", set_mode<Mode::aliases>, "As newaliases(1)."},
    {Value::none, "I", "", set_mode<Mode::aliases>, "The same as -bi."},
    {Value::none, "bv", "", set_mode<Mode::verify>, "Say of each address whether it would be accepted; no message."},
    {Value::none, "bt", "", set_mode<Mode::verify>, "The same as -bv."},
    {Value::none, "bV", "", set_mode<Mode::version>, "Print the version."},
    {Value::none, "be", "", set_mode<Mode::expand>, "Accepted; prints its arguments."},
    {Value::none, "bh", "", set_mode<Mode::host_status>, "Accepted; prints nothing."},
    {Value::none, "bH", "", set_mode<Mode::host_status>, "Accepted; prints nothing."},
    {Value::none, "bd", "", set_mode<Mode::daemon>, "Says how the daemon is started; never starts a second one."},
    {Value::none, "bD", "", set_foreground, "Run the daemon in the foreground, unless it runs already."},
    {Value::none, "bl", "", set_foreground, "The same as -bD."},
    {Value::attached, "b", "MODE", unknown_mode, "Other modes do not exist."},
    {Value::attached, "q", "INTERVAL", set_flush,
     "Try what waits in the queue now; for who may use the control socket. With an interval, or p: accepted, the daemon needs no such thing."},
    {Value::needed, "qI", "ID", set_selected<&Call::flush_id>, "Try this message now."},
    {Value::needed, "qR", "TEXT", set_selected<&Call::flush_recipient>, "Try messages for this recipient, or for recipients of this domain, now."},
    {Value::needed, "qS", "TEXT", set_selected<&Call::flush_sender>, "Try messages of this sender, or of senders of this domain, now."},
    {Value::needed, "qG", "NAME", ignore, "Accepted, without effect."},
    {Value::none, "qQ", "", ignore, "Accepted, without effect."},
    {Value::needed, "oe", "MODE", set_errors,
     "How refused recipients are told: m, e or w by a message to the sender (the default), p on standard error, q not at all."},
    {Value::needed, "e", "MODE", set_errors, "The same as -oe."},
    {Value::needed, "od", "MODE", set_delivery,
     "q or d: the first attempt waits, as long as after a failed one, or for -q. b, i and f: the daemon delivers as soon as it can."},
    {Value::needed, "oA", "FILE", ignore, "Accepted, without effect."},
    {Value::attached, "oM", "...", ignore, "Accepted, without effect."},
    {Value::attached, "o", "...", ignore, "Other options are accepted, without effect."},
    {Value::needed, "O", "OPTION=VALUE", ignore, "Accepted, without effect."},
    {Value::none, "v", "", set_flag<&Call::verbose, true>, "Say what becomes of the message."},
    {Value::needed, "h", "N", ignore, "Accepted, without effect."},
    {Value::needed, "p", "PROTOCOL", ignore, "Accepted, without effect."},
    {Value::needed, "L", "TAG", ignore, "Accepted, without effect: the daemon writes the log."},
    {Value::needed, "A", "c|m", ignore, "Accepted, without effect."},
    {Value::needed, "C", "FILE", ignore, "Accepted, without effect: the file is never opened."},
    {Value::needed, "D", "FILE", ignore, "Accepted, without effect: the file is never opened."},
    {Value::needed, "X", "FILE", ignore, "Accepted, without effect: the file is never opened."},
    {Value::attached, "d", "LEVEL", ignore, "Accepted, without effect."},
    {Value::attached, "Q", "REASON", ignore, "Accepted, without effect."},
    {Value::none, "m", "", ignore, "Accepted, without effect."},
    {Value::none, "n", "", ignore, "Accepted, without effect."},
    {Value::none, "c", "", ignore, "Accepted, without effect."},
    {Value::none, "U", "", ignore, "Accepted, without effect."},
    {Value::none, "x", "", ignore, "Accepted, without effect."},
    {Value::none, "s", "", ignore, "Accepted, without effect."},
    {Value::attached, "T", "TIME", ignore, "Accepted, without effect."},
    {Value::attached, "M", "ID", ignore, "Accepted, without effect."},
    {Value::none, "E", "", ignore, "Accepted, without effect."},
    {Value::attached, "J", "...", ignore, "Accepted, without effect."},
};

const SendmailFlag* longest_match(Text cluster) {
  const SendmailFlag* best = nullptr;
  for (const SendmailFlag& flag : kFlags)
    if (cluster.starts_with(flag.letters) && (!best || flag.letters.size() > best->letters.size())) best = &flag;
  return best;
}

// One word "-...": several flags may stand in it. `next` is the word that follows, taken when a value is needed.
Status take_cluster(Call& call, Text cluster, const std::vector<std::string>& words, size_t& next) {
  std::string joined;
  while (!cluster.empty()) {
    bool apart = (cluster == "b" || cluster == "o") && next < words.size();  // "-o i"
    if (apart) joined = std::string(cluster) + words[next++], cluster = joined;
    const SendmailFlag* flag = longest_match(cluster);
    if (!flag) return fail(Errc::invalid, "there is no flag -" + printable(cluster.substr(0, 1), 1));
    cluster.remove_prefix(flag->letters.size());
    Text value;
    if (flag->value != Value::none) value = std::exchange(cluster, Text());
    if (flag->value == Value::needed && value.empty()) {
      if (next == words.size()) return fail(Errc::invalid, "-" + std::string(flag->letters) + " wants a value");
      value = words[next++];
    }
    if (Status applied = flag->apply(call, value); !applied) return applied;
  }
  return {};
}

struct Personality {
  Text program;
  Mode mode;
};
constexpr Personality kPersonalities[] = {{"sendmail", Mode::deliver}, {"mailq", Mode::list}, {"newaliases", Mode::aliases},
                                          {"rmail", Mode::deliver},    {"runq", Mode::flush}, {"smtpd", Mode::daemon}};

}  // namespace

std::span<const SendmailFlag> sendmail_flags() { return kFlags; }

bool is_sendmail_name(std::string_view program) {
  return std::any_of(std::begin(kPersonalities), std::end(kPersonalities), [&](const Personality& one) { return one.program == program; });
}

Result<SendmailCall> parse_sendmail(std::string_view program, const std::vector<std::string>& words) {
  Call call;
  for (const Personality& one : kPersonalities)
    if (one.program == program) call.mode = one.mode;
  call.uucp = program == "rmail";
  if (call.uucp) call.dot_ends = false, call.gateway = true;
  size_t next = 0;
  while (next < words.size()) {
    const std::string& word = words[next];
    if (word == "--json" && call.mode == Mode::list) {
      call.json = true;
      ++next;
      continue;
    }
    if (word.size() < 2 || word[0] != '-') break;
    ++next;
    if (word == "--") break;
    if (word.starts_with("--")) return fail(Errc::invalid, "there is no flag " + printable(word, 40));
    if (Status taken = take_cluster(call, Text(word).substr(1), words, next); !taken) return taken.error();
  }
  call.arguments.assign(words.begin() + static_cast<std::ptrdiff_t>(next), words.end());
  return call;
}

std::string sendmail_usage() {
  std::string out = "usage: sendmail [FLAGS] [--] [RECIPIENT ...] < MESSAGE\n       sendmail -t [FLAGS] [--] [RECIPIENT ...] < MESSAGE\nflags:";
  size_t column = 6;
  for (const SendmailFlag& flag : kFlags) {
    std::string item = " -" + std::string(flag.letters) + (flag.value == Value::needed ? " " : "") + std::string(flag.argument);
    if (column + item.size() > 100) out += "\n     ", column = 5;
    out += item;
    column += item.size();
  }
  return out + "\n";
}

}  // namespace veredus
