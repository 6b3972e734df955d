// Stream: one connected byte stream (TCP, Unix or TLS). Reading stays armed while little
// is buffered; an idle stream holds no read buffer. Belongs to one loop; destroying it closes the connection.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/address_ip.h"
#include "base/result.h"
#include "loop/task.h"
#include "loop/wait.h"

namespace veredus {

class TlsLink;

class Stream {
 public:
  virtual ~Stream() = default;

  // Octets that arrived and were not consumed.
  virtual std::string_view buffered() const = 0;
  virtual void consume(size_t count) = 0;
  // Waits for octets that no earlier fill() told of, and tells how many came: at once if they are already buffered (consumed ones do
  // not count). ok(0) = the peer sent end of stream and nothing new will come, now and later. Errors: closed = reset by the peer or by
  // reset(); timeout = nothing came, the stream stays usable; io. With much buffered reading pauses; fill() starts it again, so the caller
  // bounds what it lets grow. One fill at a time.
  virtual Task<Result<size_t>> fill(Deadline deadline) = 0;
  // Octets buffered here or waiting in the kernel right now; looks with one non-blocking call. For early talkers.
  virtual bool input_pending() = 0;

  // Resumes when all octets are with the kernel; tries at once, and copies only what the kernel does not take. The deadline is for the
  // whole write; after it nothing more can be written. The memory behind the views must stay valid until then. One write at a time.
  virtual Task<Status> write(std::string octets, Deadline deadline) = 0;
  virtual Task<Status> write_views(std::span<const std::string_view> octets, Deadline deadline) = 0;
  // Writes what the kernel takes now; returns the number of octets taken (0 = would block).
  virtual Result<size_t> try_write(std::span<const std::string_view> octets) = 0;

  virtual void shutdown() = 0;  // half-close after what is written
  virtual void close() = 0;     // at once; what the kernel has is still sent; waiting calls end with Errc::closed
  virtual void reset() = 0;     // the same, TCP with RST
  virtual Endpoint peer() const = 0;
  virtual Endpoint local() const = 0;
  virtual const TlsLink* tls() const { return nullptr; }  // what is known of the encryption (tls.h); null: in clear
};

struct ConnectOptions {
  ConnectOptions() = default;
  Endpoint to;
  std::string unix_path;   // instead of `to`
  IpAddress bind;          // source address; none = the system's choice
};

Task<Result<std::unique_ptr<Stream>>> connect_stream(Loop& loop, ConnectOptions options, Deadline deadline);
// Takes over a connected, non-blocking socket (an accepted one).
Result<std::unique_ptr<Stream>> adopt_stream(Loop& loop, int fd);

}  // namespace veredus
