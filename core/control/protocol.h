// The control protocol: one request line, then frames until the one that ends it. Each frame is one JSON line: {"out": text},
// {"raw": octets, each as the character of its number}, {"err": text} or {"exit": code}. Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus {

struct ControlRequest {
  std::vector<std::string> words;  // command and arguments
  bool json = false;
};

struct ControlFrame {
  std::string out, err;
  std::optional<int> exit;
};

constexpr size_t kMaxRequest = 1 << 20;

std::string encode_request(const ControlRequest& request);  // with its line end
Result<ControlRequest> decode_request(std::string_view line);
std::string encode_out(std::string_view octets);  // any octets come out as they went in
std::string encode_err(std::string_view text);
std::string encode_exit(int code);
Result<ControlFrame> decode_frame(std::string_view line);

}  // namespace veredus
