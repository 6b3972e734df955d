// DnsCache: answers by name and type until their time is over, bounded in number and in octets; the least recently used go first. One loop.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "net/resolver.h"

namespace veredus {

class DnsCache {
 public:
  using Answer = std::shared_ptr<const DnsAnswer>;
  DnsCache(size_t max_entries, size_t max_octets) : max_entries_(max_entries), max_octets_(max_octets) {}

  Answer find(const std::string& key, MonoTime now);
  void put(const std::string& key, Answer answer, MonoTime until);
  size_t size() const { return by_key_.size(); }
  size_t octets() const { return octets_; }
  void clear();

 private:
  struct Entry {
    std::string key;
    Answer answer;
    MonoTime until;
    size_t octets;
  };
  using Place = std::list<Entry>::iterator;
  void drop(Place place);

  size_t max_entries_, max_octets_;
  size_t octets_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string_view, Place> by_key_;
};

}  // namespace veredus
