// UvStream: a Stream over a libuv TCP or pipe handle. The handle lives on the heap and outlives the stream until libuv has closed it;
// queued write requests own what they write. Belongs to one loop.
#pragma once

#include <uv.h>

#include <string>

#include "net/stream.h"

namespace veredus {

class UvStream final : public Stream {
 public:
  struct Handle;

  UvStream(Loop& loop, Handle* handle, std::string name = {});  // name: of a peer without an address
  ~UvStream() override;

  std::string_view buffered() const override { return std::string_view(pending_).substr(used_); }
  void consume(size_t count) override;
  Task<Result<size_t>> fill(Deadline deadline) override;
  bool input_pending() override;
  Task<Status> write(std::string octets, Deadline deadline) override;
  Task<Status> write_views(std::span<const std::string_view> octets, Deadline deadline) override;
  Result<size_t> try_write(std::span<const std::string_view> octets) override;
  void shutdown() override;
  void close() override;
  void reset() override;
  Endpoint peer() const override { return peer_; }
  Endpoint local() const override { return local_; }

  Status start_reading();

 private:
  static void on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer);
  static void on_read(uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer);
  static void on_written(uv_write_t* request, int status);
  void received(ssize_t count, const char* octets);
  Task<Status> write_rest(std::span<const std::string_view> octets, size_t skip, Deadline deadline);
  std::string who() const;
  Error failure(int code, const char* doing) const;

  Loop& loop_;
  Handle* handle_;  // null after reset()
  Endpoint peer_, local_;
  std::string name_;
  std::string pending_;
  size_t used_ = 0;     // octets of pending_ already consumed
  size_t unseen_ = 0;   // octets that arrived since fill() last answered
  int read_error_ = 0;  // UV_EOF or an error, final
  int write_error_ = 0;
  bool reading_ = false;
  size_t writes_queued_ = 0;
  Event arrived_, written_;
};

// What libuv sees. Frees itself in its close callback.
struct UvStream::Handle {
  union {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  UvStream* owner = nullptr;
  static Handle* make(Loop& loop, bool tcp);
  void close();
};

}  // namespace veredus
