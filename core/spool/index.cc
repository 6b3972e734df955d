// The table is open addressing with backward shifts; ids are multiplied and the top bits choose the bucket.
#include "spool/index.h"

#include <algorithm>

#include "spool/record.h"

namespace veredus::spool_detail {

namespace {

constexpr size_t kFirstTable = 1024;
constexpr uint64_t kSmallRecord = 96;  // a state with its header, roughly

}  // namespace

uint64_t Segment::live_estimate() const {
  uint64_t finished = 0;
  for (const auto& [home, count] : finished_homes) finished += count;
  return live_octets + (changes + finished) * kSmallRecord;
}

const Entry* Index::find(MessageId id) const { return const_cast<Index*>(this)->slot_of(id); }

Entry* Index::slot_of(MessageId id) {
  if (table_.empty() || !id) return nullptr;
  size_t mask = table_.size() - 1;
  for (size_t at = bucket(id);; at = (at + 1) & mask) {
    if (table_[at].id == id) return &table_[at];
    if (!table_[at].id) return nullptr;
  }
}

void Index::grow() {
  std::vector<Entry> old = std::move(table_);
  size_t size = old.empty() ? kFirstTable : old.size() * 2;
  table_.assign(size, Entry{});
  shift_ = 64;
  for (size_t left = size; left > 1; left /= 2) --shift_;
  for (const Entry& entry : old) {
    if (!entry.id) continue;
    size_t at = bucket(entry.id);
    while (table_[at].id) at = (at + 1) & (size - 1);
    table_[at] = entry;
  }
}

void Index::erase_slot(size_t hole) {
  size_t mask = table_.size() - 1;
  for (size_t at = (hole + 1) & mask; table_[at].id; at = (at + 1) & mask) {
    size_t wanted = bucket(table_[at].id);
    bool reachable = ((at - wanted) & mask) >= ((at - hole) & mask);
    if (!reachable) continue;
    table_[hole] = table_[at];
    hole = at;
  }
  table_[hole] = Entry{};
  --count_;
}

std::vector<MessageId> Index::ids() const {
  std::vector<MessageId> out;
  out.reserve(count_);
  for (const Entry& entry : table_)
    if (entry.id) out.push_back(entry.id);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<uint64_t> Index::bodies() const {
  std::vector<uint64_t> out;
  for (const auto& [id, extra] : extras_)
    if (extra.body_id) out.push_back(extra.body_id);
  return out;
}

Extra& Index::extra_of(Entry& entry) {
  entry.has_extra = 1;
  return extras_[entry.id];
}

std::vector<RecipientMark>& Index::marks_of(Entry& entry) {
  Extra& extra = extra_of(entry);
  if (extra.marks.empty()) extra.marks.resize(entry.recipients);
  return extra.marks;
}

std::optional<Snapshot> Index::snapshot(MessageId id) const {
  const Entry* entry = find(id);
  if (!entry) return std::nullopt;
  Snapshot out{id, entry->home, entry->length, {}, {}, 0};
  if (entry->has_extra) {
    const Extra& extra = extras_.at(id);
    out.marks = extra.marks;
    out.envelope = extra.envelope;
    out.body_id = extra.body_id;
  }
  out.marks.resize(entry->recipients);
  if (entry->recipients == 1) out.marks[0].status = entry->status;
  return out;
}

bool Index::is_written(Place place) const {
  auto found = segments_.find(place.segment);
  return found == segments_.end() || place.offset() < found->second.size;
}

std::optional<Snapshot> Index::written_snapshot(std::unique_lock<std::mutex>& lock, MessageId id) {
  for (;;) {
    std::optional<Snapshot> out = snapshot(id);
    auto ready = [this](const RecipientMark& mark) { return is_written(mark.status); };
    if (!out || (is_written(out->home) && is_written(out->envelope) && std::all_of(out->marks.begin(), out->marks.end(), ready)))
      return out;
    written.wait(lock);
  }
}

void Index::refer(Place place, int by) {
  if (!place) return;
  if (Segment* found = segment(place.segment)) found->changes = static_cast<uint32_t>(static_cast<int64_t>(found->changes) + by);
}

void Index::count_message(const Entry& entry, int by) {
  Segment* found = segment(entry.home.segment);
  if (!found) return;
  int64_t octets = static_cast<int64_t>(record_size(entry.length)) * by;
  found->messages = static_cast<uint32_t>(static_cast<int64_t>(found->messages) + by);
  found->live_octets = static_cast<uint64_t>(static_cast<int64_t>(found->live_octets) + octets);
}

void Index::drop_results(Entry& entry) {
  refer(entry.status, -1);
  entry.status = {};
  if (!entry.has_extra) return;
  Extra& extra = extras_.at(entry.id);
  for (const RecipientMark& mark : extra.marks) refer(mark.status, -1);
  refer(extra.envelope, -1);
  extra.marks.clear();
  extra.envelope = {};
}

void Index::put(const NewMessage& message) {
  if ((count_ + 1) * 5 > table_.size() * 4) grow();
  saw(message.id);
  Entry* entry = slot_of(message.id);
  if (entry) {
    drop_results(*entry);
    count_message(*entry, -1);
    if (entry->home.segment != message.home.segment) {
      auto& old = extra_of(*entry).old_homes;
      if (std::find(old.begin(), old.end(), entry->home.segment) == old.end()) old.push_back(entry->home.segment);
    }
  } else {
    size_t at = bucket(message.id);
    while (table_[at].id) at = (at + 1) & (table_.size() - 1);
    entry = &table_[at];
    entry->id = message.id;
    ++count_;
    if (auto copies = orphan_copies_.extract(message.id)) extra_of(*entry).old_homes = std::move(copies.mapped());
  }
  entry->home = message.home;
  entry->length = message.length;
  entry->recipients = message.recipients & 0x7FFFFFFF;
  if (message.body_id || entry->has_extra) extra_of(*entry).body_id = message.body_id;
  bool any = std::find(message.finals.begin(), message.finals.end(), true) != message.finals.end();
  if (any && message.finals.size() == entry->recipients) {
    auto& marks = marks_of(*entry);
    for (size_t i = 0; i < marks.size(); ++i) marks[i].final = message.finals[i];
  }
  count_message(*entry, 1);
}

void Index::restore(const Snapshot& before, uint32_t recipients) {
  Entry* entry = slot_of(before.id);
  if (!entry) return;
  drop_results(*entry);
  count_message(*entry, -1);
  entry->home = before.home;
  entry->length = before.length;
  entry->recipients = recipients & 0x7FFFFFFF;
  count_message(*entry, 1);
  std::erase(extra_of(*entry).old_homes, before.home.segment);
  for (uint32_t i = 0; i < before.marks.size(); ++i)
    if (before.marks[i] != RecipientMark{}) set_status(before.id, i, before.marks[i].status, before.marks[i].final);
  if (before.envelope) set_envelope(before.id, before.envelope);
}

bool Index::set_status(MessageId id, uint32_t recipient, Place place, bool final) {
  Entry* entry = slot_of(id);
  if (!entry || recipient >= entry->recipients) return false;
  Place* held = &entry->status;
  if (entry->recipients > 1 || final) {
    RecipientMark& mark = marks_of(*entry)[recipient];
    mark.final = final;
    if (entry->recipients > 1) held = &mark.status;
  } else if (entry->has_extra && !extras_.at(id).marks.empty()) {
    extras_.at(id).marks[0].final = false;
  }
  refer(*held, -1);
  *held = place;
  refer(place, 1);
  return true;
}

bool Index::set_envelope(MessageId id, Place place) {
  Entry* entry = slot_of(id);
  if (!entry) return false;
  Extra& extra = extra_of(*entry);
  refer(extra.envelope, -1);
  extra.envelope = place;
  refer(place, 1);
  return true;
}

bool Index::would_finish(MessageId id, uint32_t recipient) const {
  const Entry* entry = find(id);
  if (!entry || recipient >= entry->recipients) return false;
  if (entry->recipients == 1) return true;
  if (!entry->has_extra) return false;
  const auto& marks = extras_.at(id).marks;
  for (size_t i = 0; i < marks.size(); ++i)
    if (i != recipient && !marks[i].final) return false;
  return !marks.empty();
}

bool Index::all_final(MessageId id) const {
  const Entry* entry = find(id);
  if (!entry || !entry->has_extra) return false;
  const auto& marks = extras_.at(id).marks;
  return !marks.empty() && std::all_of(marks.begin(), marks.end(), [](const RecipientMark& m) { return m.final; });
}

std::vector<uint32_t> Index::homes(MessageId id) const {
  const Entry* entry = find(id);
  if (!entry) return {};
  std::vector<uint32_t> out{entry->home.segment};
  if (entry->has_extra)
    for (uint32_t old : extras_.at(id).old_homes) out.push_back(old);
  return out;
}

uint64_t Index::forget(MessageId id) {
  Entry* entry = slot_of(id);
  if (!entry) return 0;
  uint64_t body = entry->has_extra ? extras_.at(id).body_id : 0;
  drop_results(*entry);
  count_message(*entry, -1);
  if (entry->has_extra) extras_.erase(id);
  erase_slot(static_cast<size_t>(entry - table_.data()));
  return body;
}

bool Index::finish_copy(MessageId id, uint32_t home) {
  saw(id);
  Entry* entry = slot_of(id);
  if (!entry) {
    auto found = orphan_copies_.find(id);
    if (found != orphan_copies_.end() && std::erase(found->second, home) && found->second.empty()) orphan_copies_.erase(found);
    return false;
  }
  if (entry->home.segment != home) {
    if (entry->has_extra) std::erase(extras_.at(id).old_homes, home);
    return false;
  }
  if (entry->has_extra && !extras_.at(id).old_homes.empty()) orphan_copies_[id] = extras_.at(id).old_homes;
  forget(id);
  return true;
}

std::vector<std::pair<MessageId, uint32_t>> Index::take_unfinished_copies() {
  std::vector<std::pair<MessageId, uint32_t>> out;
  for (const auto& [id, homes] : orphan_copies_)
    for (uint32_t home : homes) out.emplace_back(id, home);
  orphan_copies_.clear();
  return out;
}

void Index::add_segment(uint32_t number) { segments_.try_emplace(number); }

Segment* Index::segment(uint32_t number) {
  auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : &found->second;
}

void Index::finished_written(uint32_t in, uint32_t home) {
  if (!finished_needed(in, home)) return;
  if (Segment* found = segment(in)) ++found->finished_homes[home];
}

std::vector<uint32_t> Index::removable() const {
  std::vector<uint32_t> out;
  for (const auto& [number, one] : segments_)
    if (one.closed && !one.pinned && one.messages == 0 && one.changes == 0 && one.finished_homes.empty()) out.push_back(number);
  return out;
}

void Index::remove_segment(uint32_t number) {
  segments_.erase(number);
  for (auto& [other, one] : segments_) one.finished_homes.erase(number);
  for (auto& [id, extra] : extras_) std::erase(extra.old_homes, number);
}

}  // namespace veredus::spool_detail
