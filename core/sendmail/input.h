// InputReader: a message as programs write it to sendmail's standard input, made into one that can travel: lines end with CRLF, there is an
// empty line behind the header, mbox lines are gone. A machine; the same input gives the same message however it is split.
#pragma once

#include <string>
#include <string_view>

namespace veredus {

struct InputRules {
  InputRules() = default;
  bool dot_ends = true;       // a line that is a single dot ends the message
  size_t most = 209'715'200;  // octets of content
};

class InputReader {
 public:
  enum class Problem : unsigned char { none, nul, too_large };

  explicit InputReader(InputRules rules = InputRules()) : rules_(rules) {}

  void feed(std::string_view octets);
  void finish();  // the input is over
  bool ended() const { return ended_; }  // by a line with a dot: the rest is not wanted
  Problem problem() const { return problem_; }

  std::string take() { return std::move(content_); }  // when finished
  std::string_view header() const { return std::string_view(content_).substr(0, header_size_); }
  bool has_8bit() const { return high_; }
  const std::string& uucp_sender() const { return uucp_sender_; }  // of the last "From " line in front: "remote!name"

 private:
  void take_line(std::string_view line);
  void take_header_line(std::string_view line);
  bool take_mbox_line(std::string_view line);
  void add(std::string_view line);

  InputRules rules_;
  std::string line_;  // begun, its end has not come
  std::string content_;
  size_t header_size_ = 0;
  std::string uucp_sender_;
  Problem problem_ = Problem::none;
  bool first_ = true, in_header_ = true, ended_ = false, high_ = false;
};

}  // namespace veredus
