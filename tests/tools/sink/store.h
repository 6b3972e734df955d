// Where received messages go: a Maildir or a folder of N.eml and N.env, octet for octet, durable before the
// dot is answered when asked for; and the file of arrivals.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/measure.h"
#include "common/net.h"
#include "sink/options.h"

namespace veredus::tools {

/// A message on its way in.
struct Arrival {
  std::string from;
  std::string mail_args;
  std::vector<std::string> rcpts;
  std::vector<std::string> rcpt_args;
  std::string header;  // its beginning, as far as the search for X-Load-Id needs it
  std::uint64_t size = 0;
  bool chunked = false;
  Fd file;
  std::string file_name;
  bool file_failed = false;
};

/// The value of X-Load-Id, or "-".
std::string_view load_id(const Arrival& arrival);

class Store {
 public:
  explicit Store(const SinkOptions& options) : options_(options) {}
  bool prepare();
  void begin(Arrival& arrival);
  void append(Arrival& arrival, std::string_view octets);
  /// False when the message could not be made durable; nothing of it is left then.
  bool commit(Arrival& arrival);
  void discard(Arrival& arrival);
  void note(const Arrival& arrival, std::string_view id);
  void flush() { ids_.flush(); }

 private:
  bool write_envelope(const Arrival& arrival) const;
  bool sync_folder(const std::string& folder) const;
  std::string temporary(const Arrival& arrival) const;

  const SinkOptions& options_;
  LineFile ids_;
  std::string line_;
  std::uint64_t next_ = 0;
  std::string prefix_;
};

}  // namespace veredus::tools
