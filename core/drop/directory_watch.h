// DirectoryWatch: sets an event when something happens in a directory. Where the system cannot tell, it stays silent: its owner looks
// from time to time anyway. [loop]
#pragma once

#include <uv.h>

#include <string>

#include "loop/wait.h"

namespace veredus {

class DirectoryWatch {
 public:
  DirectoryWatch(Loop& loop, const std::string& path, Event& changed);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  bool watching() const { return watching_; }

 private:
  uv_fs_event_t* handle_;
  Event& changed_;
  bool watching_ = false;
};

}  // namespace veredus
