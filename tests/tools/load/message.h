// Makes messages: sizes from a distribution, a header with a unique X-Load-Id, a body cut from one shared
// pool of lines (no copy per message). Bodies contain no line that begins with a dot, only CRLF line ends.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "load/options.h"

namespace veredus::tools {

struct Message {
  std::uint64_t number = 0;
  std::string tag;
  std::string from;
  std::string header;     // with the empty line that ends it, unless body goes on with fields
  std::string_view body;  // whole lines, a part of the pool, or --content
  std::string tail;       // the last, shorter line; may be empty
  std::size_t size() const { return header.size() + body.size() + tail.size(); }
};

/// Draws message sizes; deterministic for a seed.
class SizeSource {
 public:
  /// False when the distribution cannot be read.
  bool configure(const LoadOptions& options);
  std::size_t next();
  std::size_t largest() const { return largest_; }

 private:
  bool configure_lognormal(std::string_view parameters);
  bool configure_weights(std::string_view list);

  std::mt19937_64 random_;
  std::vector<std::size_t> sizes_;
  std::discrete_distribution<std::size_t> weights_;
  std::lognormal_distribution<double> lognormal_;
  bool use_lognormal_ = false;
  std::size_t largest_ = 0;
};

class MessageMaker {
 public:
  explicit MessageMaker(const LoadOptions& options) : options_(options) {}
  bool configure();  // false: sizes or the content cannot be used
  void make(std::uint64_t number, Message& message);
  void append_recipient(std::string& out, std::uint64_t number, std::uint64_t index) const;

 private:
  void append_pattern(std::string& out, std::string_view pattern, std::uint64_t number,
                      std::uint64_t index) const;
  bool read_content();
  void make_header(Message& message) const;

  const LoadOptions& options_;
  SizeSource sizes_;
  std::string pool_;
  std::string content_;  // of --content
};

}  // namespace veredus::tools
