// Sinks: a descriptor (stderr), several sinks at once, a list in memory. All may be called from any thread,
// because the Logs of all loops share one; a call is short and never waits for a slow reader.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "log/log.h"

namespace veredus {

// Writes to a pipe, socket, terminal or file that may be slow or gone. Lines stay whole: on pipes they go in
// pieces of whole lines that the kernel takes at once, so several processes can share one. What cannot be
// written now is kept up to a bound; beyond it whole lines are dropped, counted, and reported by a
// log.dropped line when the reader is back. The process must ignore SIGPIPE.
class FdSink final : public LogSink {
 public:
  FdSink(int fd, const Clock& clock, size_t keep_at_most = 1024 * 1024);  // the descriptor stays the caller's
  ~FdSink() override;  // gives a slow reader half a second for what is kept
  FdSink(const FdSink&) = delete;
  FdSink& operator=(const FdSink&) = delete;

  void write(std::string_view lines) override;
  uint64_t dropped() const;  // lines lost so far

 private:
  enum class Kind : uint8_t { file, pipe, socket };
  size_t push(std::string_view octets);  // what the descriptor takes now, as a count of octets
  long write_piece(std::string_view piece);
  void push_kept();
  void keep(std::string_view lines);
  void report_dropped();

  mutable std::mutex mutex_;
  const Clock& clock_;
  int fd_;
  int own_fd_ = -1;  // our own non-blocking description of the same pipe, if it could be had
  Kind kind_ = Kind::file;
  size_t keep_at_most_;
  std::string kept_;
  size_t kept_from_ = 0;  // octets of kept_ already written
  uint64_t dropped_ = 0;
  uint64_t reported_ = 0;
};

// Hands every line to each of its sinks, in the order in which they were added.
class FanOutSink final : public LogSink {
 public:
  void add(LogSink* sink);
  void remove(LogSink* sink);  // after this returns, the sink is not called any more
  void write(std::string_view lines) override;

 private:
  std::mutex mutex_;
  std::vector<LogSink*> sinks_;
};

// Keeps the lines, for tests and for commands that print them later.
class ListSink final : public LogSink {
 public:
  void write(std::string_view lines) override;
  std::vector<std::string> lines() const;  // without line feeds
  std::string text() const;
  size_t count(std::string_view event) const;  // lines of this event
  void clear();

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace veredus
