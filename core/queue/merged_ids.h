// MergedIds: message ids found piece by piece, given back oldest first without ever sorting them all at once,
// so that a million of them block nobody. Values; any thread.
#pragma once

#include <algorithm>
#include <queue>
#include <vector>

#include "base/ids.h"

namespace veredus::queue_detail {

class MergedIds {
 public:
  void add(std::vector<MessageId> piece) {
    if (piece.empty()) return;
    std::sort(piece.begin(), piece.end());
    heads_.push({piece.front(), runs_.size()});
    runs_.push_back({std::move(piece), 0});
  }

  bool empty() const { return heads_.empty(); }

  MessageId take() {
    Head head = heads_.top();
    heads_.pop();
    Run& run = runs_[head.run];
    if (++run.next < run.ids.size()) heads_.push({run.ids[run.next], head.run});
    return head.id;
  }

 private:
  struct Run {
    std::vector<MessageId> ids;
    size_t next = 0;
  };
  struct Head {
    MessageId id;
    size_t run;
    bool operator>(const Head& other) const { return id > other.id; }
  };

  std::vector<Run> runs_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
};

}  // namespace veredus::queue_detail
