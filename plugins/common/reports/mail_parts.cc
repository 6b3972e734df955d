#include "common/reports/mail_parts.h"

#include <algorithm>
#include <ctime>

namespace common {

std::string mail_date(int64_t wall_ms) {
  std::time_t seconds = wall_ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char out[64];
  std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S +0000", &parts);
  return out;
}

std::string in_header(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 200)) out += c >= ' ' && c < 0x7F ? c : '?';
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : in_header(text)) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

std::string base64_lines(std::string_view octets) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr size_t kLine = 76;
  std::string out;
  size_t column = 0;
  for (size_t i = 0; i < octets.size(); i += 3) {
    uint32_t group = 0;
    size_t count = std::min<size_t>(3, octets.size() - i);
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<unsigned char>(octets[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    column += 4;
    if (column < kLine) continue;
    out += "\r\n";
    column = 0;
  }
  return column > 0 ? out + "\r\n" : out;
}

}  // namespace common
