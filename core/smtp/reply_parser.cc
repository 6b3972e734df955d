// Reply lines: code, separator, an enhanced code if there is one, text.
#include "smtp/reply_parser.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace veredus {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// 0 when the line does not begin with a reply code.
uint16_t code_of(std::string_view line) {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2])) return 0;
  return static_cast<uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

bool take_number(std::string_view& text, uint16_t& value) {
  size_t digits = 0;
  for (value = 0; digits < text.size() && is_digit(text[digits]); ++digits) {
    if (digits == 3) return false;
    value = static_cast<uint16_t>(value * 10 + (text[digits] - '0'));
  }
  text.remove_prefix(digits);
  return digits > 0;
}

// "5.1.1 text": removes the code from the text if its class is that of the reply.
EnhancedCode take_enhanced(std::string_view& text, uint16_t code) {
  if (text.size() < 5 || text[1] != '.' || text[0] - '0' != code / 100 || code / 100 == 3) return {};
  EnhancedCode out;
  std::string_view rest = text.substr(2);
  if (!take_number(rest, out.subject) || !rest.starts_with('.')) return {};
  rest.remove_prefix(1);
  if (!take_number(rest, out.detail) || !(rest.empty() || rest.starts_with(' '))) return {};
  out.cls = static_cast<uint8_t>(code / 100);
  text = rest.substr(rest.empty() ? 0 : 1);
  return out;
}

}  // namespace

Reply reply_from_text(std::string_view text) {
  Reply reply;
  auto code = parse_uint(text.substr(0, std::min<size_t>(3, text.size())), 599);
  if (code && *code >= 200 && (text.size() == 3 || text[3] == ' ')) {
    reply.code = static_cast<uint16_t>(*code);
    text.remove_prefix(std::min<size_t>(4, text.size()));
    reply.enhanced = take_enhanced(text, reply.code);
  }
  reply.lines.emplace_back(text);
  return reply;
}

size_t ReplyParser::feed(std::string_view octets) {
  size_t used = 0;
  while (state_ == State::partial) {
    std::string_view rest = octets.substr(used);
    size_t end = rest.substr(0, kMaxLine).find('\n');
    if (end == rest.npos) {
      if (rest.size() >= kMaxLine) broken("a reply line is longer than 2048 octets");
      break;
    }
    used += end + 1;
    total_ += end + 1;
    take_line(rest.substr(0, end > 0 && rest[end - 1] == '\r' ? end - 1 : end));
  }
  return used;
}

void ReplyParser::take_line(std::string_view line) {
  uint16_t code = code_of(line);
  char separator = line.size() > 3 ? line[3] : ' ';
  if (code == 0 || (separator != ' ' && separator != '-'))
    return broken("not a reply: \"" + printable(line, 80) + "\"");
  if (reply_.code != 0 && reply_.code != code)
    return broken("the code changes within a reply: \"" + printable(line, 80) + "\"");
  if (total_ > kMaxTotal || reply_.lines.size() == kMaxLines) return broken("a reply does not end");
  reply_.code = code;
  take_text(line.substr(std::min<size_t>(line.size(), 4)));
  if (separator == ' ') state_ = State::complete;
}

void ReplyParser::take_text(std::string_view text) {
  EnhancedCode enhanced = take_enhanced(text, reply_.code);
  if (enhanced && !reply_.enhanced) reply_.enhanced = enhanced;
  reply_.lines.push_back(printable(text, kMaxLine));
}

void ReplyParser::broken(std::string problem) {
  state_ = State::broken;
  problem_ = std::move(problem);
}

Reply ReplyParser::take() {
  state_ = State::partial;
  total_ = 0;
  return std::exchange(reply_, Reply());
}

}  // namespace veredus
