// Door: sendmail's side of the submission socket. Blocking, with time-outs. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "drop/hand_in.h"
#include "smtp/reply_parser.h"

namespace veredus {

class Door {
 public:
  ~Door();
  Door() = default;
  Door(const Door&) = delete;

  Status open(const std::string& path);
  int fd() const { return fd_; }
  bool send(std::string_view octets);
  std::optional<Reply> reply();          // nullopt: the connection ended or nothing came in time
  std::optional<std::string> line();     // without its end; for replies that are listings
  std::string rest() { return std::exchange(pending_, {}); }  // read and not yet looked at
  void wait_for(unsigned seconds);       // for each read from here on

 private:
  bool read_more();

  int fd_ = -1;
  std::string pending_;
  ReplyParser parser_;
};

// Drives the dialogue to its end. `on_commit` is called before the message may become durable.
void drive(Door& door, HandIn& dialogue, void (*on_commit)());

}  // namespace veredus
