// The record at _smtp._tls.DOMAIN (RFC 8460 3).
#include <algorithm>

#include "report.h"

namespace tls_report {

namespace {

constexpr std::string_view kVersion = "v=TLSRPTv1";
constexpr size_t kMostUris = 10, kLongestUri = 2'000;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool begins(std::string_view text, std::string_view with) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return text.size() >= with.size() && std::equal(with.begin(), with.end(), text.begin(), [&](char a, char b) { return a == lower(b); });
}

bool is_plain(std::string_view uri) {
  return !uri.empty() && uri.size() <= kLongestUri && std::all_of(uri.begin(), uri.end(), [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '<' && c != '>'; });
}

void read_uris(std::string_view list, Request& out) {
  for (bool more = true; more;) {
    size_t comma = list.find(',');
    std::string_view uri = trimmed(list.substr(0, comma));
    bool known = begins(uri, "mailto:") || begins(uri, "https://");
    if (known && is_plain(uri) && out.uris.size() < kMostUris) out.uris.emplace_back(uri);
    more = comma != list.npos;
    if (more) list.remove_prefix(comma + 1);
  }
  if (out.uris.empty()) out.problem = "'rua' names no address to report to: mailto: or https:";
}

int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

}  // namespace

bool begins_as_request(std::string_view text) {
  if (!text.starts_with(kVersion)) return false;
  std::string_view rest = trimmed(text.substr(kVersion.size()));
  return !rest.empty() && rest.front() == ';';
}

Request read_request(std::string_view text) {
  Request out;
  if (!begins_as_request(text)) {
    out.problem = "the record does not begin with 'v=TLSRPTv1;'";
    return out;
  }
  bool found = false;
  while (!found && text.find(';') != text.npos) {
    text.remove_prefix(text.find(';') + 1);
    std::string_view field = trimmed(text.substr(0, text.find(';')));
    if (!field.starts_with("rua=")) continue;
    found = true;
    read_uris(field.substr(4), out);
  }
  if (!found) out.problem = "there is no 'rua'";
  out.valid = out.problem.empty();
  return out;
}

std::string mail_address(std::string_view uri) {
  if (!begins(uri, "mailto:")) return {};
  uri.remove_prefix(7);
  uri = uri.substr(0, uri.find('?'));
  std::string out;
  for (size_t i = 0; i < uri.size(); ++i) {
    bool encoded = uri[i] == '%' && i + 2 < uri.size() && digit(uri[i + 1]) >= 0 && digit(uri[i + 2]) >= 0;
    out += encoded ? static_cast<char>(digit(uri[i + 1]) * 16 + digit(uri[i + 2])) : uri[i];
    if (encoded) i += 2;
  }
  bool clean = out.size() <= 320 && std::all_of(out.begin(), out.end(), [](char c) { return c > ' ' && c < 0x7F && c != ',' && c != '<' && c != '>'; });
  size_t at = out.find('@');
  return clean && at != out.npos && at > 0 && at + 1 < out.size() ? out : std::string();
}

}  // namespace tls_report
