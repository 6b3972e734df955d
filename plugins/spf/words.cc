#include "spf/words.h"

#include <algorithm>

namespace spf {

namespace {

using mailauth::SpfAnswer;
using mailauth::SpfResult;

constexpr size_t kLongestReply = 400, kLongestValue = 200;

bool is_word(std::string_view text) {
  constexpr std::string_view kSpecials = "()<>@,;:\\\"[]=/?";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) { return c > ' ' && c < 0x7F && kSpecials.find(c) == kSpecials.npos; });
}

std::string quoted(std::string_view text) {
  std::string clean = printable(text, kLongestValue);
  if (is_word(clean)) return clean;
  std::string out = "\"";
  for (char c : clean) out.append(c == '"' || c == '\\' ? "\\" : "").push_back(c);
  return out + "\"";
}

// No parentheses or backslashes of strangers in a comment.
std::string comment(std::string text) {
  for (char& c : text) c = c == '(' || c == ')' || c == '\\' ? '?' : c;
  return text;
}

void fill_in(std::string& text, std::string_view name, std::string_view value) {
  for (size_t at = text.find(name); at != std::string::npos && text.size() < 2 * kLongestReply; at = text.find(name, at + value.size())) text.replace(at, name.size(), value);
}

}  // namespace

std::string printable(std::string_view text, size_t most) {
  std::string out;
  for (char c : text.substr(0, most)) out += c >= ' ' && c < 0x7F ? c : '?';
  return out;
}

std::string sentence(const SpfAnswer& answer, std::string_view client) {
  std::string domain = answer.domain, address(client);
  switch (answer.result) {
    case SpfResult::pass: return domain + " designates " + address + " as permitted sender";
    case SpfResult::fail: return domain + " does not designate " + address + " as permitted sender";
    case SpfResult::softfail: return "transitioning " + domain + " does not designate " + address + " as permitted sender";
    case SpfResult::neutral: return address + " is neither permitted nor denied by " + domain;
    case SpfResult::none:
    case SpfResult::temperror:
    case SpfResult::permerror: break;
  }
  return answer.problem;
}

std::string reply(std::string_view text, const SpfAnswer& answer, std::string_view client, bool explanation) {
  std::string out(text);
  bool error = answer.result == SpfResult::temperror || answer.result == SpfResult::permerror;
  if (error) out = "SPF of {domain} cannot be checked: " + answer.problem;
  fill_in(out, "{client}", client);
  fill_in(out, "{domain}", answer.domain);
  fill_in(out, "{identity}", answer.identity);
  fill_in(out, "{result}", spf_word(answer.result));
  if (explanation && !answer.explanation.empty()) out += "; the domain explains: " + answer.explanation;
  return printable(out, kLongestReply);
}

std::string received_spf(const SpfAnswer& answer, const Told& told) {
  std::string out(spf_word(answer.result));
  out += " (" + printable(told.receiver, kLongestValue) + ": " + comment(printable(sentence(answer, told.client), kLongestValue)) + ")";
  out += "\r\n\treceiver=" + quoted(told.receiver) + "; client-ip=" + quoted(told.client) + ";";
  out += "\r\n\tenvelope-from=" + quoted(told.sender.empty() ? "postmaster@" + told.helo : told.sender) + ";";
  out += "\r\n\thelo=" + quoted(told.helo) + "; identity=" + answer.identity;
  if (!answer.mechanism.empty()) out += ";\r\n\tmechanism=" + quoted(answer.mechanism);
  if (answer.result == SpfResult::temperror || answer.result == SpfResult::permerror) out += ";\r\n\tproblem=" + quoted(answer.problem);
  return out;
}

}  // namespace spf
