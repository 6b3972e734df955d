// The flags of sendmail(1), as one table: what is parsed, the usage, and the manual page are made from it. No I/O.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus {

enum class SendmailMode : uint8_t { deliver, smtp, list, aliases, verify, version, expand, daemon, host_status, flush };
enum class ErrorMode : uint8_t { mail, print, quiet };

// What was asked for, by name of the program and arguments.
struct SendmailCall {
  SendmailMode mode = SendmailMode::deliver;
  bool extract = false;     // -t
  bool dot_ends = true;     // without -i
  bool gateway = false;     // -G
  bool queue_only = false;  // -odq, -odd
  bool verbose = false;
  bool json = false;
  bool uucp = false;        // rmail: the sender stands in From lines
  bool foreground = false;  // of daemon
  bool has_sender = false;
  std::string sender;       // as given
  std::string name;
  std::string body, notify, dsn_return, envid;
  ErrorMode errors = ErrorMode::mail;
  std::string flush_id, flush_recipient, flush_sender;
  bool periodic = false;    // -q15m: only a daemon has a use for it
  std::vector<std::string> arguments;
  std::vector<std::string> warnings;
};

struct SendmailFlag {
  enum class Value : uint8_t { none, needed, attached } value = Value::none;
  std::string_view letters;   // without the dash; the longest that fits is meant
  std::string_view argument;  // what the value is called, for people
  Status (*apply)(SendmailCall& call, std::string_view value);
  std::string_view doc;
};

std::span<const SendmailFlag> sendmail_flags();
// `program`: what it was called as, without directories. An error is one of usage (64).
Result<SendmailCall> parse_sendmail(std::string_view program, const std::vector<std::string>& words);
bool is_sendmail_name(std::string_view program);
std::string sendmail_usage();

}  // namespace veredus
