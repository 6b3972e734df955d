// Text forms of a reply: for logs and for the wire.
#include "smtp/reply.h"

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kMaxJoined = 400;
constexpr size_t kMaxLine = 510;

std::string prefix_of(const Reply& reply, char after_code) {
  std::string out = std::to_string(reply.code);
  out += after_code;
  if (reply.enhanced) out += reply.enhanced.text() + ' ';
  return out;
}

}  // namespace

std::string EnhancedCode::text() const {
  if (cls == 0) return {};
  std::string out = std::to_string(cls);
  out += '.';
  out += std::to_string(subject);
  out += '.';
  out += std::to_string(detail);
  return out;
}

std::string Reply::joined() const {
  std::string out = prefix_of(*this, ' ');
  for (const std::string& line : lines) {
    if (out.size() >= kMaxJoined) break;
    if (!out.empty() && out.back() != ' ') out += ' ';
    out += printable(line, kMaxJoined - out.size());
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string Reply::wire() const {
  static const std::vector<std::string> kOneEmptyLine{""};
  const std::vector<std::string>& all = lines.empty() ? kOneEmptyLine : lines;
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) {
    std::string prefix = prefix_of(*this, i + 1 == all.size() ? ' ' : '-');
    out += prefix;
    out += printable(all[i], kMaxLine - prefix.size());
    out += "\r\n";
  }
  return out;
}

}  // namespace veredus
