// At once, then as fast as core.kv answers: what came meanwhile goes together.
#include "collector.hpp"

#include "common/reports/days.h"

namespace tls_report {

namespace {

constexpr size_t kMostAtOnce = 20;

}  // namespace

Collector::Collector(const vrd::Host& host, uint32_t loop, size_t most_domains)
    : host_(host), writer_(std::to_string(host.wall_ms()) + "-" + std::to_string(loop) + "-" + std::to_string(host.mono_ms() % 100'000)), most_(most_domains) {}

bool Collector::add(Session session) {
  std::string day = common::day_of(host_.wall_ms());
  if (day != today_) forget_old(day);
  Key key{day, session.domain};
  auto found = kept_.find(key);
  if (found == kept_.end()) {
    if (kept_.size() >= most_) return false;
    found = kept_.emplace(key, Kept()).first;
  }
  found->second.summary.add(session);
  changed_.insert(std::move(key));
  flush();
  return true;
}

void Collector::forget_old(const std::string& today) {
  today_ = today;
  std::erase_if(kept_, [&](const auto& entry) { return entry.first.first != today && !changed_.contains(entry.first); });
}

void Collector::flush() {
  if (writing_ || changed_.empty() || !host_.interfaces().kv) return;
  writing_ = true;
  auto request = host_.kv(kKvPatience);
  auto written = std::make_shared<std::vector<Key>>();
  while (!changed_.empty() && written->size() < kMostAtOnce) {
    Key key = *changed_.begin();
    changed_.erase(changed_.begin());
    Kept& kept = kept_[key];
    std::string name = key.first + "/" + key.second;
    request.put("r/" + name + "/" + writer_, encoded(kept.summary), kKeep);
    if (!kept.indexed) request.put("i/" + name, "1", kKeep);
    written->push_back(std::move(key));
  }
  request.then([this, written](vrd::KvResult result) {
    writing_ = false;
    for (const Key& key : *written) {
      auto found = kept_.find(key);
      if (found == kept_.end()) continue;
      if (result.ok()) found->second.indexed = true;
      else changed_.insert(key);
    }
    if (result.ok()) return flush();
    host_.warning("not_kept", {{"domains", changed_.size()}, {"reason", "core.kv does not answer; it is tried again with the next session"}});
  });
}

}  // namespace tls_report
