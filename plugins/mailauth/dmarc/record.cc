// Tags one by one: what is wrong with one of them harms no other (RFC 9989 4.8).
#include "mailauth/dmarc/record.h"

#include <algorithm>
#include <limits>

#include "common/text.hpp"

namespace mailauth {

namespace {

using common::lowered;
using common::trimmed;
constexpr std::string_view kPolicies[] = {"none", "quarantine", "reject"};
constexpr size_t kMostTags = 100, kMostUris = 20, kLongestUri = 2'000, kLongestAddress = 320, kMostProblems = 20;

std::string shown(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 60)) out += c >= ' ' && c < 0x7F ? c : '?';
  return out;
}

int digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool escaped = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

// Of "mailto:..."; header fields behind '?' are not for strangers to set.
std::string address_in(std::string_view uri) {
  if (uri.size() < 7 || lowered(uri.substr(0, 7)) != "mailto:") return {};
  uri.remove_prefix(7);
  std::string out = decoded(uri.substr(0, uri.find('?')));
  bool clean = out.size() <= kLongestAddress && std::all_of(out.begin(), out.end(), [](char c) {
                 return c > ' ' && c < 0x7F && std::string_view("<>,;:\"\\()[]").find(c) == std::string_view::npos;
               });
  size_t at = out.find('@');
  bool whole = at != out.npos && at > 0 && at + 1 < out.size() && out.find('@', at + 1) == out.npos;
  return clean && whole ? out : std::string();
}

// "10m" in octets; nothing: it is no size.
std::optional<uint64_t> size_of(std::string_view text) {
  uint64_t out = 0, unit = 1;
  if (text.empty()) return std::nullopt;
  size_t power = std::string_view("kmgt").find(lowered(text.substr(text.size() - 1)));
  if (power != std::string_view::npos) {
    unit = uint64_t{1} << (10 * (power + 1));
    text.remove_suffix(1);
  }
  if (text.empty() || text.size() > 15) return std::nullopt;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    out = out * 10 + static_cast<uint64_t>(c - '0');
  }
  return out > std::numeric_limits<uint64_t>::max() / unit ? std::numeric_limits<uint64_t>::max() : out * unit;
}

std::optional<ReportUri> read_uri(std::string_view text) {
  bool good = !text.empty() && text.size() <= kLongestUri &&
              std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != '<' && c != '>'; });
  if (!good || text.find(':') == text.npos) return std::nullopt;
  ReportUri out;
  size_t mark = text.rfind('!');
  if (mark != text.npos) {
    auto size = size_of(text.substr(mark + 1));
    if (!size) return std::nullopt;
    out.most = *size;
    text = text.substr(0, mark);
  }
  out.uri = text;
  out.address = address_in(text);
  if (out.address.empty() && lowered(text.substr(0, 7)) == "mailto:") return std::nullopt;
  return out;
}

class Reader {
 public:
  DmarcRecord read(std::string_view text) {
    size_t count = 0;
    for (bool more = true; more && count < kMostTags; ++count) {
      size_t end = text.find(';');
      more = end != text.npos;
      std::string_view part = trimmed(text.substr(0, end));
      if (count > 0 && !part.empty()) tag(part);
      if (more) text.remove_prefix(end + 1);
    }
    if (count == kMostTags) problem("it has more than 100 tags; the others are ignored");
    finish();
    return std::move(out_);
  }

 private:
  void problem(std::string text) {
    if (out_.problems.size() < kMostProblems) out_.problems.push_back(std::move(text));
  }
  void bad(std::string_view name, std::string_view value) {
    problem("'" + std::string(name) + "=" + shown(value) + "' is no value that '" + std::string(name) + "' can have");
  }

