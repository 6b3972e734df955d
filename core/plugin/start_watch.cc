// The thread that looks, and what it looks at.
#include "plugin/start_watch.h"

#include <algorithm>
#include <utility>

#include "base/thread_name.h"
#include "log/events.h"

namespace veredus {

StartWatch::StartWatch(LogSink& sink, const Clock& clock, Millis every) : log_(clock, sink), every_(every) {
  thread_ = std::thread([this] { watch(); });
}

StartWatch::~StartWatch() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ends_.notify_all();
  thread_.join();
}

void StartWatch::watch() {
  name_thread("start-watch");
  std::unique_lock lock(mutex_);
  auto often = std::max(every_ / 4, std::chrono::milliseconds(1));
  while (!ends_.wait_for(lock, often, [this] { return ended_; })) tell(std::chrono::steady_clock::now());
}

void StartWatch::tell(std::chrono::steady_clock::time_point now) {
  for (Running& one : running_) {
    if (now - one.told < every_) continue;
    one.told = now;
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - one.since).count();
    log_.write(events::kPluginSlowStart, {{"plugin", one.plugin}, {"function", one.function}, {"seconds", seconds}});
    log_.flush();
  }
}

StartWatch::Call::Call(StartWatch* watch, std::string plugin, std::string_view function) : watch_(watch) {
  if (!watch_) return;
  auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(watch_->mutex_);
  place_ = watch_->running_.insert(watch_->running_.end(), Running{std::move(plugin), function, now, now});
}

StartWatch::Call::~Call() {
  if (!watch_) return;
  std::lock_guard lock(watch_->mutex_);
  watch_->running_.erase(place_);
}

}  // namespace veredus
