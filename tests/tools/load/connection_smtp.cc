// The SMTP side of a client connection: what to send next, and what each reply means.
#include <algorithm>

#include "common/measure.h"
#include "common/text.h"
#include "load/connection.h"

namespace veredus::tools {
namespace {

bool positive(int code) {
  return code >= 200 && code < 300;
}

bool offers(const std::string& hello, std::string_view keyword) {
  std::size_t at = hello.find('\n');
  while (at != std::string::npos) {
    const auto line = std::string_view(hello).substr(at + 1);
    const bool ends =
        line.size() == keyword.size() ||
        (line.size() > keyword.size() && (line[keyword.size()] == '\n' || line[keyword.size()] == ' '));
    if (ends && starts_with_nocase(line, keyword)) return true;
    at = hello.find('\n', at + 1);
  }
  return false;
}

}  // namespace

bool Connection::use_bdat() const {
  return chunking_ && host_.options().bdat;
}

void Connection::on_reply(const Reply& reply) {
  if (reply.code == 421) return shut_down(reply);
  if (awaited_.empty()) return lose("unexpected reply");
  const auto awaited = awaited_.front();
  awaited_.pop_front();
  switch (awaited) {
    case Awaited::kBanner:
      if (!positive(reply.code)) return lose("refused in the banner");
      outbox_.copy((host_.options().lmtp ? "LHLO " : "EHLO ") + host_.options().helo + "\r\n");
      return await(Awaited::kHello);
    case Awaited::kHello:
      return on_hello(reply, true);
    case Awaited::kHelo:
      return on_hello(reply, false);
    case Awaited::kMail:
      if (!positive(reply.code)) refuse("mail", reply);
      break;
    case Awaited::kRcpt:
      if (positive(reply.code))
        ++transaction_.rcpts_accepted;
      else
        refuse("rcpt", reply);
      break;
    case Awaited::kData:
      transaction_.data_accepted = reply.code == 354;
      if (!transaction_.data_accepted) refuse("data", reply);
      break;
    case Awaited::kChunk:
      if (!positive(reply.code)) refuse("bdat", reply);
      break;
    case Awaited::kFinal:
      return on_final(reply);
    case Awaited::kReset:
      return next_transaction();
    case Awaited::kQuit:
      awaited_.push_back(Awaited::kQuit);
      return lose("finished");
  }
  if (awaited_.empty()) advance();
}

void Connection::shut_down(const Reply& reply) {
  if (transaction_.active) {
    refuse("shutdown", reply);
    report(transaction_.finals_accepted > 0 ? Outcome::kAcknowledged : Outcome::kRefused);
  }
  lose("421");
}

void Connection::on_hello(const Reply& reply, bool extended) {
  if (!positive(reply.code)) {
    if (!extended || host_.options().lmtp) return lose("refused at EHLO");
    outbox_.copy("HELO " + host_.options().helo + "\r\n");
    return await(Awaited::kHelo);
  }
  pipelining_ = extended && host_.options().pipelining && offers(reply.text, "PIPELINING");
  chunking_ = extended && offers(reply.text, "CHUNKING");
  greeted_ = true;
  host_.greeted(index_);
  if (!hold_) next_transaction();
}

void Connection::wake() {
  if (!socket_ || !waiting_) return;
  waiting_ = false;
  next_transaction();
  if (socket_ && !outbox_.empty()) flush();
}

void Connection::next_transaction() {
  const auto& options = host_.options();
  transaction_.active = false;
  const bool worn = options.per_connection != 0 && sent_here_ >= options.per_connection;
  const auto supply = worn ? Supply::kNone : host_.take_message(message_);
  if (supply == Supply::kLater) {
    waiting_ = true;
    return host_.wants_message(index_);
  }
  if (supply == Supply::kNone) {
    outbox_.copy("QUIT\r\n");
    return await(Awaited::kQuit);
  }
  ++sent_here_;
  auto text = std::move(transaction_.text);
  text.clear();
  transaction_ = {};
  transaction_.text = std::move(text);
  transaction_.active = true;
  transaction_.started = host_.now();
  advance();
}

bool Connection::hopeless() const {
  const auto& t = transaction_;
  if (t.code == 0 || t.rcpts_accepted != 0 || t.data_accepted) return false;
  return t.step == Step::kData || t.step == Step::kContent || std::string_view(t.stage) == "mail";
}

void Connection::advance() {
  if (hopeless()) return conclude();
  while (true) {
    switch (transaction_.step) {
      case Step::kMail:
        send_mail();
        break;
      case Step::kRcpt:
        send_rcpt();
        break;
      case Step::kData:
        if (use_bdat()) return send_chunks();
        outbox_.copy("DATA\r\n");
        await(Awaited::kData);
        transaction_.step = Step::kContent;
        return;
      case Step::kContent:
        if (!transaction_.data_accepted) return conclude();
        return send_content();
      case Step::kWait:
        return send_chunks();
    }
    if (!pipelining_) return;
  }
}

void Connection::send_mail() {
  scratch_.assign("MAIL FROM:<").append(message_.from).append("> SIZE=");
  append_number(scratch_, message_.size());
  if (!host_.options().mail_args.empty()) scratch_.append(" ").append(host_.options().mail_args);
  outbox_.copy(scratch_.append("\r\n"));
  await(Awaited::kMail);
  transaction_.step = Step::kRcpt;
}

void Connection::send_rcpt() {
  scratch_.assign("RCPT TO:<");
  host_.append_recipient(scratch_, message_, transaction_.rcpts_sent);
  scratch_.append(">");
  if (!host_.options().rcpt_args.empty()) scratch_.append(" ").append(host_.options().rcpt_args);
  outbox_.copy(scratch_.append("\r\n"));
  await(Awaited::kRcpt);
  if (++transaction_.rcpts_sent == host_.options().rcpts) transaction_.step = Step::kData;
}

void Connection::send_content() {
  transaction_.step = Step::kWait;
  transaction_.content_sent = true;
  await(Awaited::kFinal);
  if (transaction_.rcpts_accepted == 0) return outbox_.copy(".\r\n");
  outbox_.refer(message_.header);
  outbox_.refer(message_.body);
  message_.tail.append(".\r\n");
  outbox_.refer(message_.tail);
}

void Connection::refer_slice(std::size_t from, std::size_t count) {
  for (const std::string_view part :
       {std::string_view(message_.header), message_.body, std::string_view(message_.tail)}) {
    if (from >= part.size()) {
      from -= part.size();
      continue;
    }
    const auto here = std::min(count, part.size() - from);
    outbox_.refer(part.substr(from, here));
    count -= here;
    from = 0;
    if (count == 0) return;
  }
}

void Connection::send_chunks() {
  const auto size = message_.size();
  const auto limit = host_.options().bdat_chunk == 0 ? size : host_.options().bdat_chunk;
  const bool failed = transaction_.step == Step::kWait && transaction_.code != 0 &&
                      std::string_view(transaction_.stage) == "bdat";
  if (failed || (!pipelining_ && transaction_.rcpts_accepted == 0)) return conclude();
  transaction_.step = Step::kWait;
  do {
    const auto count = std::min(limit, size - transaction_.bdat_sent);
    const bool last = transaction_.bdat_sent + count == size;
    scratch_.assign("BDAT ");
    append_number(scratch_, count);
    outbox_.copy(scratch_.append(last ? " LAST\r\n" : "\r\n"));
    refer_slice(transaction_.bdat_sent, count);
    transaction_.bdat_sent += count;
    transaction_.content_sent = last;
    await(last ? Awaited::kFinal : Awaited::kChunk);
  } while (pipelining_ && transaction_.bdat_sent < size);
}

void Connection::refuse(const char* stage, const Reply& reply) {
  if (transaction_.code != 0) return;
  transaction_.stage = stage;
  transaction_.code = reply.code;
  transaction_.text = reply.text;
}

void Connection::on_final(const Reply& reply) {
  auto& t = transaction_;
  if (t.finals_left == 0)
    t.finals_left = host_.options().lmtp ? std::max<std::uint64_t>(t.rcpts_accepted, 1) : 1;
  if (positive(reply.code)) {
    t.finals_accepted += host_.options().lmtp ? 1 : t.rcpts_accepted;
    t.stage = "dot";
    t.code = reply.code;
    t.text = reply.text;
  } else if (t.finals_accepted == 0) {
    refuse("dot", reply);
  }
  if (--t.finals_left != 0) return awaited_.push_front(Awaited::kFinal);
  if (t.finals_accepted == 0) return conclude();
  report(Outcome::kAcknowledged);
  next_transaction();
}

void Connection::conclude() {
  report(Outcome::kRefused);
  outbox_.copy("RSET\r\n");
  await(Awaited::kReset);
}

void Connection::report(Outcome outcome) {
  transaction_.active = false;
  Finished result;
  result.outcome = outcome;
  result.message = &message_;
  result.stage = transaction_.stage;
  result.code = transaction_.code;
  result.text = transaction_.text;
  result.recipients_accepted = transaction_.finals_accepted;
  result.recipients_refused = transaction_.rcpts_sent - transaction_.finals_accepted;
  const auto now = host_.now();
  result.dot_ns = transaction_.dot == 0 ? 0 : now - transaction_.dot;
  result.whole_ns = now - transaction_.started;
  host_.finished(result);
}

}  // namespace veredus::tools
