// At once, then as fast as core.kv answers: what came meanwhile goes together.
#include "collector.hpp"

#include <memory>
#include <utility>

#include "common/reports/days.h"

namespace dmarc {

namespace {

constexpr size_t kMostAtOnce = 20, kOverhead = 250;

// What is told of a message when there is little room.
mailauth::ReportRow short_form(const mailauth::ReportRow& row) {
  mailauth::ReportRow out;
  out.source = row.source;
  out.disposition = row.disposition;
  out.dkim = row.dkim;
  out.spf = row.spf;
  out.header_from = row.header_from;
  return out;
}

}  // namespace

struct Collector::Written {
  Key key;
  std::string row;  // empty: the policy
};

Collector::Collector(const vrd::Host& host, uint32_t loop, uint64_t memory)
    : host_(host),
      writer_(std::to_string(host.wall_ms()) + "-" + std::to_string(loop) + "-" + std::to_string(host.mono_ms() % 100'000)),
      memory_(memory) {}

Collector::Rows::value_type* Collector::make_row(Domain& domain, std::string text) {
  used_ += text.size() + kOverhead;
  Row row;
  row.number = domain.rows.size();
  return &*domain.rows.emplace(std::move(text), row).first;
}

Collector::Rows::value_type* Collector::find_row(Domain& domain, const mailauth::ReportRow& row) {
  std::string text = encoded(row);
  auto found = domain.rows.find(text);
  if (found != domain.rows.end()) return &*found;
  if (used_ + text.size() + kOverhead <= memory_ / 2) return make_row(domain, std::move(text));
  text = encoded(short_form(row));
  found = domain.rows.find(text);
  if (found != domain.rows.end()) return &*found;
  return used_ + text.size() + kOverhead <= memory_ ? make_row(domain, std::move(text)) : nullptr;
}

void Collector::mark(Domain& domain, Rows::value_type& row) {
  if (!std::exchange(row.second.changed, true)) domain.changed_rows.push_back(&row);
}

bool Collector::add(const mailauth::ReportPolicy& policy, mailauth::ReportRow row) {
  std::string day = common::day_of(host_.wall_ms()), text = encoded(policy);
  if (day != today_) forget_old(day);
  Key key{day, policy.domain};
  auto place = kept_.find(key);
  if (place == kept_.end()) {
    if (used_ + text.size() + kOverhead > memory_) return false;
    used_ += text.size() + kOverhead;
    place = kept_.emplace(key, Domain()).first;
  }
  Domain& domain = place->second;
  auto* into = find_row(domain, row);
  if (!into) return false;
  ++into->second.count;
  mark(domain, *into);
  if (domain.policy != text) domain.changed = true;
  domain.policy = std::move(text);
  changed_.insert(std::move(key));
  flush();
  return true;
}

void Collector::forget_old(const std::string& today) {
  today_ = today;
  for (auto place = kept_.begin(); place != kept_.end();) {
    bool keep = place->first.first == today || changed_.contains(place->first);
    if (!keep) {
      used_ -= place->second.policy.size() + kOverhead;
      for (const auto& [text, row] : place->second.rows) used_ -= text.size() + kOverhead;
    }
    place = keep ? std::next(place) : kept_.erase(place);
  }
}

void Collector::flush() {
  if (writing_ || changed_.empty() || !host_.interfaces().kv) return;
  writing_ = true;
  auto request = host_.kv(kKvPatience);
  auto written = std::make_shared<std::vector<Written>>();
  while (!changed_.empty() && written->size() < kMostAtOnce) {
    Key key = *changed_.begin();
    Domain& domain = kept_[key];
    std::string name = key.first + "/" + key.second;
    if (domain.changed) {
      request.put("p/" + name, domain.policy, kKeep);
      written->push_back({key, ""});
      domain.changed = false;
    }
    while (!domain.changed_rows.empty() && written->size() < kMostAtOnce) {
      auto& [text, row] = *domain.changed_rows.back();
      domain.changed_rows.pop_back();
      request.put("r/" + name + "/" + writer_ + "/" + std::to_string(row.number), std::to_string(row.count) + " " + text, kKeep);
      written->push_back({key, text});
      row.changed = false;
    }
    if (domain.changed_rows.empty()) changed_.erase(key);
  }
  request.then([this, written](vrd::KvResult result) { settle(*written, result.ok()); });
}

void Collector::settle(const std::vector<Written>& written, bool good) {
  writing_ = false;
  if (good) return flush();
  for (const Written& one : written) {
    auto place = kept_.find(one.key);
    if (place == kept_.end()) continue;
    changed_.insert(one.key);
    auto row = place->second.rows.find(one.row);
    if (row != place->second.rows.end()) mark(place->second, *row);
    else place->second.changed = true;
  }
  host_.warning("not_kept", {{"rows", written.size()}, {"reason", "core.kv does not answer; it is tried again with the next message"}});
}

}  // namespace dmarc
