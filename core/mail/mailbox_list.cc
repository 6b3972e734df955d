// A mailbox list is read left to right as words and marks; a mark says what the words before it were.
#include "mail/mailbox_list.h"

#include <algorithm>

#include "base/text.h"
#include "mail/address_grammar.h"

namespace veredus {

namespace {

Error bad(const char* why) {
  return fail(Errc::invalid, why);
}

class ListReader {
 public:
  ListReader(std::string_view text, MailboxLimits limits) : text_(text), limits_(limits) {}

  Result<std::vector<Mailbox>> read() {
    while (skip_space() && at_ < text_.size())
      if (Status item = read_item(); !item) return item.error();
    if (!error_.empty()) return bad(error_.data());
    if (in_group_) return bad("a group does not end");
    return std::move(out_);
  }

 private:
  struct Word {
    std::string text;
    bool spaced = false;  // space or a comment stood before it
  };

  bool stop(const char* why) {
    error_ = why;
    return false;
  }

  // Spaces, line ends and comments. False: malformed.
  bool skip_space() {
    spaced_ = false;
    for (; at_ < text_.size(); spaced_ = true) {
      char c = text_[at_];
      if (c == '(') {
        if (!skip_comment()) return false;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++at_;
      } else {
        break;
      }
    }
    return error_.empty();
  }

  bool skip_comment() {
    size_t depth = 0;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '\\')
        ++at_;
      else if (c == '(' && ++depth > limits_.comment_depth)
        return stop("comments are nested too deeply");
      else if (c == ')' && --depth == 0)
        return ++at_, true;
    }
    return stop("a comment does not end");
  }

