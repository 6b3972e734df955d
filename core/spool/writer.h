// LogWriter: the thread that owns the active segment, every write to it and every sync. Gathers what was asked while the last sync ran
// into one write and one sync. After a failed write or sync the descriptor is never used again.
#pragma once

#include <atomic>
#include <thread>

#include "spool/op.h"
#include "spool/segment_maker.h"

namespace veredus::spool_detail {

struct WriterParts {
  Index& index;
  SegmentMaker& maker;
  SpoolObserver& observer;
  std::function<void(uint64_t)> remove_body;  // its message is finished, and that is stable
  std::function<void()> segment_closed;
};

class LogWriter final : public Planner {
 public:
  LogWriter(WriterParts parts, const LogSpoolOptions& options, uint32_t salt, std::vector<Abandoned> abandoned);
  ~LogWriter() override;  // everything pushed is done, synced, the segment retired

  void start() { thread_ = std::thread([this] { run(); }); }
  void finish();
  OpQueue& queue() { return queue_; }

  Status problem() const;  // [any] why nothing can be written at the moment
  uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }
  uint64_t records() const { return records_.load(std::memory_order_relaxed); }
  uint64_t octets_in_active() const { return active_octets_.load(std::memory_order_relaxed); }

  // Planner, on the writer's thread.
  Index& index() override { return parts_.index; }
  uint32_t segment() const override { return active_ ? active_->number : 0; }
  Place add(RecordType type, MessageId id, uint32_t crc, std::initializer_list<std::string_view> parts) override;
  void change(Change change) override;
  void body_done(uint64_t body_id) override { bodies_done_.push_back(body_id); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  void run();
  std::optional<Time> wake_at() const;
  void process(Op*& list);
  bool ready();
  bool open_segment();
  void close_segment();
  bool plan_group(Op*& list, std::vector<Op*>& planned);  // true: someone waits for a sync
  bool room_for(const Op& op, bool first);
  void begin_group();
  void write_start();
  void mark(const Change& change, Place place);
  void commit(std::vector<Op*>& planned, bool sync);
  Status sync_active();
  void settle(std::vector<Op*>& planned, bool synced);
  void fail_segment(const Error& why, std::vector<Op*>& planned);
  void leave_segment(std::vector<Op*>& planned);
  void refuse(Op*& list);
  void answer(std::vector<Op*>& done);
  void set_problem(std::optional<Error> problem);
  void end();

  WriterParts parts_;
  LogSpoolOptions options_;
  uint32_t salt_;
  OpQueue queue_;
  std::thread thread_;

  std::optional<Prepared> active_;
  uint64_t written_ = 0, synced_ = 0;  // offsets in the active segment
  Group group_;
  bool rotate_ = false;
  std::string start_payload_;
  std::vector<Abandoned> abandoned_;
  std::deque<Change> unsynced_;   // written or being written, not stable
  std::deque<Change> rewrite_;    // of a segment that failed, or asked for while there was none
  std::vector<uint64_t> bodies_done_;
  std::optional<Time> unsynced_since_;
  bool failed_round_ = false;

  mutable std::mutex problem_mutex_;
  std::optional<Error> problem_;
  std::atomic<bool> has_problem_{false};
  std::atomic<uint64_t> syncs_{0}, records_{0}, active_octets_{0};
};

}  // namespace veredus::spool_detail
