// One libuv handle, which outlives its owner until libuv has closed it.
#include "drop/directory_watch.h"

namespace veredus {

DirectoryWatch::DirectoryWatch(Loop& loop, const std::string& path, Event& changed) : handle_(new uv_fs_event_t{}), changed_(changed) {
  uv_fs_event_init(loop.uv(), handle_);
  handle_->data = this;
  auto on_event = [](uv_fs_event_t* handle, const char*, int, int) { static_cast<DirectoryWatch*>(handle->data)->changed_.set(); };
  watching_ = uv_fs_event_start(handle_, on_event, path.c_str(), 0) == 0;
}

DirectoryWatch::~DirectoryWatch() {
  uv_fs_event_stop(handle_);
  uv_close(reinterpret_cast<uv_handle_t*>(handle_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_fs_event_t*>(handle); });
}

}  // namespace veredus
