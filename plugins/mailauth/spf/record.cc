#include "mailauth/spf/record.h"

#include <algorithm>
#include <utility>

#include "mailauth/spf/macro.h"

namespace mailauth::spf {

namespace {

constexpr std::string_view kVersion = "v=spf1";
constexpr size_t kShown = 80;  // octets of a term in a sentence

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_name_part(char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; }

bool is_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

std::string shown(std::string_view term) {
  std::string out;
  for (char c : term.substr(0, kShown)) out += c >= ' ' && c < 0x7F ? c : '?';
  return "'" + out + (term.size() > kShown ? "...'" : "'");
}

constexpr std::pair<std::string_view, Mechanism> kMechanisms[] = {
    {"all", Mechanism::all}, {"include", Mechanism::include}, {"a", Mechanism::a},     {"mx", Mechanism::mx},
    {"ptr", Mechanism::ptr}, {"ip4", Mechanism::ip4},         {"ip6", Mechanism::ip6}, {"exists", Mechanism::exists},
};

const std::pair<std::string_view, Mechanism>* find_mechanism(std::string_view name) {
  auto place = std::find_if(std::begin(kMechanisms), std::end(kMechanisms), [&](const auto& row) { return is_word(name, row.first); });
  return place == std::end(kMechanisms) ? nullptr : place;
}

// "0" to `most`, without zeros before it.
bool read_bits(std::string_view digits, uint32_t most, uint32_t& out) {
  if (digits.empty() || digits.size() > 3 || !std::all_of(digits.begin(), digits.end(), is_digit) || (digits.size() > 1 && digits[0] == '0')) return false;
  out = 0;
  for (char c : digits) out = out * 10 + static_cast<uint32_t>(c - '0');
  return out <= most;
}

// Cuts "/DIGITS" with that many slashes off the end. False: there is one, and it is out of bounds.
bool cut_bits(std::string_view& text, std::string_view slashes, uint32_t most, uint32_t& out) {
  size_t end = text.size();
  while (end > 0 && is_digit(text[end - 1])) --end;
  if (end == text.size() || !text.substr(0, end).ends_with(slashes)) return true;
  if (slashes.size() == 1 && text.substr(0, end).ends_with("//")) return true;
  if (!read_bits(text.substr(end), most, out)) return false;
  text = text.substr(0, end - slashes.size());
  return true;
}

std::string read_domain(std::string_view rest, Term& out, bool required) {
  if (rest.empty()) return required ? "a ':' and a domain name are missing" : "";
  if (rest[0] != ':') return "what follows the name of the mechanism does not belong there";
  out.domain = rest.substr(1);
  return domain_spec_problem(out.domain);
}

std::string read_hosts(std::string_view rest, Term& out) {
  bool good = cut_bits(rest, "//", 128, out.bits6) && cut_bits(rest, "/", 32, out.bits4);
  if (!good) return "the length of the prefix is not 0 to 32 for IPv4 or 0 to 128 for IPv6, or begins with 0";
  return read_domain(rest, out, false);
}

std::string read_network(std::string_view rest, Term& out, bool v4) {
  if (rest.empty() || rest[0] != ':') return "a ':' and an address are missing";
  rest.remove_prefix(1);
  bool good = cut_bits(rest, "/", v4 ? 32 : 128, v4 ? out.bits4 : out.bits6);
  if (!good) return v4 ? "the length of the prefix is not 0 to 32, or begins with 0" : "the length of the prefix is not 0 to 128, or begins with 0";
  auto address = v4 ? read_v4(rest) : read_v6(rest);
  if (!address) return v4 ? "it has no IPv4 address (four numbers from 0 to 255)" : "it has no IPv6 address";
  out.network = *address;
  return {};
}

std::string read_arguments(std::string_view rest, Term& out) {
  switch (out.mechanism) {
    case Mechanism::all: return rest.empty() ? "" : "'all' stands alone";
    case Mechanism::include:
    case Mechanism::exists: return read_domain(rest, out, true);
    case Mechanism::ptr: return read_domain(rest, out, false);
    case Mechanism::a:
    case Mechanism::mx: return read_hosts(rest, out);
    case Mechanism::ip4: return read_network(rest, out, true);
    case Mechanism::ip6: break;
  }
  return read_network(rest, out, false);
}

SpfResult qualifier_of(char c) {
  return c == '-' ? SpfResult::fail : c == '~' ? SpfResult::softfail : c == '?' ? SpfResult::neutral : SpfResult::pass;
}

std::string read_directive(std::string_view text, Record& out) {
  Term term;
  term.text = text;
  if (std::string_view("+-?~").find(text[0]) != std::string_view::npos) term.qualifier = qualifier_of(text[0]), text.remove_prefix(1);
  size_t end = static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_name_part) - text.begin());
  const auto* known = find_mechanism(text.substr(0, end));
  bool modifier = is_word(text.substr(0, end), "redirect") || is_word(text.substr(0, end), "exp");
  if (modifier) return "it is written with '='";
  if (!known) return "it is no mechanism: all, include, a, mx, ptr, ip4, ip6 and exists are known";
  term.mechanism = known->second;
  std::string problem = read_arguments(text.substr(end), term);
  if (problem.empty()) out.terms.push_back(term);
  return problem;
}

std::string read_modifier(std::string_view name, std::string_view value, Record& out) {
  bool redirect = is_word(name, "redirect");
  if (!redirect && !is_word(name, "exp")) return macro_problem(value, MacroUse::modifier);
  std::string_view& place = redirect ? out.redirect : out.exp;
  if (!place.empty()) return "it is given twice";
  place = value;
  return domain_spec_problem(value);
}

std::string read_term(std::string_view text, Record& out) {
  size_t end = static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_name_part) - text.begin());
  bool modifier = end < text.size() && text[end] == '=' && is_letter(text[0]);
  return modifier ? read_modifier(text.substr(0, end), text.substr(end + 1), out) : read_directive(text, out);
}

}  // namespace

bool is_record(std::string_view text) {
  return is_word(text.substr(0, kVersion.size()), kVersion) && (text.size() == kVersion.size() || text[kVersion.size()] == ' ');
}

Record read_record(std::string_view text) {
  Record out;
  if (!is_record(text)) {
    out.problem = "it does not begin with v=spf1 and a space";
    return out;
  }
  text.remove_prefix(kVersion.size());
  while (!text.empty() && out.problem.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    std::string problem = end ? read_term(text.substr(0, end), out) : std::string();
    if (!problem.empty()) out.problem = "the term " + shown(text.substr(0, end)) + ": " + problem;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace mailauth::spf
