// Listeners: binding a socket with errors that say what to do, and accepting on one loop. The owner decides which loop a connection
// goes to. Accepting stops for a moment when descriptors run out, and goes on by itself.
#pragma once

#include <uv.h>

#include <functional>
#include <string>

#include "base/address_ip.h"
#include "base/result.h"
#include "loop/loop.h"

namespace veredus {

Result<int> bind_listener(const Endpoint& endpoint);
// Removes a socket file nobody listens on. `mode`: permissions of the file.
Result<int> bind_unix(const std::string& path, unsigned mode);

class Listener {
 public:
  using OnAccept = std::function<void(int fd, Endpoint peer)>;  // takes over the non-blocking descriptor
  using OnRest = std::function<void(bool resting)>;             // accepting stopped for want of a descriptor, and went on
  Listener(Loop& loop, int fd, OnAccept on_accept, OnRest on_rest = {});  // takes over the descriptor of a listening socket
  ~Listener();
  Listener(const Listener&) = delete;

  // pause(), resume() and the destructor may be called from the callback.
  void pause();
  void resume();
  uint64_t starved() const { return starved_; }  // times accepting failed, nearly always for want of a descriptor

 private:
  struct Poll;
  static void on_readable(uv_poll_t* poll, int status, int events);
  static void accept_some(Poll& poll);
  void rest();
  void rested();

  Loop& loop_;
  int fd_;
  OnAccept on_accept_;
  OnRest on_rest_;
  Poll* poll_;
  Timer again_;
  uint64_t starved_ = 0;
  bool paused_ = false;
  bool starving_ = false;
};

}  // namespace veredus
