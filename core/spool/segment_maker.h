// SegmentMaker: a thread that keeps the next segment ready (space reserved, zeros written, named), seals those that are full, and
// looks at the free space. So the writer never waits for the file system's journal.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "spool/index.h"
#include "spool/log_spool.h"
#include "spool/record.h"

namespace veredus::spool_detail {

struct Prepared {
  uint32_t number = 0;
  std::shared_ptr<File> file;
  uint64_t capacity = 0;
};

class SegmentMaker {
 public:
  SegmentMaker(Storage& storage, Index& index, const FormatMark& mark, const LogSpoolOptions& options, SpoolObserver& observer,
               uint32_t first_number);
  ~SegmentMaker();  // seals what was retired, removes what was prepared

  void start(std::function<void()> ready);  // `ready` is called when there is a segment again after a failure
  Result<Prepared> take();                  // [writer] waits for one that is being prepared; an error at once when that failed
  void retire(uint32_t number, uint64_t end);  // [any] full: seal it
  void discard(uint32_t number);               // [writer] nothing in it counts
  void finish();                               // returns when all is sealed; the thread has ended

  Status accepting() const;                    // [any] cheap: is there room for new mail, and a segment to put it in?
  uint64_t free_octets() const { return free_octets_.load(std::memory_order_relaxed); }

 private:
  struct Retired {
    uint32_t number;
    uint64_t end;
  };
  void run();
  void prepare();
  Result<Prepared> make(uint32_t number);
  uint64_t fitting_size() const;
  void seal(Retired retired);
  bool look_at_space();
  void check_space();
  void settle_refusal(const Status& made, bool few_inodes);

  Storage& storage_;
  Index& index_;
  FormatMark mark_;
  LogSpoolOptions options_;
  SpoolObserver& observer_;
  std::function<void()> ready_;
  std::mutex mutex_;
  std::condition_variable wake_, changed_;
  std::optional<Prepared> prepared_;
  std::optional<Error> failed_;
  bool retry_ = false, ending_ = false;
  std::deque<Retired> retired_;
  uint32_t next_number_;
  enum class Refusal : uint8_t { none, full, broken };
  std::atomic<Refusal> refusal_{Refusal::none};
  std::atomic<bool> short_of_space_{false};
  std::atomic<uint64_t> free_octets_{0};
  std::thread thread_;
};

}  // namespace veredus::spool_detail
