// What a connection asks of the generator that owns it. Connections know nothing else of the run.
#pragma once

#include <cstdint>
#include <string_view>

#include "load/message.h"

namespace veredus::tools {

enum class Supply { kMessage, kLater, kNone };
enum class Outcome { kAcknowledged, kRefused, kUnknown, kAborted };

enum class Closing { kOrderly, kLost, kNeverOpened };

struct Finished {
  Outcome outcome = Outcome::kAborted;
  const Message* message = nullptr;
  const char* stage = "";
  int code = 0;
  std::string_view text;
  std::uint64_t recipients_accepted = 0;
  std::uint64_t recipients_refused = 0;
  std::int64_t dot_ns = 0;
  std::int64_t whole_ns = 0;
};

class Host {
 public:
  virtual ~Host() = default;
  virtual const LoadOptions& options() const = 0;
  /// The clock of this turn of the loop.
  virtual std::int64_t now() const = 0;
  virtual Supply take_message(Message& message) = 0;
  virtual void append_recipient(std::string& out, const Message& message, std::uint64_t index) = 0;
  virtual void finished(const Finished& result) = 0;
  virtual void watch(int fd, std::size_t connection) = 0;
  virtual void connected(std::size_t connection) = 0;
  virtual void greeted(std::size_t connection) = 0;
  /// The connection wants a message but none is due: wake() it later.
  virtual void wants_message(std::size_t connection) = 0;
  virtual void closed(std::size_t connection, Closing how, const char* why) = 0;
};

}  // namespace veredus::tools
