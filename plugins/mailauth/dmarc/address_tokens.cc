// One pass, no recursion: comments nest, so their depth is counted.
#include "mailauth/dmarc/address_tokens.h"

#include <cstring>

namespace mailauth {

namespace {

using Kind = AddressToken::Kind;

bool is_atext(char c) {
  auto u = static_cast<unsigned char>(c);
  bool alnum = (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z');
  return alnum || u >= 0x80 || (c != '\0' && std::strchr("!#$%&'*+-/=?^_`{|}~", c) != nullptr);
}

class Scanner {
 public:
  Scanner(std::string_view text, std::string& problem) : text_(text), problem_(problem) {}

  bool run(std::vector<AddressToken>& out) {
    while (skip_blank()) {
      if (at_ == text_.size()) return out.push_back({}), true;
      size_t from = at_;
      Kind kind = take();
      if (kind == Kind::end) return false;
      out.push_back({kind, text_.substr(from, at_ - from)});
    }
    return false;
  }

 private:
  bool fail(std::string what) { return problem_ = std::move(what), false; }
  bool is_blank() const {
    char c = text_[at_];
    if (c == ' ' || c == '\t') return true;
    size_t line = c == '\r' && text_.substr(at_).starts_with("\r\n") ? 2 : c == '\n' ? 1 : 0;
    if (line == 0) return false;
    return at_ + line == text_.size() || text_[at_ + line] == ' ' || text_[at_ + line] == '\t';
  }
  bool skip_blank() {
    while (at_ < text_.size()) {
      if (text_[at_] == '(') {
        if (!skip_comment()) return false;
      } else if (is_blank()) {
        at_ += text_[at_] == '\r' ? 2 : 1;
      } else {
        return true;
      }
    }
    return true;
  }
  bool skip_comment() {
    size_t depth = 0;
    do {
      if (at_ == text_.size()) return fail("a comment '(' has no end");
      char c = text_[at_];
      if (c == '(') ++depth;
      else if (c == ')') --depth;
      else if (c == '\\' && at_ + 1 < text_.size()) ++at_;
      else if (!inner_octet()) return false;
      ++at_;
    } while (depth > 0);
    return true;
  }
  // Of a comment or a quoted string.
  bool inner_octet() {
    char c = text_[at_];
    if (static_cast<unsigned char>(c) >= ' ' && c != 0x7F) return true;
    if (!is_blank()) return fail("it has a control character");
    if (c == '\r') ++at_;
    return true;
  }
  Kind take() {
    char c = text_[at_];
    if (c == '"') return enclosed('"', "a quote has no end") ? Kind::quoted : Kind::end;
    if (c == '[') return enclosed(']', "a bracket '[' has no end") ? Kind::literal : Kind::end;
    if (c != '\0' && std::strchr("<>@,;:.", c) != nullptr) return ++at_, Kind::special;
    if (!is_atext(c))
      return fail(static_cast<unsigned char>(c) < ' ' || c == 0x7F ? "it has a control character"
                                                                   : std::string("'") + c + "' stands where it cannot"),
             Kind::end;
    while (at_ < text_.size() && is_atext(text_[at_])) ++at_;
    return Kind::atom;
  }
  bool enclosed(char close, const char* without) {
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == close) return ++at_, true;
      if (c == '\\' && at_ + 1 < text_.size()) ++at_;
      if (!inner_octet()) return false;
    }
    return fail(without);
  }

  std::string_view text_;
  std::string& problem_;
  size_t at_ = 0;
};

}  // namespace

std::optional<std::vector<AddressToken>> address_tokens(std::string_view text, std::string& problem) {
  std::vector<AddressToken> out;
  if (!Scanner(text, problem).run(out)) return std::nullopt;
  return out;
}

}  // namespace mailauth
