// Reply: an SMTP reply as a value, for both directions. Values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace veredus {

struct EnhancedCode {  // RFC 3463; all zero = none
  uint8_t cls = 0;
  uint16_t subject = 0;
  uint16_t detail = 0;
  bool operator==(const EnhancedCode&) const = default;
  explicit operator bool() const { return cls != 0; }
  std::string text() const;  // "5.7.1", "" when none
};

struct Reply {
  uint16_t code = 0;
  EnhancedCode enhanced;
  std::vector<std::string> lines;  // text without codes; at least one, perhaps empty
  bool operator==(const Reply&) const = default;

  bool positive() const { return code >= 200 && code < 400; }
  bool temporary() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500 && code < 600; }
  std::string joined() const;  // "550 5.1.1 first line second line": printable, bounded, for logs and DSNs
  std::string wire() const;    // with CRLFs; printable ASCII, each line cut at 510 octets
};

}  // namespace veredus
