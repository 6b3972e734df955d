// One pass over the content; memchr finds the next CR and the next LF, so plain text costs two calls a line.
#include "smtp/content_encoder.h"

#include <cstring>

namespace veredus {

namespace {

size_t find_from(std::string_view text, char wanted, size_t from) {
  const void* at = from < text.size() ? std::memchr(text.data() + from, wanted, text.size() - from) : nullptr;
  return at ? static_cast<size_t>(static_cast<const char*>(at) - text.data()) : text.size();
}

}  // namespace

size_t ContentEncoder::encode(std::string_view piece, std::vector<std::string_view>& views, size_t most) {
  if (piece.empty()) return 0;
  size_t sent = 0, at = take_held(piece, views) ? 1 : 0;  // [sent, at) is fine as it is
  size_t cr = find_from(piece, '\r', 0), lf = find_from(piece, '\n', 0);
  auto flush = [&](size_t end) {
    if (end > sent) views.push_back(piece.substr(sent, end - sent));
    sent = end;
  };
  while (at < piece.size() && views.size() < most) {
    if (line_start_ && dotted_ && piece[at] == '.') {
      flush(at);
      views.push_back(".");
    }
    line_start_ = false;
    if (cr < at) cr = find_from(piece, '\r', at);
    if (lf < at) lf = find_from(piece, '\n', at);
    size_t end = cr < lf ? cr : lf;
    if (end == piece.size()) {
      at = end;
    } else if (end == cr && cr + 1 == piece.size()) {
      flush(cr);
      held_cr_ = true;
      return piece.size();
    } else if (cr + 1 == lf) {
      at = lf + 1;
      line_start_ = true;
    } else {
      flush(end);
      views.push_back(" ");
      at = sent = end + 1;
    }
  }
  flush(at);
  return at;
}

// True when the piece begins with the LF that makes the held CR a line end.
bool ContentEncoder::take_held(std::string_view piece, std::vector<std::string_view>& views) {
  if (!held_cr_) return false;
  held_cr_ = false;
  line_start_ = piece[0] == '\n';
  views.push_back(line_start_ ? "\r" : " ");
  return line_start_;
}

void ContentEncoder::finish(std::vector<std::string_view>& views) {
  if (held_cr_) {
    views.push_back(" ");
    held_cr_ = false;
    line_start_ = false;
  }
  if (!dotted_) return;
  views.push_back(line_start_ ? ".\r\n" : "\r\n.\r\n");
}

}  // namespace veredus
