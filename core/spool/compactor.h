// Compactor: a thread that removes segments in which nothing counts any more, and empties those in which little does. Everything it
// moves goes through the writer as ordinary requests, a little at a time; nothing is removed before its copy is stable.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "spool/message_reader.h"
#include "spool/op.h"

namespace veredus::spool_detail {

class Compactor {
 public:
  Compactor(Storage& storage, Index& index, MessageReader& reader, OpQueue& queue, SpoolObserver& observer,
            const LogSpoolOptions& options, uint32_t salt)
      : storage_(storage), index_(index), reader_(reader), queue_(queue), observer_(observer), options_(options), salt_(salt) {}
  ~Compactor() { finish(); }

  void start() { thread_ = std::thread([this] { run(); }); }
  void nudge();  // [any]
  void finish();  // before the writer ends

 private:
  void run();
  void remove_dead();
  std::optional<uint32_t> choose();
  void empty(uint32_t number);
  bool ending();

  Storage& storage_;
  Index& index_;
  MessageReader& reader_;
  OpQueue& queue_;
  SpoolObserver& observer_;
  LogSpoolOptions options_;
  uint32_t salt_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool nudged_ = false, ending_ = false;
  std::thread thread_;
};

}  // namespace veredus::spool_detail
