// SpoolEvents: what the spool's threads have to tell, as log events. LoopLog: a Log whose lines leave at the end of each turn of its loop.
#pragma once

#include <mutex>
#include <string_view>

#include "log/log.h"
#include "loop/loop.h"
#include "spool/log_spool.h"

namespace veredus {

class SpoolEvents final : public SpoolObserver {
 public:
  SpoolEvents(const Clock& clock, LogSink& sink) : log_(clock, sink) {}
  void spool_event(SpoolEvent event, std::string_view file, std::string_view detail) override;  // [any]

 private:
  std::mutex mutex_;  // events are rare and come from several threads
  Log log_;
};

class LoopLog final : TurnEnd {
 public:
  LoopLog(Loop& loop, const Clock& clock, LogSink& sink) : log(clock, sink), loop_(loop) { loop.at_turn_end(this); }
  ~LoopLog() override { loop_.forget_turn_end(this); }
  LoopLog(const LoopLog&) = delete;

  Log log;

 private:
  void turn_end() override { log.flush(); }
  Loop& loop_;
};

}  // namespace veredus
