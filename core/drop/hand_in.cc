// The dialogue of a submission.
#include "drop/hand_in.h"

#include "base/text.h"
#include "mail/xtext.h"

namespace veredus {

namespace {

constexpr size_t kBatch = 100;  // recipients at once: neither side ever waits for the other to read
constexpr size_t kLongestWord = 200;

void add_word(std::string& line, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  if (value.size() > kLongestWord) value = value.substr(0, kLongestWord);
  std::string clean(value);
  for (char& c : clean)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  if (!is_utf8(clean)) clean = printable(clean, kLongestWord);
  line.append(" ").append(key).append("=").append(encode_xtext(clean));
}

bool is_final(const Reply& reply) { return reply.code == 0 || reply.temporary() || reply.permanent(); }

HandIn::End end_of(const Reply& reply) {
  return reply.permanent() ? HandIn::End::permanent : reply.temporary() ? HandIn::End::temporary : HandIn::End::broken;
}

}  // namespace

std::string HandIn::opening() const {
  std::string words;
  add_word(words, "name", submission_.name);
  add_word(words, "cwd", submission_.cwd);
  add_word(words, "script", submission_.script);
  if (submission_.gateway) words += " gateway=yes";
  if (submission_.queue_only) words += " delivery=queue";
  if (mail_errors_) words += " errors=mail";
  return "EHLO localhost\r\nXLOCAL" + words + "\r\n";
}

std::string HandIn::mail() const {
  std::string out = "MAIL FROM:<" + submission_.sender + ">";
  bool utf8 = !is_ascii(submission_.sender);
  for (const std::string& recipient : submission_.recipients) utf8 = utf8 || !is_ascii(recipient);
  if (!submission_.body.empty()) out += " BODY=" + submission_.body;
  if (utf8) out += " SMTPUTF8";
  if (!submission_.dsn_return.empty()) out += " RET=" + submission_.dsn_return;
  if (!submission_.envid.empty()) out += " ENVID=" + submission_.envid;
  return out + "\r\n";
}

std::string HandIn::introduction(const Submission& submission) {
  std::string out = HandIn(submission, false).opening();
  return out.substr(out.find("XLOCAL"));
}

HandIn::Turn HandIn::recipients() {
  Turn out;
  for (; said_ < submission_.recipients.size() && out.replies < kBatch; ++said_, ++out.replies) {
    out.head += "RCPT TO:<" + submission_.recipients[said_] + ">";
    if (!submission_.notify.empty()) out.head += " NOTIFY=" + submission_.notify;
    out.head += "\r\n";
  }
  return out;
}

HandIn::Turn HandIn::content() {
  Turn out;
  out.head = "BDAT " + std::to_string(submission_.content.size()) + " LAST\r\n";
  out.body = submission_.content;
  out.replies = 1;
  out.commits = true;
  return out;
}

HandIn::Turn HandIn::turn() {
  Turn out;
  switch (step_) {
    case Step::greeting:
      out.replies = 1;
      return out;
    case Step::envelope:
      out.head = opening() + mail();
      out.replies = envelope_replies_ = 3;
      return out;
    case Step::recipients:
      return recipients();
    case Step::content:
      return content();
    case Step::finished:
      break;
  }
  if (!std::exchange(quit_, true) && end_ != End::broken) out.head = "QUIT\r\n";
  out.over = out.head.empty();
  return out;
}

void HandIn::take(const Reply& reply) {
  if (step_ == Step::finished) return;
  if (step_ == Step::recipients) return take_recipient(reply);
  if (is_final(reply)) return finish(end_of(reply), reply);
  if (step_ == Step::content) return finish(End::accepted, reply);
  if (step_ == Step::greeting) {
    step_ = Step::envelope;
    return;
  }
  if (--envelope_replies_ > 0) return;
  std::string_view text = reply.lines.empty() ? std::string_view() : std::string_view(reply.lines[0]);
  size_t space = text.rfind(' ');
  if (space != text.npos) id_ = text.substr(space + 1);
  step_ = Step::recipients;
}

// One that is put off puts off the whole message: nobody would try the rest again.
void HandIn::take_recipient(const Reply& reply) {
  const std::string& recipient = submission_.recipients[heard_++];
  if (reply.code == 421 || reply.temporary() || reply.code == 0) return finish(end_of(reply), reply);
  if (reply.permanent()) refused_.push_back({recipient, reply});
  else ++accepted_;
  if (heard_ < submission_.recipients.size()) return;
  if (accepted_ == 0) return finish(End::permanent, reply);
  step_ = Step::content;
}

void HandIn::finish(End end, const Reply& reply) {
  if (step_ == Step::finished) return;
  step_ = Step::finished;
  end_ = end;
  reply_ = reply;
}

}  // namespace veredus
