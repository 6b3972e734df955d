// What the files host_*.cc of asynchronous services share: who asks, bounds, strings in and out, how an operation ends. [loop]
#pragma once

#include <string>
#include <string_view>

#include <veredus/types.h>

#include "base/result.h"
#include "plugin/instance.h"
#include "plugin/ops.h"

namespace veredus {

inline std::string_view view_of(vrd_str text) { return text.len == 0 ? std::string_view() : std::string_view(text.ptr, text.len); }
inline vrd_str str_of(std::string_view text) { return {text.empty() ? "" : text.data(), text.size()}; }
inline bool readable(vrd_str text) { return text.len == 0 || text.ptr != nullptr; }

inline vrd_status status_of(Errc code) {
  switch (code) {
    case Errc::invalid: return VRD_E_INVALID;
    case Errc::not_found: return VRD_E_NOT_FOUND;
    case Errc::exists: return VRD_E_STATE;
    case Errc::timeout: return VRD_E_TIMEOUT;
    case Errc::cancelled: return VRD_E_CANCELLED;
    case Errc::closed: return VRD_E_CLOSED;
    case Errc::limit: return VRD_E_MEMORY;
    case Errc::busy: return VRD_E_BUSY;
    case Errc::unsupported: return VRD_E_UNSUPPORTED;
    case Errc::io: case Errc::no_space: case Errc::refused: case Errc::corrupt: break;
  }
  return VRD_E_IO;
}

// One call of a function marked [loop] that begins an operation: finds out who asks and refuses too much.
class Asking {
 public:
  Asking(const vrd_host* host, std::string_view function, OpService service, size_t most);
  Asking(const Asking&) = delete;

  explicit operator bool() const { return status_ == VRD_OK; }
  vrd_status status() const { return status_; }
  Shard& shard() const { return *shard_; }
  LoopServices& services() const { return shard_->services; }
  vrd_status refuse(vrd_status status) const { return status; }
  vrd_status begin(OpTask task, vrd_op* op) const { return put(shard_->ops.start(service_, std::move(task)), op); }
  vrd_status begin_awaited(OpTask task, vrd_op* op) const { return put(shard_->ops.start_awaited(service_, std::move(task)), op); }

 private:
  static vrd_status put(OpId id, vrd_op* op) {
    if (op) *op = id;
    return id ? VRD_OK : VRD_E_STATE;
  }
  OpService service_;
  Shard* shard_ = nullptr;
  vrd_status status_ = VRD_OK;
};

void cancel_op(const vrd_host* host, std::string_view function, OpService service, vrd_op op);

inline bool within(uint64_t value, uint64_t most) { return value >= 1 && value <= most; }

// A callback. What it throws ends here.
template <typename F>
void call_back(Shard* shard, std::string_view function, F call) {
  guarded(*shard->instance.record(), function, call);
}

}  // namespace veredus
