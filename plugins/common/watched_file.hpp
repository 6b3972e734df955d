// WatchedFile: what a file says, loaded again when the file has changed; FileLooks: who looks. Readers take what is there at the moment,
// without a lock of their own.
#ifndef VEREDUS_PLUGINS_COMMON_WATCHED_FILE_HPP
#define VEREDUS_PLUGINS_COMMON_WATCHED_FILE_HPP

#include <atomic>
#include <functional>
#include <memory>

#include <veredus/plugin.hpp>

#include "common/file_identity.hpp"

namespace common {

/** `Held` has the `identity` of the file that it was made from. */
template <class Held>
class WatchedFile {
 public:
  using Ptr = std::shared_ptr<const Held>;
  using Load = std::function<Ptr(std::string& error)>;
  WatchedFile(std::string file, Load load) : file_(std::move(file)), load_(std::move(load)) {}

  /** Before anybody looks. */
  void begin(Ptr first) {
    seen_ = first->identity;
    held_.store(std::move(first));
  }
  /** [any] */
  Ptr now() const { return held_.load(); }
  void replace(Ptr with) { held_.store(std::move(with)); }
  /** [worker, one at a time] Null: nothing changed since the last look, or the file has an error. */
  Ptr fresh(std::string& error) {
    const FileIdentity there = identity_of(file_);
    if (there == seen_) return nullptr;
    seen_ = there;
    return load_(error);
  }
  /** Null: another file stands there now than the one that this was made from. */
  static Ptr unless_changed(Ptr held, const std::string& file) {
    return held->identity.exists && held->identity == identity_of(file) ? held : nullptr;
  }

 private:
  const std::string file_;
  const Load load_;
  std::atomic<Ptr> held_;
  FileIdentity seen_;
};

/** Looks at a file on the pool, time and again, until the shard ends. One loop. The file must outlive the pool's work: it is the plugin's. */
template <class Held>
class FileLooks {
 public:
  struct Look {
    typename WatchedFile<Held>::Ptr held;  // null: there is nothing new
    std::string error;                     // of a changed file
  };
  using Taken = std::function<void(const Look&)>;
  FileLooks(const vrd::Host& host, WatchedFile<Held>& file, vrd::milliseconds every, Taken taken)
      : host_(host), file_(file), every_(every), taken_(std::move(taken)) {
    wait();
  }

 private:
  void wait() {
    host_.after(every_).then([this](vrd::TimerResult rang) {
      if (rang.ok()) look();  // else the shard ends: it would be called again at once, for ever
    });
  }
  void look() {
    host_.work([&file = file_] {
      Look out;
      out.held = file.fresh(out.error);
      return out;
    }).then([this](vrd::WorkResult<Look> result) {
      if (result.ok() && result.value) taken_(*result.value);
      wait();
    });
  }

  const vrd::Host& host_;
  WatchedFile<Held>& file_;
  const vrd::milliseconds every_;
  const Taken taken_;
};

}  // namespace common
#endif
