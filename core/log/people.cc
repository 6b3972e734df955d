// The human form of a log line. Parses, so not for the hot path.
#include "log/people.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace veredus {

namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kMaxInput = 64 * 1024;

// Control characters would let a log line drive a terminal; everything else that is UTF-8 is shown.
std::string shown(std::string_view text) {
  if (!is_utf8(text)) return printable(text, kMaxInput);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    bool c1 = c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) ++i;
    out.push_back(c < 0x20 || c == 0x7F || c1 ? '?' : static_cast<char>(c));
  }
  return out;
}

std::string value_text(const Json& value) {
  if (!value.is_string()) return shown(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  std::string text = shown(value.get_ref<const std::string&>());
  bool bare = !text.empty() && text.find_first_of(" \"='") == std::string::npos;
  return bare ? text : "\"" + text + "\"";
}

std::string take(Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "-";
  std::string out = shown(found->get_ref<const std::string&>());
  object.erase(found);
  return out;
}

// "2006-01-02T15:04:05.678Z" -> "2006-01-02 15:04:05.678"
std::string time_text(std::string time) {
  if (time.size() == 24 && time[10] == 'T' && time.back() == 'Z') {
    time[10] = ' ';
    time.pop_back();
  }
  return time;
}

void pad(std::string& text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
}

}  // namespace

std::string format_for_people(std::string_view json_line) {
  while (!json_line.empty() && (json_line.back() == '\n' || json_line.back() == '\r'))
    json_line.remove_suffix(1);
  if (json_line.size() > kMaxInput || !json_line.starts_with('{')) return shown(json_line);
  Json object = Json::parse(json_line, nullptr, false);
  if (!object.is_object() || !object.contains("event")) return shown(json_line);
  std::string out = time_text(take(object, "time"));
  std::string level = take(object, "level");
  pad(level, 7);
  std::string event = take(object, "event");
  pad(event, 20);
  out += " " + level + " " + event;
  for (auto& [key, value] : object.items()) out += " " + shown(key) + "=" + value_text(value);
  size_t end = out.find_last_not_of(' ');
  return out.substr(0, end + 1);
}

}  // namespace veredus
