// Line by line.
#include "sendmail/input.h"

#include <algorithm>

#include "base/text.h"
#include "mail/headers.h"

namespace veredus {

void InputReader::feed(std::string_view octets) {
  while (!octets.empty() && !ended_ && problem_ == Problem::none) {
    size_t end = octets.find('\n');
    if (content_.size() + line_.size() + std::min(end, octets.size()) > rules_.most) {
      problem_ = Problem::too_large;
      return;
    }
    if (end == octets.npos) {
      line_.append(octets);
      return;
    }
    if (line_.empty()) {
      take_line(octets.substr(0, end));
    } else {
      line_.append(octets.substr(0, end));
      std::string whole = std::exchange(line_, {});
      take_line(whole);
    }
    octets.remove_prefix(end + 1);
  }
}

void InputReader::finish() {
  if (!line_.empty() && !ended_ && problem_ == Problem::none) take_line(std::exchange(line_, {}));
  line_.clear();
  if (in_header_) {
    header_size_ = content_.size();
    content_ += "\r\n";
    in_header_ = false;
  }
}

void InputReader::take_line(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  if (line.find('\0') != line.npos) {
    problem_ = Problem::nul;
    return;
  }
  if (rules_.dot_ends && line == ".") {
    ended_ = true;
    return;
  }
  if (std::exchange(first_, first_ && take_mbox_line(line)) && first_) return;
  if (in_header_) return take_header_line(line);
  add(line);
}

// "From ann Sat Nov 28 10:42:44 2026 remote from host", perhaps quoted, in front of all.
bool InputReader::take_mbox_line(std::string_view line) {
  if (line.starts_with('>')) line.remove_prefix(1);
  if (!line.starts_with("From ")) return false;
  line.remove_prefix(5);
  std::string name(line.substr(0, line.find(' ')));
  size_t remote = line.rfind(" remote from ");
  bool sent_on = remote != line.npos;
  if (sent_on) name = std::string(trimmed(line.substr(remote + 13))) + "!" + name;
  uucp_sender_ = std::move(name);
  return true;
}

// What is no field ends the header, and an empty line is put where it is missing.
void InputReader::take_header_line(std::string_view line) {
  bool folded = !content_.empty() && (line.starts_with(' ') || line.starts_with('\t'));
  size_t colon = line.find(':');
  bool field = colon != line.npos && is_field_name(trimmed(line.substr(0, colon)));
  if (!line.empty() && (folded || field)) return add(line);
  header_size_ = content_.size();
  in_header_ = false;
  add({});
  if (!line.empty()) add(line);
}

// A CR inside a line would be a line end to some who read the message later, and none to others.
void InputReader::add(std::string_view line) {
  high_ = high_ || !is_ascii(line);
  size_t from = content_.size();
  content_.append(line);
  std::replace(content_.begin() + static_cast<std::ptrdiff_t>(from), content_.end(), '\r', ' ');
  content_ += "\r\n";
}

}  // namespace veredus
