// TimeHeap: record indices ordered by a point in time, with removal and moving of any entry. Each record
// remembers its place, so nothing stale stays behind. Belongs to the queue loop.
#pragma once

#include <vector>

#include "base/clock.h"
#include "queue/pool.h"

namespace veredus::queue_detail {

// `kPlace` is the member of Record that holds its place in this heap; kNone = not in it.
template <typename Record, Index Record::*kPlace>
class TimeHeap {
 public:
  explicit TimeHeap(Pool<Record>& records) : records_(records) {}

  void set(Index index, MonoTime when) {  // puts in or moves
    Index place = records_[index].*kPlace;
    if (place == kNone) {
      place = static_cast<Index>(entries_.size());
      entries_.emplace_back();
    }
    put(place, Entry{when, index});
    down(up(place));
  }

  void erase(Index index) {
    Index place = records_[index].*kPlace;
    if (place == kNone) return;
    records_[index].*kPlace = kNone;
    Entry last = entries_.back();
    entries_.pop_back();
    if (last.index == index) return;
    put(place, last);
    down(up(place));
  }

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  Index first() const { return entries_.front().index; }
  MonoTime first_time() const { return entries_.empty() ? MonoTime::max() : entries_.front().when; }
  bool has(Index index) const { return records_[index].*kPlace != kNone; }
  MonoTime time_of(Index index) const { return entries_[records_[index].*kPlace].when; }

 private:
  struct Entry {
    MonoTime when;
    Index index = kNone;
  };

  void put(Index place, Entry entry) {
    entries_[place] = entry;
    records_[entry.index].*kPlace = place;
  }

  Index up(Index place) {
    Entry entry = entries_[place];
    for (; place > 0 && entry.when < entries_[(place - 1) / 2].when; place = (place - 1) / 2)
      put(place, entries_[(place - 1) / 2]);
    put(place, entry);
    return place;
  }

  void down(Index place) {
    Entry entry = entries_[place];
    for (size_t child = 2 * size_t{place} + 1; child < entries_.size(); child = 2 * size_t{place} + 1) {
      if (child + 1 < entries_.size() && entries_[child + 1].when < entries_[child].when) ++child;
      if (entry.when <= entries_[child].when) break;
      put(place, entries_[child]);
      place = static_cast<Index>(child);
    }
    put(place, entry);
  }

  Pool<Record>& records_;
  std::vector<Entry> entries_;
};

}  // namespace veredus::queue_detail
