// Cache: what an API has said of keys, bounded; the one not asked for longest goes first. Belongs to one loop.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>

namespace table_http {

class Cache {
 public:
  explicit Cache(size_t most) : most_(most) {}

  struct Entry {
    std::optional<std::string> value;
    int64_t fresh_until = 0, stale_until = 0;  // milliseconds of a clock that never goes back
  };

  void put(const std::string& key, Entry entry) {
    if (most_ == 0) return;
    auto found = entries_.find(key);
    if (found == entries_.end()) {
      if (entries_.size() >= most_) drop_oldest();
      found = entries_.emplace(key, Slot{}).first;
      found->second.place = order_.insert(order_.end(), &found->first);
    }
    found->second.entry = std::move(entry);
  }
  const Entry* find(const std::string& key) {
    auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.end(), order_, found->second.place);
    return &found->second.entry;
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Slot {
    Entry entry;
    std::list<const std::string*>::iterator place;
  };
  void drop_oldest() {
    const std::string* key = order_.front();
    order_.pop_front();
    entries_.erase(entries_.find(*key));
  }

  size_t most_;
  std::map<std::string, Slot> entries_;     // a tree: keys come from strangers
  std::list<const std::string*> order_;     // the one asked for last is at the end
};

}  // namespace table_http
