// The control protocol's lines.
#include "control/protocol.h"

#include <nlohmann/json.hpp>

namespace veredus {

namespace {

using nlohmann::json;

std::string line(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string encode_request(const ControlRequest& request) {
  return line({{"words", request.words}, {"json", request.json}});
}

Result<ControlRequest> decode_request(std::string_view text) {
  json value = json::parse(text, nullptr, false);
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

std::string encode_out(std::string_view text) { return line({{"out", text}}); }
std::string encode_err(std::string_view text) { return line({{"err", text}}); }
std::string encode_exit(int code) { return line({{"exit", code}}); }

Result<ControlFrame> decode_frame(std::string_view text) {
  json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return fail(Errc::invalid, "the daemon sent something that is not a frame");
  ControlFrame frame;
  if (value.contains("out") && value["out"].is_string()) frame.out = value["out"].get<std::string>();
  if (value.contains("err") && value["err"].is_string()) frame.err = value["err"].get<std::string>();
  if (value.contains("exit") && value["exit"].is_number_integer()) frame.exit = value["exit"].get<int>();
  return frame;
}

}  // namespace veredus
