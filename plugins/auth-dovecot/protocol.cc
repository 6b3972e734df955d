// Lines and fields.
#include "protocol.h"

#include <string.h>

#include <algorithm>
#include <charconv>

namespace auth_dovecot {

namespace {

constexpr char kEscape = '\001';
constexpr std::string_view kOdd("\0\001\t\r\n", 5), kLetters = "01trn";

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (size_t tab = line.find('\t'); tab != line.npos; tab = line.find('\t')) {
    out.push_back(line.substr(0, tab));
    line.remove_prefix(tab + 1);
  }
  out.push_back(line);
  return out;
}

bool number_of(std::string_view text, uint32_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// The value of "key=value", or nothing.
std::string value_of(const std::vector<std::string_view>& fields, std::string_view key) {
  for (std::string_view field : fields)
    if (field.size() > key.size() && field.starts_with(key) && field[key.size()] == '=') return unescaped(field.substr(key.size() + 1));
  return {};
}

bool has(const std::vector<std::string_view>& fields, std::string_view flag) {
  for (std::string_view field : fields)
    if (field == flag) return true;
  return false;
}

std::string base64(std::string_view octets) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve(octets.size() / 3 * 4 + 4);
  for (size_t i = 0; i < octets.size(); i += 3) {
    uint32_t three = 0;
    size_t count = std::min<size_t>(3, octets.size() - i);
    for (size_t j = 0; j < 3; ++j) three = three << 8 | (j < count ? static_cast<unsigned char>(octets[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out += j <= count ? kDigits[three >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

bool has_nul(std::string_view text) { return text.find('\0') != text.npos; }

// An address and nothing else: it is copied into the line.
bool is_address(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF.:") == text.npos; }

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    size_t which = kOdd.find(c);
    if (which == kOdd.npos) out += c;
    else (out += kEscape) += kLetters[which];
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t which = text[i] == kEscape && i + 1 < text.size() ? kLetters.find(text[i + 1]) : kLetters.npos;
    if (which == kLetters.npos) out += text[i];
    else out += kOdd[which], ++i;
  }
  return out;
}

std::string handshake(uint32_t client) { return "VERSION\t1\t1\nCPID\t" + std::to_string(client) + "\n"; }

std::string request(const Question& question) {
  if (has_nul(question.account) || has_nul(question.acting_as) || has_nul(question.password)) return {};
  std::string plain;
  plain.reserve(question.acting_as.size() + question.account.size() + question.password.size() + 2);
  plain.append(question.acting_as).append(1, '\0').append(question.account).append(1, '\0').append(question.password);
  std::string out = "AUTH\t" + std::to_string(question.id) + "\tPLAIN\tservice=smtp\tsecured";
  if (is_address(question.client)) out.append("\trip=").append(question.client);
  out.append("\tresp=").append(base64(plain)).append("\n");  // must be the last field
  explicit_bzero(plain.data(), plain.size());
  return out;
}

Event Reader::next() {
  for (;;) {
    size_t end = buffer_.find('\n');
    if (end == buffer_.npos && buffer_.size() > kMostLine) return Broken{"Dovecot sent a line of more than 8192 octets"};
    if (end == buffer_.npos) return {};
    Event event = read(std::string_view(buffer_).substr(0, end));
    buffer_.erase(0, end + 1);
    if (!std::holds_alternative<std::monostate>(event)) return event;
  }
}

Event Reader::read_handshake(const std::vector<std::string_view>& fields) {
  uint32_t major = 0;
  if (fields[0] == "VERSION") {
    version_ = fields.size() > 1 && number_of(fields[1], major) && major == 1;
    if (!version_) return Broken{"Dovecot speaks another version of the protocol than 1"};
  } else if (fields[0] == "MECH" && fields.size() > 1 && fields[1] == "PLAIN") {
    plain_ = true;
  } else if (fields[0] == "DONE") {
    if (!version_) return Broken{"what answers does not speak Dovecot's protocol"};
    if (!plain_) return Broken{"Dovecot does not offer the mechanism PLAIN; its auth_mechanisms must have it"};
    ready_ = true;
    return Ready{};
  }
  return {};
}

Event Reader::read(std::string_view line) {
  std::vector<std::string_view> fields = fields_of(line);
  if (!ready_) return read_handshake(fields);
  uint32_t id = 0;
  bool answer = fields[0] == "OK" || fields[0] == "FAIL" || fields[0] == "CONT";
  if (!answer) return {};
  if (fields.size() < 2 || !number_of(fields[1], id)) return Broken{"Dovecot sent an answer without the number of a question"};
  if (fields[0] == "OK") return Passed{id, value_of(fields, "user")};
  if (fields[0] == "CONT") return Unexpected{id};
  bool temporary = has(fields, "temp") || value_of(fields, "code") == "temp_fail";
  return Failed{id, temporary, value_of(fields, "reason")};
}

}  // namespace auth_dovecot
