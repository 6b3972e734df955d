// Reading, converting, writing.
#include "message.h"

#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace local {

namespace {

constexpr std::string_view kFrom = "From ";

}  // namespace

bool LineFilter::add(std::string_view octets) {
  for (char c : octets) {
    if (cr_ && c != '\n') waiting_ += '\r';
    cr_ = c == '\r';
    if (!cr_) waiting_ += c;
  }
  return give(false);
}

bool LineFilter::end() {
  if (cr_) waiting_ += '\r';
  cr_ = false;
  if (!give(true)) return false;
  return line_start_ || sink_("\n");
}

// A line whose beginning is not whole yet waits for the next piece.
bool LineFilter::give(bool all) {
  std::string out;
  size_t at = 0;
  while (at < waiting_.size()) {
    std::string_view rest = std::string_view(waiting_).substr(at);
    if (line_start_ && !all && rest.size() < kFrom.size() && kFrom.starts_with(rest)) break;
    if (line_start_ && quotes_ && rest.starts_with(kFrom)) out += '>';
    size_t end = rest.find('\n');
    size_t count = end == rest.npos ? rest.size() : end + 1;
    out.append(rest.substr(0, count));
    line_start_ = end != rest.npos;
    at += count;
  }
  waiting_.erase(0, at);
  return out.empty() || sink_(out);
}

std::string Message::from_line() const {
  std::string who = sender_.empty() ? "MAILER-DAEMON" : sender_;
  for (char& c : who)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) c = '_';
  time_t now = time(nullptr);
  tm parts{};
  char text[64] = {};
  localtime_r(&now, &parts);
  strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &parts);
  return "From " + who + " " + text + "\n";
}

bool Message::write(Form form, const Sink& sink) const {
  if (form != Form::plain && !sink(from_line())) return false;
  LineFilter filter(form == Form::mbox, sink);
  if (!filter.add(head_)) return false;
  char piece[65'536];
  for (off_t at = 0;;) {
    ssize_t got = pread(fd_, piece, sizeof piece, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno = EIO, false;
    if (got == 0) break;
    if (!filter.add(std::string_view(piece, static_cast<size_t>(got)))) return false;
    at += got;
  }
  return filter.end() && (form != Form::mbox || sink("\n"));
}

}  // namespace local
