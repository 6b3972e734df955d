// A child process that does one piece of work and reports by lines over a pipe. Owns the process until it has ended.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::ptest {

class Reporter {
 public:
  explicit Reporter(int fd) : fd_(fd) {}
  void say(char kind, std::string_view text);

 private:
  int fd_;
};

struct Line {
  char kind;
  std::string text;
};

struct Ended {
  std::vector<Line> lines;
  std::string problem;  // "SIGSEGV", "no end within 20 s", "exit code 1"; empty: it ended as it should
};

void end_child(Reporter& out);  // the child's, from anywhere in its work

// Runs `work` in a child; `limit_seconds` of real time.
Ended in_child(const std::function<void(Reporter&)>& work, int limit_seconds);

}  // namespace veredus::ptest
