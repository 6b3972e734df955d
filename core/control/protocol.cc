// The control protocol's lines.
#include "control/protocol.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace veredus {

namespace {

using nlohmann::json;

std::string line(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

// Deeper values are read over, so nesting costs no memory.
json parse_flat(std::string_view text, int deepest) {
  return json::parse(text, [deepest](int depth, json::parse_event_t, json&) { return depth <= deepest; }, false);
}

std::string widened(std::string_view octets) {
  std::string out;
  for (char c : octets) {
    auto value = static_cast<unsigned char>(c);
    if (value >= 0x80) out += {static_cast<char>(0xC0 | value >> 6), static_cast<char>(0x80 | (value & 0x3F))};
    else out += c;
  }
  return out;
}

std::string narrowed(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto value = static_cast<unsigned char>(text[i]);
    if (value >= 0xC0 && i + 1 < text.size()) value = static_cast<unsigned char>((value & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3F));
    out += static_cast<char>(value);
  }
  return out;
}

}  // namespace

std::string encode_request(const ControlRequest& request) {
  return line({{"words", request.words}, {"json", request.json}});
}

Result<ControlRequest> decode_request(std::string_view text) {
  json value = parse_flat(text, 2);
  if (!value.is_object() || !value.contains("words") || !value["words"].is_array())
    return fail(Errc::invalid, "not a request");
  ControlRequest request;
  for (const json& word : value["words"]) {
    if (!word.is_string()) return fail(Errc::invalid, "a word of the request is not text");
    request.words.push_back(word.get<std::string>());
  }
  request.json = value.contains("json") && value["json"].is_boolean() && value["json"].get<bool>();
  return request;
}

std::string encode_out(std::string_view octets) {
  return is_utf8(octets) ? line({{"out", octets}}) : line({{"raw", widened(octets)}});
}
std::string encode_err(std::string_view text) { return line({{"err", text}}); }
std::string encode_exit(int code) { return line({{"exit", code}}); }

Result<ControlFrame> decode_frame(std::string_view text) {
  json value = parse_flat(text, 1);
  if (!value.is_object()) return fail(Errc::invalid, "the daemon sent something that is not a frame");
  ControlFrame frame;
  if (value.contains("out") && value["out"].is_string()) frame.out = value["out"].get<std::string>();
  if (value.contains("raw") && value["raw"].is_string()) frame.out = narrowed(value["raw"].get<std::string>());
  if (value.contains("err") && value["err"].is_string()) frame.err = value["err"].get<std::string>();
  if (value.contains("exit") && value["exit"].is_number_integer()) frame.exit = value["exit"].get<int>();
  return frame;
}

}  // namespace veredus
