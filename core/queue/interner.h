// Interner: strings that many records share (tenants, accounts, domains), kept once and counted. Id 0 is the
// empty string. Belongs to the queue loop.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "queue/pool.h"

namespace veredus::queue_detail {

class Interner {
 public:
  Interner() : entries_(1) {}

  Index take(std::string_view text) {  // one more user of it
    if (text.empty()) return 0;
    auto found = ids_.find(text);
    if (found == ids_.end()) found = add(text);
    ++entries_[found->second].users;
    return found->second;
  }

  void drop(Index id) {
    if (id == 0 || --entries_[id].users > 0) return;
    ids_.erase(std::string_view(*entries_[id].text));
    entries_[id].text.reset();
    free_.push_back(id);
  }

  std::string_view text(Index id) const {
    return id == 0 ? std::string_view() : std::string_view(*entries_[id].text);
  }
  size_t size() const { return ids_.size(); }

 private:
  struct Entry {
    std::unique_ptr<const std::string> text;
    uint32_t users = 0;
  };
  using Ids = std::unordered_map<std::string_view, Index>;

  Ids::iterator add(std::string_view text) {
    Index id = static_cast<Index>(entries_.size());
    if (free_.empty()) {
      entries_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    entries_[id].text = std::make_unique<const std::string>(text);
    return ids_.emplace(std::string_view(*entries_[id].text), id).first;
  }

  std::vector<Entry> entries_;
  std::vector<Index> free_;
  Ids ids_;
};

}  // namespace veredus::queue_detail
