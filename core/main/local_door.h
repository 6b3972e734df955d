// LocalDoor: the submission socket, on which programs of this host hand in mail. Asks the kernel who they are, bounds how many
// connections one user holds, and gives each to a session. Belongs to the queue's loop.
#pragma once

#include <map>
#include <string>

#include "inbound/session.h"
#include "loop/scope.h"
#include "net/listener.h"

namespace veredus {

// Names of users, each looked up once: asking may block where users come from a directory service.
class UserNames {
 public:
  std::string of(uint32_t uid);  // "uid N" when there is none

 private:
  std::map<uint32_t, std::string> names_;
};

class LocalDoor {
 public:
  LocalDoor(SessionContext& context, Scope& sessions, int listening_fd);  // takes over the descriptor

  void stop_accepting() { listener_.reset(); }

 private:
  void accepted(int fd);
  Task<void> serve(std::unique_ptr<Stream> stream, LocalPeer peer);

  SessionContext& context_;
  Scope& sessions_;
  UserNames names_;
  std::map<uint32_t, uint32_t> open_;  // connections by user
  std::unique_ptr<Listener> listener_;
};

}  // namespace veredus
