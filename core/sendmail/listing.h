// The queue as mailq has shown it for decades, in Postfix's layout, which monitoring parses. Values, no I/O.
#pragma once

#include <string>
#include <string_view>

namespace veredus {

// Takes lines of `queue list --json` one by one; gives text.
class QueueListing {
 public:
  explicit QueueListing(bool verbose) : verbose_(verbose) {}
  std::string take(std::string_view json_line);  // empty for what is no message
  std::string end() const;

 private:
  bool verbose_;
  unsigned long long messages_ = 0, octets_ = 0;
};

}  // namespace veredus
