#include "words.h"

#include <algorithm>
#include <charconv>

namespace arc {

namespace {

constexpr size_t kLongestValue = 300;

// A token of RFC 2045, or an address: what needs no quotes in a result.
bool is_plain(std::string_view text) {
  constexpr std::string_view kSpecial = "()<>,;:\\\"/[]?=";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) { return c > ' ' && c < 0x7F && kSpecial.find(c) == std::string_view::npos; });
}

std::string as_value(std::string_view text) {
  std::string out = common::printable(text, kLongestValue);
  for (char& c : out)
    if (c < ' ') c = '?';
  if (is_plain(out)) return out;
  std::string escaped = "\"";
  for (char c : out) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped + "\"";
}

bool is_trusted(const std::vector<common::DomainPattern>& trusted, std::string_view domain) {
  return std::any_of(trusted.begin(), trusted.end(), [&](const common::DomainPattern& each) { return each.matches(domain); });
}

void add_set(common::Report& out, const mailauth::ArcSetAnswer& set, bool last) {
  std::string text = std::to_string(set.instance) + ": sealed by " + set.domain + " (selector " + set.selector + "), cv=" + set.chain;
  if (!set.seal.empty()) text += "; seal " + set.seal;
  if (!set.message.empty()) text += "; message signature " + set.message + (last || set.message == "pass" ? "" : " (the message was changed later)");
  if (!set.reason.empty()) text += ": " + set.reason;
  out.line("set", text);
  if (!set.results.empty()) out.line("found", std::to_string(set.instance) + ": " + set.results);
}

}  // namespace

std::string results_text(std::string_view hostname, const std::vector<vrd::AuthResult>& results) {
  std::string out(hostname);
  for (const vrd::AuthResult& one : results) {
    out += ";\r\n\t" + one.method + "=" + one.result;
    if (!one.reason.empty()) out += " reason=" + as_value(one.reason);
    for (const auto& [name, value] : one.properties)
      if (!value.empty()) out += " " + name + "=" + as_value(value);
  }
  return results.empty() ? out + "; none" : out;
}

std::string note_of(const mailauth::ArcAnswer& answer) { return answer.result + " " + std::to_string(answer.highest) + (answer.ended ? " 1" : " 0"); }

std::optional<mailauth::ArcAnswer> answer_of(std::string_view note) {
  mailauth::ArcAnswer out;
  size_t space = note.find(' '), end = note.rfind(' ');
  if (space == std::string_view::npos || end == space) return std::nullopt;
  out.result = std::string(note.substr(0, space));
  std::string_view number = note.substr(space + 1, end - space - 1);
  auto [at, error] = std::from_chars(number.data(), number.data() + number.size(), out.highest);
  if (error != std::errc() || at != number.data() + number.size() || out.highest > mailauth::kMostArcSets) return std::nullopt;
  out.ended = note.substr(end + 1) == "1";
  return out;
}

std::optional<Vouched> vouched(const mailauth::ArcAnswer& answer, const std::vector<common::DomainPattern>& trusted) {
  if (answer.result != "pass") return std::nullopt;
  std::optional<Vouched> out;
  for (size_t i = answer.sets.size(); i-- > 0;) {
    const mailauth::ArcSetAnswer& set = answer.sets[i];
    if (!is_trusted(trusted, set.domain)) break;
    mailauth::ResultsField found = mailauth::read_results(set.results);
    for (const mailauth::MethodResult& one : found.results)
      if (one.method == "dmarc" && one.result == "pass") out = Vouched{set.domain, "dmarc=pass"};
  }
  return out;
}

common::Report report_of(const mailauth::ArcAnswer& answer) {
  common::Report out;
  out.result(answer.result);
  if (answer.result == "none") out.line("explanation", "the message has no fields of ARC");
  if (!answer.reason.empty()) out.line("explanation", answer.reason);
  if (answer.result == "pass") {
    std::string count = std::to_string(answer.sets.size());
    out.line("explanation", answer.sets.size() == 1 ? "the one set holds" : "all " + count + " sets hold");
    out.line("changed", answer.oldest_pass == 0 ? "no sealer changed the message"
                                                : "before set " + std::to_string(answer.oldest_pass) + ": older message signatures do not fit any more, as with mailing lists");
  }
  for (const mailauth::ArcSetAnswer& set : answer.sets) add_set(out, set, set.instance == answer.sets.size());
  if (answer.ended) out.line("note", "the last sealer found the chain broken: nobody may add to it");
  return out;
}

}  // namespace arc
