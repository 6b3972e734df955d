// ControlServer: the Unix socket on which administrators' commands arrive. Owns its listener and the tasks of running commands; the
// number of connections, the size of a request and the time for it are bounded. Belongs to the queue's loop.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "control/command.h"
#include "loop/scope.h"
#include "net/listener.h"

namespace veredus {

class ControlServer {
 public:
  ControlServer(ControlContext context, int listening_fd);  // takes over the descriptor

 private:
  void accepted(int fd);
  std::string name_of_peer(int fd);
  Task<void> serve(std::unique_ptr<Stream> stream, std::string by);
  int refuse(const std::string& by, const std::string& reason, Output& output);
  Task<int> carry_out(std::string line, std::string by, Output& output);

  ControlContext context_;
  std::map<unsigned, std::string> names_;  // of users, so that each is looked up once
  Scope tasks_;
  Listener listener_;
};

}  // namespace veredus
