// ControlServer: the Unix socket on which administrators' commands arrive. Owns its listener and the tasks of running commands.
// Belongs to the queue's loop.
#pragma once

#include <memory>
#include <string>

#include "control/command.h"
#include "loop/scope.h"

namespace veredus {

class ControlServer {
 public:
  ControlServer(ControlContext context, int listening_fd);
  ~ControlServer();

 private:
  struct Socket;
  static void on_connection(uv_stream_t* handle, int status);
  Task<void> serve(std::unique_ptr<Stream> stream, std::string by);
  Task<int> carry_out(std::string line, std::string by, Output& output);

  ControlContext context_;
  Scope tasks_;
  Socket* socket_;
};

}  // namespace veredus
