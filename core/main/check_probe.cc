// One conversation, and a short second one for the resumption.
#include "main/check_probe.h"

#include "base/text.h"
#include "smtp/reply_parser.h"

namespace veredus {

namespace {

using End = SmtpProbe::End;
constexpr size_t kMostExtensions = 100;
constexpr Seconds kConnect{8}, kReply{10};

struct Talk {
  std::unique_ptr<Stream> stream;
  ReplyParser parser;
};

Task<Result<Reply>> read_reply(Loop& loop, Talk& talk, Deadline deadline) {
  deadline = deadline.sooner(Deadline::in(loop, kReply));
  for (;;) {
    talk.stream->consume(talk.parser.feed(talk.stream->buffered()));
    if (talk.parser.state() == ReplyParser::State::complete) co_return talk.parser.take();
    if (talk.parser.state() == ReplyParser::State::broken) co_return fail(Errc::invalid, "what it says is not SMTP: " + talk.parser.problem());
    auto more = co_await talk.stream->fill(deadline);
    if (!more) co_return fail(more.error().code, more.error().code == Errc::timeout ? "it says nothing" : more.error().text);
    if (*more == 0) co_return fail(Errc::closed, "it closed the connection");
  }
}

Task<Result<Reply>> ask(Loop& loop, Talk& talk, std::string command, Deadline deadline) {
  Status sent = co_await talk.stream->write(command + "\r\n", deadline);
  if (!sent) co_return sent.error();
  co_return co_await read_reply(loop, talk, deadline);
}

std::vector<std::string> extensions_of(const Reply& reply) {
  std::vector<std::string> out;
  for (size_t i = 1; i < reply.lines.size() && out.size() < kMostExtensions; ++i) out.push_back(printable(trimmed(reply.lines[i]), 200));
  return out;
}

bool offers(const std::vector<std::string>& extensions, std::string_view keyword) {
  for (const std::string& one : extensions)
    if (iequals(split(one, ' ')[0], keyword)) return true;
  return false;
}

bool stop(SmtpProbe& out, End end, std::string problem) {
  out.end = end;
  out.problem = printable(problem, 500);
  return false;
}

Task<bool> hello(Loop& loop, Talk& talk, std::string helo, std::vector<std::string>& extensions, SmtpProbe& out, Deadline deadline) {
  auto reply = co_await ask(loop, talk, "EHLO " + helo, deadline);
  if (!reply) co_return stop(out, End::no_smtp, "after EHLO " + reply.error().text);
  if (!reply->positive()) co_return stop(out, End::no_smtp, "it refuses EHLO: " + reply->joined());
  extensions = extensions_of(*reply);
  co_return true;
}

Task<bool> greet(Loop& loop, Talk& talk, std::string helo, SmtpProbe& out, Deadline deadline) {
  auto greeting = co_await read_reply(loop, talk, deadline);
  if (!greeting) co_return stop(out, End::no_smtp, "instead of a greeting: " + greeting.error().text);
  out.greeting = greeting->joined();
  if (greeting->code != 220) co_return stop(out, End::no_smtp, "it does not take mail from here now: " + out.greeting);
  co_return co_await hello(loop, talk, std::move(helo), out.before, out, deadline);
}

Task<bool> start_tls(Loop& loop, Talk& talk, SmtpProbe& out, Deadline deadline) {
  if (!offers(out.before, "STARTTLS")) co_return stop(out, End::no_starttls, "it does not offer STARTTLS");
  auto reply = co_await ask(loop, talk, "STARTTLS", deadline);
  if (!reply) co_return stop(out, End::starttls_refused, "after STARTTLS " + reply.error().text);
  if (reply->code != 220) co_return stop(out, End::starttls_refused, "it offers STARTTLS and refuses it: " + reply->joined());
  if (talk.stream->input_pending()) co_return stop(out, End::injected, "it sends plain text behind the reply to STARTTLS, as somebody in between would");
  co_return true;
}

Task<bool> connect(Loop& loop, const ProbeOptions& options, Talk& talk, SmtpProbe& out, Deadline deadline) {
  ConnectOptions connecting;
  connecting.to = options.to;
  auto stream = co_await connect_stream(loop, std::move(connecting), deadline.sooner(Deadline::in(loop, kConnect)));
  if (!stream) co_return stop(out, End::unreachable, stream.error().text);
  talk.stream = std::move(*stream);
  co_return true;
}

Task<bool> secure(Loop& loop, const ProbeOptions& options, std::string resumption, Talk& talk, SmtpProbe& out, Deadline deadline) {
  TlsClientOptions wanted;
  wanted.sni = options.sni;
  wanted.resumption = std::move(resumption);
  auto stream = co_await tls_connect(loop, std::move(talk.stream), std::move(wanted), deadline);
  if (!stream) co_return stop(out, End::handshake_failed, stream.error().text);
  talk.stream = std::move(*stream);
  out.tls = talk.stream->tls()->facts();
  co_return true;
}

// Up to the encrypted connection, EHLO inside it included.
Task<bool> converse(Loop& loop, const ProbeOptions& options, std::string resumption, Talk& talk, SmtpProbe& out, Deadline deadline) {
  bool good = co_await connect(loop, options, talk, out, deadline);
  if (good && !options.implicit) good = co_await greet(loop, talk, options.helo, out, deadline);
  if (good && !options.implicit) good = co_await start_tls(loop, talk, out, deadline);
  if (good) good = co_await secure(loop, options, std::move(resumption), talk, out, deadline);
  if (good && options.implicit) good = co_await greet(loop, talk, options.helo, out, deadline);
  else if (good) good = co_await hello(loop, talk, options.helo, out.inside, out, deadline);
  if (good && options.implicit) out.inside = std::exchange(out.before, {});
  if (good) out.end = End::secured;
  co_return good;
}

Task<void> quit(Loop& loop, Talk& talk, Deadline deadline) {
  if (!talk.stream) co_return;
  deadline = deadline.sooner(Deadline::in(loop, Seconds(1)));
  (void)co_await ask(loop, talk, "QUIT", deadline);
}

Task<void> try_resumption(Loop& loop, const ProbeOptions& options, std::string ticket, SmtpProbe& out, Deadline deadline) {
  out.resumes = false;
  if (ticket.empty()) out.resumption_problem = "it gives no session ticket";
  if (ticket.empty()) co_return;
  Talk talk;
  SmtpProbe second;
  bool good = co_await converse(loop, options, std::move(ticket), talk, second, deadline);
  out.resumes = good && second.tls.resumed;
  if (!good) out.resumption_problem = "the second connection failed: " + second.problem;
  else if (!*out.resumes) out.resumption_problem = "it gave a ticket and does not take it back";
  co_await quit(loop, talk, deadline);
}

}  // namespace

Task<SmtpProbe> probe_smtp(Loop& loop, ProbeOptions options, Deadline deadline) {
  SmtpProbe out;
  out.to = options.to;
  Talk talk;
  bool good = co_await converse(loop, options, std::string(), talk, out, deadline);
  co_await quit(loop, talk, deadline);
  if (!good) co_return out;
  std::string ticket = talk.stream->tls()->resumption();
  talk.stream.reset();
  co_await try_resumption(loop, options, std::move(ticket), out, deadline);
  co_return out;
}

}  // namespace veredus