  bool read_quoted(std::string& out) {
    size_t begin = at_++;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '\\')
        ++at_;
      else if (c == '"') {
        out = unfolded_quotes(text_.substr(begin, ++at_ - begin));
        return true;
      }
    }
    return stop("a quoted string does not end");
  }

  static std::string unfolded_quotes(std::string_view quoted) {
    std::string out(quoted);
    std::erase_if(out, [](char c) { return c == '\r' || c == '\n'; });
    return out;
  }

  // Words up to a mark: atoms, dots and quoted strings.
  bool read_words(std::vector<Word>& words) {
    while (skip_space() && at_ < text_.size()) {
      Word word;
      word.spaced = spaced_;
      char c = text_[at_];
      if (c == '"') {
        if (!read_quoted(word.text)) return false;
      } else {
        size_t begin = at_;
        while (at_ < text_.size() && (grammar::is_atext(text_[at_]) || text_[at_] == '.')) ++at_;
        if (begin == at_) return true;
        word.text = text_.substr(begin, at_ - begin);
      }
      words.push_back(std::move(word));
    }
    return error_.empty();
  }

  // The words as a local part or a domain: one piece, spaces allowed round dots only.
  static Result<std::string> as_one(const std::vector<Word>& words) {
    std::string out;
    for (const Word& word : words) {
      bool joined = out.empty() || out.back() == '.' || word.text.front() == '.';
      if (!joined) return bad("an address has words that do not belong together");
      out += word.text;
    }
    if (out.empty()) return bad("an address is empty");
    return out;
  }

  static std::string as_name(const std::vector<Word>& words) {
    std::string out;
    for (const Word& word : words) {
      if (!out.empty() && word.spaced) out += ' ';
      if (!word.text.starts_with('"')) {
        out += word.text;
        continue;
      }
      for (size_t i = 1; i + 1 < word.text.size(); ++i) {
        if (word.text[i] == '\\') ++i;
        out += word.text[i];
      }
    }
    return out;
  }

  Status read_item() {
    std::vector<Word> words;
    if (!read_words(words)) return bad(error_.data());
    char mark = at_ < text_.size() ? text_[at_] : ',';
    switch (mark) {
      case ',':
        ++at_;
        return words.empty() ? Status{} : add_plain(words, {});
      case ';':
        return end_group(words);
      case ':':
        ++at_;
        if (in_group_ || words.empty()) return bad("a colon where none belongs");
        in_group_ = true;
        return {};
      case '@': {
        auto domain = read_domain();
        if (!domain) return domain.error();
        if (auto added = add_plain(words, *domain); !added) return added;
        return expect_end();
      }
      case '<':
        return read_angle(as_name(words));
      default:
        return bad("an address has an illegal character");
    }
  }

  Status end_group(const std::vector<Word>& words) {
    ++at_;
    if (!in_group_) return bad("a semicolon where none belongs");
    in_group_ = false;
    return words.empty() ? Status{} : add_plain(words, {});
  }

  Status add_plain(const std::vector<Word>& words, std::string domain) {
    auto local = as_one(words);
    if (!local) return local.error();
    return add(Mailbox{{}, std::move(*local), std::move(domain)});
  }

  Status add(Mailbox mailbox) {
    if (out_.size() == limits_.mailboxes) return fail(Errc::limit, "too many addresses");
    out_.push_back(std::move(mailbox));
    return {};
  }

  // At "@".
  Result<std::string> read_domain() {
    ++at_;
    if (!skip_space()) return bad(error_.data());
    if (at_ < text_.size() && text_[at_] == '[') {
      size_t close = text_.find(']', at_);
      if (close == std::string_view::npos) return bad("an address literal does not end");
      std::string out(text_.substr(at_, close + 1 - at_));
      at_ = close + 1;
      if (!std::all_of(out.begin(), out.end(), [](char c) { return c > 0x20 && c < 0x7F; }))
        return bad("a malformed address literal");
      return out;
    }
    std::vector<Word> words;
    if (!read_words(words)) return bad(error_.data());
    bool has_quotes =
        std::any_of(words.begin(), words.end(), [](const Word& word) { return word.text.starts_with('"'); });
    if (has_quotes) return bad("a quoted string in a domain");
    return as_one(words);
  }

  Status expect_end() {
    if (!skip_space()) return bad(error_.data());
    if (at_ == text_.size() || text_[at_] == ';') return {};
    if (text_[at_] != ',') return bad("something follows an address");
    ++at_;
    return {};
  }

  // At "<".
  Status read_angle(std::string name) {
    ++at_;
    if (Status route = skip_route(); !route) return route;
    std::vector<Word> words;
    if (!read_words(words)) return bad(error_.data());
    auto local = as_one(words);
    if (!local) return local.error();
    Mailbox mailbox{std::move(name), std::move(*local), {}};
    if (at_ < text_.size() && text_[at_] == '@') {
      auto domain = read_domain();
      if (!domain) return domain.error();
      mailbox.domain = std::move(*domain);
    }
    if (!skip_space()) return bad(error_.data());
    if (at_ == text_.size() || text_[at_] != '>') return bad("an address in angle brackets does not end");
    ++at_;
    if (Status added = add(std::move(mailbox)); !added) return added;
    return expect_end();
  }

  // Obsolete "@a,@b:" before an address.
  Status skip_route() {
    if (!skip_space()) return bad(error_.data());
    if (at_ == text_.size() || text_[at_] != '@') return {};
    while (at_ < text_.size() && (text_[at_] == '@' || text_[at_] == ',')) {
      if (text_[at_] == ',') {
        ++at_;
      } else if (auto hop = read_domain(); !hop) {
        return hop.error();
      }
      if (!skip_space()) return bad(error_.data());
    }
    if (at_ == text_.size() || text_[at_] != ':') return bad("a malformed source route");
    ++at_;
    return {};
  }

  std::string_view text_;
  MailboxLimits limits_;
  size_t at_ = 0;
  bool spaced_ = false;
  bool in_group_ = false;
  std::string_view error_;
  std::vector<Mailbox> out_;
};

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view in) {
  std::string out;
  for (size_t i = 0; i < in.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < in.size() ? static_cast<unsigned char>(in[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += i + k <= in.size() ? kBase64[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

// Encoded words of at most 75 characters, cut between code points.
std::string encoded_words(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t length = std::min<size_t>(text.size(), 42);
    while (length > 1 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
      --length;
    out += (out.empty() ? "=?utf-8?B?" : " =?utf-8?B?") + base64(text.substr(0, length)) + "?=";
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

Result<std::vector<Mailbox>> parse_mailbox_list(std::string_view value, MailboxLimits limits) {
  if (value.find('\0') != std::string_view::npos) return bad("a NUL in an address list");
  return ListReader(value, limits).read();
}

std::string display_name(std::string_view name) {
  std::string clean;
  for (char c : name)
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) clean += c;
  if (!is_ascii(clean)) return is_utf8(clean) ? encoded_words(clean) : grammar::quoted(printable(clean));
  bool plain = std::all_of(clean.begin(), clean.end(),
                           [](char c) { return c == ' ' || (grammar::is_atext(c) && c != '='); });
  return plain ? clean : grammar::quoted(clean);
}

}  // namespace veredus