  void tag(std::string_view part) {
    size_t equals = part.find('=');
    std::string name = lowered(trimmed(part.substr(0, equals)));
    if (equals == part.npos || name.empty()) return problem("'" + shown(part) + "' is no tag; it is ignored");
    if (std::find(seen_.begin(), seen_.end(), name) != seen_.end())
      return problem("'" + shown(name) + "' stands there twice; the first one holds");
    seen_.push_back(name);
    known(name, trimmed(part.substr(equals + 1)));
  }
  void known(const std::string& name, std::string_view value) {
    if (name == "p" || name == "sp" || name == "np") return policy(name, value);
    if (name == "adkim" || name == "aspf") return alignment(name, value);
    if (name == "rua" || name == "ruf") return uris(name, value);
    std::string word = lowered(value);
    if (name == "t") return word == "y" || word == "n" ? void(out_.testing = word == "y") : bad(name, value);
    if (name == "psd") return word == "y" || word == "n" || word == "u" ? void(out_.psd = word.front()) : bad(name, value);
    if (name == "fo") return failures(value);
    if (name == "pct" || name == "rf" || name == "ri") return problem("'" + name + "' has no meaning since RFC 9989; it is ignored");
    problem("'" + shown(name) + "' is not known; it is ignored");
  }
  void policy(const std::string& name, std::string_view value) {
    auto found = policy_of(value);
    if (!found) {
      bad_policy_ = true;
      return bad(name, value);
    }
    if (name == "p") out_.p = *found;
    else (name == "sp" ? out_.sp : out_.np) = found;
  }
  void alignment(const std::string& name, std::string_view value) {
    std::string word = lowered(value);
    if (word != "r" && word != "s") return bad(name, value);
    (name == "adkim" ? out_.strict_dkim : out_.strict_spf) = word == "s";
  }
  void failures(std::string_view value) {
    std::string word = lowered(value);
    bool good = !word.empty() && word.size() <= 7 && word.size() % 2 == 1;
    for (size_t i = 0; good && i < word.size(); ++i)
      good = i % 2 == 1 ? word[i] == ':' : std::string_view("01ds").find(word[i]) != std::string_view::npos;
    if (good) out_.fo = word;
    else bad("fo", value);
  }
  void uris(const std::string& name, std::string_view value) {
    auto& into = name == "rua" ? out_.rua : out_.ruf;
    into = read_report_uris(value);
    if (into.empty()) problem("'" + name + "' has no address that can be read");
  }
  // A policy that cannot be read is none, and without somebody to tell it is nothing (RFC 9989 4.10.1).
  void finish() {
    if (std::find(seen_.begin(), seen_.end(), "p") == seen_.end()) problem("there is no 'p': it is none");
    if (!bad_policy_) return;
    out_.p = DmarcPolicy::none;
    out_.sp = out_.np = std::nullopt;
    out_.usable = !out_.rua.empty();
  }

  DmarcRecord out_;
  std::vector<std::string> seen_;
  bool bad_policy_ = false;
};

}  // namespace

std::string_view policy_word(DmarcPolicy policy) { return kPolicies[static_cast<size_t>(policy)]; }

std::optional<DmarcPolicy> policy_of(std::string_view word) {
  std::string low = lowered(word);
  for (size_t i = 0; i < 3; ++i)
    if (low == kPolicies[i]) return static_cast<DmarcPolicy>(i);
  return std::nullopt;
}

bool is_dmarc_record(std::string_view text) {
  std::string_view first = trimmed(text.substr(0, text.find(';')));
  size_t equals = first.find('=');
  return equals != first.npos && lowered(trimmed(first.substr(0, equals))) == "v" && trimmed(first.substr(equals + 1)) == "DMARC1";
}

DmarcRecord read_dmarc_record(std::string_view text) { return Reader().read(text); }

std::vector<ReportUri> read_report_uris(std::string_view list) {
  std::vector<ReportUri> out;
  for (bool more = true; more && out.size() < kMostUris;) {
    size_t comma = list.find(',');
    if (auto uri = read_uri(trimmed(list.substr(0, comma)))) out.push_back(std::move(*uri));
    more = comma != list.npos;
    if (more) list.remove_prefix(comma + 1);
  }
  return out;
}

}  // namespace mailauth
