// Values of header fields and notes: texts with {client}, {header:NAME} and the like in them, filled in from a view, cleaned and folded.
// Immutable; any thread.
#ifndef VEREDUS_PLUGINS_HEADER_TEMPLATE_HPP
#define VEREDUS_PLUGINS_HEADER_TEMPLATE_HPP

#include "common/facts.hpp"

namespace header {

/** Without control characters, which become blanks, and without blanks at the ends; at most `most` octets, never half a character. */
inline std::string cleaned(std::string_view text, size_t most) {
  std::string out(text.substr(0, most + 1));
  if (out.size() > most) {
    out.pop_back();
    const auto is_tail = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
    if (is_tail(text[most])) {
      while (!out.empty() && is_tail(out.back())) out.pop_back();
      if (!out.empty()) out.pop_back();
    }
  }
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return common::unfolded(out);
}

/** Lines of at most 78 columns where blanks allow it. Nothing when a line would be longer than 998 octets. */
inline std::optional<std::string> folded(std::string_view name, std::string_view value) {
  std::string out;
  size_t column = name.size() + 2;
  for (size_t at = 0, end = 0; at < value.size(); at = end) {
    end = std::min(value.find(' ', at + 1), value.size());
    const std::string_view word = value.substr(at, end - at);
    if (column + word.size() > 78 && word.front() == ' ' && word.size() > 1) {
      out += "\r\n";
      column = 0;
    }
    out += word;
    column += word.size();
    if (column > 998) return std::nullopt;
  }
  return out;
}

class Template {
 public:
  static constexpr size_t kLongest = 900, kLongestPart = 500;

  /** Throws std::invalid_argument for what it does not know. `{{` is a brace. */
  explicit Template(std::string_view text) {
    if (!common::is_printable(text)) throw std::invalid_argument("a value is printable ASCII; write other text as an encoded word, =?utf-8?...?=");
    for (size_t at = 0; at < text.size();) {
      const size_t brace = std::min(text.find('{', at), text.size());
      parts_.push_back({Kind::text, std::string(text.substr(at, brace - at))});
      if (brace == text.size()) break;
      if (text.substr(brace, 2) == "{{") {
        parts_.back().text += '{';
        at = brace + 2;
        continue;
      }
      const size_t end = text.find('}', brace);
      if (end == text.npos) throw std::invalid_argument("'{' without '}'; a brace itself is '{{'");
      parts_.push_back(part_of(text.substr(brace + 1, end - brace - 1)));
      at = end + 1;
    }
  }

  /** The value, on one line; empty when nothing is known of what it names and it has no text of its own. */
  std::string fill(const vrd::View& view) const {
    std::string out;
    for (const Part& part : parts_) out += part.kind == Kind::text ? part.text : cleaned(value_of(part, view), kLongestPart);
    return cleaned(out, kLongest);
  }

 private:
  enum class Kind { text, attribute, recipient, note, header };
  struct Part {
    Kind kind;
    std::string text;
    uint32_t attribute = 0;
  };

  static Part part_of(std::string_view name) {
    constexpr std::pair<std::string_view, uint32_t> kAttributes[] = {{"client", VRD_ATTR_CLIENT_ADDRESS}, {"client_name", VRD_ATTR_CLIENT_NAME},
        {"helo", VRD_ATTR_HELO}, {"sender", VRD_ATTR_SENDER}, {"id", VRD_ATTR_MESSAGE_ID}, {"account", VRD_ATTR_AUTH_ACCOUNT}, {"tenant", VRD_ATTR_TENANT}};
    for (const auto& [known, attribute] : kAttributes)
      if (name == known) return {Kind::attribute, {}, attribute};
    if (name == "recipient") return {Kind::recipient, {}};
    if (name.starts_with("note:") && name.size() > 5) return {Kind::note, std::string(name.substr(5))};
    if (name.starts_with("header:") && name.size() > 7) return {Kind::header, std::string(name.substr(7))};
    throw std::invalid_argument("{" + std::string(name) + "} is not known; there are client, client_name, helo, sender, recipient, id, account, tenant, note:KEY, header:NAME");
  }

  static std::string value_of(const Part& part, const vrd::View& view) {
    switch (part.kind) {
      case Kind::attribute: return std::string(view.text(part.attribute));
      case Kind::recipient: return view.recipients() == 1 ? std::string(view.text(VRD_ATTR_RECIPIENT, 0)) : std::string();
      case Kind::note: return std::string(view.note(part.text).value_or(""));
      case Kind::header: return common::unfolded(view.header(part.text).value_or("").substr(0, 2 * kLongestPart));
      case Kind::text: break;
    }
    return part.text;
  }

  std::vector<Part> parts_;
};

}  // namespace header
#endif
