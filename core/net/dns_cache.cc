// The cache's list and index.
#include "net/dns_cache.h"

namespace veredus {

namespace {

size_t weight(const std::string& key, const DnsAnswer& answer) {
  size_t out = 256 + key.size() + answer.canonical.size() + answer.problem.size() + answer.server.size();
  for (const DnsRecord& record : answer.records)
    out += sizeof record + record.name.size() + record.text.size() + record.octets.size();
  return out;
}

}  // namespace

DnsCache::Answer DnsCache::find(const std::string& key, MonoTime now) {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  Place place = found->second;
  if (place->until <= now) {
    drop(place);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, place);
  return place->answer;
}

void DnsCache::put(const std::string& key, Answer answer, MonoTime until) {
  if (auto found = by_key_.find(key); found != by_key_.end()) drop(found->second);
  size_t octets = weight(key, *answer);
  if (max_entries_ == 0 || octets > max_octets_) return;
  while (!entries_.empty() && (by_key_.size() >= max_entries_ || octets_ + octets > max_octets_)) drop(std::prev(entries_.end()));
  entries_.push_front(Entry{key, std::move(answer), until, octets});
  by_key_.emplace(entries_.front().key, entries_.begin());
  octets_ += octets;
}

void DnsCache::drop(Place place) {
  octets_ -= place->octets;
  by_key_.erase(place->key);
  entries_.erase(place);
}

void DnsCache::clear() {
  by_key_.clear();
  entries_.clear();
  octets_ = 0;
}

}  // namespace veredus
