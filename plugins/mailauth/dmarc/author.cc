// The mailboxes of a From field, and their domains.
#include "mailauth/dmarc/author.h"

#include <idn2.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "mailauth/base/header_block.h"
#include "mailauth/dmarc/address_tokens.h"

namespace mailauth {

namespace {

constexpr size_t kLongest = 16 * 1024, kMostMailboxes = 100, kLongestName = 253, kLongestLabel = 63;
constexpr std::string_view kWords[] = {"one", "several", "absent", "repeated", "no_address", "literal", "unreadable"};

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kLongestName) return false;
  size_t label = 0;
  for (char c : text) {
    bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!good && (c != '.' || label == 0)) return false;
    label = good ? label + 1 : 0;
    if (label > kLongestLabel) return false;
  }
  return label > 0;
}

// Reads mailboxes, strictly but for what strangers do: words without an address, and an address as the name of an address.
class Mailboxes {
 public:
  explicit Mailboxes(const std::vector<AddressToken>& tokens) : tokens_(tokens) {}
  std::vector<std::string> domains;
  bool literal = false;
  std::string problem;

  bool read() {
    while (problem.empty()) {
      element();
      const AddressToken& next = now();
      if (next.kind == AddressToken::Kind::end) break;
      ++at_;
      if (next.is(';') && in_group_) in_group_ = false;
      else if (!next.is(',')) fail(next);
    }
    if (in_group_) problem = "a group has no end ';'";
    return problem.empty();
  }

 private:
  const AddressToken& now() const { return tokens_[at_]; }
  void fail(const AddressToken& token) {
    if (problem.empty())
      problem = token.kind == AddressToken::Kind::end ? "it ends too soon"
                                                      : "'" + std::string(token.text.substr(0, 40)) + "' stands where it cannot";
  }

  void element() {
    size_t from = at_;
    while (now().word() || now().is('.') || now().is('@') || now().kind == AddressToken::Kind::literal) ++at_;
    if (now().is(':') && !in_group_) {
      in_group_ = true;
      ++at_;
      return element();  // once: a group has no groups
    }
    if (now().is('<')) angle(from);
    else bare(from);
  }
  void angle(size_t name) {
    for (size_t i = name; i < at_; ++i)  // Name@of.test <real@address.test>
      if (tokens_[i].is('@')) domain(i + 1);
    ++at_;
    if (now().is('>')) return void(++at_);  // <>
    size_t at = local_part(at_);
    if (at == 0) return fail(now());
    at_ = domain(at + 1);
    if (!now().is('>')) return fail(now());
    ++at_;
    count();
  }
  void bare(size_t from) {
    if (std::none_of(tokens_.begin() + static_cast<long>(from), tokens_.begin() + static_cast<long>(at_),
                     [](const AddressToken& one) { return one.is('@'); }))
      return;
    size_t end = at_, at = local_part(from);
    if (at == 0) return fail(tokens_[from]);
    at_ = domain(at + 1);
    if (at_ != end) return fail(now());
    count();
  }
  void count() {
    if (++count_ > kMostMailboxes) problem = "it has more than 100 addresses";
  }
  // Where the '@' behind a local part stands; 0: there is none. A local part is words with dots between them.
  size_t local_part(size_t at) const {
    for (;; ++at) {
      if (!tokens_[at].word()) return 0;
      if (tokens_[++at].is('@')) return at;
      if (!tokens_[at].is('.')) return 0;
    }
  }
  // Notes the domain that begins at a token; where it ends.
  size_t domain(size_t at) {
    if (tokens_[at].kind == AddressToken::Kind::literal) return literal = true, at + 1;
    std::string text;
    bool dot = true;
    for (; tokens_[at].kind == AddressToken::Kind::atom ? dot : tokens_[at].is('.') && !dot; ++at) {
      dot = !dot;
      text += tokens_[at].text;
    }
    std::string name = domain_of(text);
    if (name.empty()) problem = text.empty() ? "an address has no domain" : "'" + text.substr(0, 80) + "' is no domain";
    else if (std::find(domains.begin(), domains.end(), name) == domains.end()) domains.push_back(std::move(name));
    return at;
  }

  const std::vector<AddressToken>& tokens_;
  size_t at_ = 0, count_ = 0;
  bool in_group_ = false;
};

Author author_of(AuthorState state, std::string problem) {
  Author out;
  out.state = state;
  out.problem = std::move(problem);
  return out;
}

Author read_value(std::string_view value) {
  if (value.size() > kLongest) return author_of(AuthorState::unreadable, "the From field is longer than 16 KiB");
  std::string problem;
  auto tokens = address_tokens(value, problem);
  if (!tokens) return author_of(AuthorState::unreadable, "the From field cannot be read: " + problem);
  Mailboxes read(*tokens);
  if (!read.read()) return author_of(AuthorState::unreadable, "the From field cannot be read: " + read.problem);
  Author out;
  size_t found = read.domains.size() + (read.literal ? 1 : 0);
  out.domains = std::move(read.domains);
  out.state = found > 1      ? AuthorState::several
              : read.literal ? AuthorState::literal
              : found == 1   ? AuthorState::one
                             : AuthorState::no_address;
  if (out.state == AuthorState::several) out.problem = "the From field has addresses of several domains";
  if (out.state == AuthorState::literal) out.problem = "the address in the From field has no domain, but an IP address";
  if (out.state == AuthorState::no_address) out.problem = "the From field has no address";
  return out;
}

std::string to_a_labels(std::string_view text) {
  std::string whole(text);
  char* ascii = nullptr;
  if (text.find('\0') != text.npos || idn2_to_ascii_8z(whole.c_str(), &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) return {};
  std::string out(ascii);
  std::free(ascii);
  return out;
}

}  // namespace

std::string_view author_word(AuthorState state) { return kWords[static_cast<size_t>(state)]; }

std::string domain_of(std::string_view text) {
  bool plain = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (text.size() > 4 * kLongestName) return {};
  std::string out = plain ? std::string(text) : to_a_labels(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (out.ends_with('.')) out.pop_back();
  return is_name(out) ? out : std::string();
}

Author read_author(const std::vector<std::string_view>& values) {
  if (values.empty()) return author_of(AuthorState::absent, "there is no From field");
  if (values.size() > 1) return author_of(AuthorState::repeated, "there are " + std::to_string(values.size()) + " From fields");
  return read_value(values.front());
}

Author author_of_message(std::string_view message) {
  std::vector<std::string_view> values;
  for (const Field& field : read_header(message).fields)
    if (same_name(field.name, "From")) values.push_back(field.value);
  return read_author(values);
}

}  // namespace mailauth
