// The entries in memory over the file: reading through, writing behind, and what happens when the file fails.
#include "store/kv_table.h"

#include <cstdio>

#include "log/events.h"

namespace veredus::kv {

// A file that is full is no reason not to start: it is tried again as after a failed commit.
Status KvTable::open() {
  auto file = KvFile::open(options_.path, options_.max_octets);
  if (!file && file.error().code == Errc::corrupt) {
    set_aside(file.error());
    log_.flush();
    if (file_) return {};
    return *problem_;
  }
  if (file) file_ = std::move(*file);
  else if (file.error().code == Errc::no_space) failed(file.error());
  else return file.error();
  return {};
}

KvAnswer KvTable::run(std::string_view space, const KvOp& op) {
  if (Status legal = check(op); !legal) return legal.error();
  KvAnswer answer = of_one_entry(op.kind) ? run_entry(space, op) : run_listing(space, op);
  log_.flush();
  return answer;
}

// While nothing can be written, removals still go in when space is what is missing: they make some.
KvAnswer KvTable::run_entry(std::string_view space, const KvOp& op) {
  bool frees = problem_ && problem_->code == Errc::no_space && op.kind == KvOp::Kind::remove && changed_.size() < options_.max_unsaved;
  if (problem_ && may_write(op.kind) && !frees) return *problem_;
  auto found = find(space, op);
  if (!found) return found.error();
  Entry& entry = **found;
  bool changed = false;
  KvAnswer answer = apply(op, entry.second, milliseconds(clock_.wall()), changed);
  young_octets_ += op.value.size();
  if (changed) touch(entry);
  return answer;
}

KvAnswer KvTable::run_listing(std::string_view space, const KvOp& op) {
  if (problem_ && (!file_ || !changed_.empty())) return *problem_;
  if (Status stored = save(); !stored) {
    failed(stored.error());
    return stored.error();
  }
  KvAnswer answer;
  int64_t now = milliseconds(clock_.wall());
  Status read = op.kind == KvOp::Kind::list ? file_->list(space, op, now, answer) : file_->count(space, op, now, answer);
  if (!read) return note_read_failure(read.error());
  return answer;
}

Result<KvTable::Entry*> KvTable::find(std::string_view space, const KvOp& op) {
  make_room();
  name_.assign(space).push_back('\0');
  name_ += op.key;
  if (auto at = young_.find(name_); at != young_.end()) return &*at;
  if (auto at = old_.find(name_); at != old_.end()) {
    young_octets_ += name_.size() + at->second.value.size();
    return &*young_.insert(old_.extract(at)).position;
  }
  auto loaded = load(space, op);
  if (!loaded && loaded.error().code == Errc::corrupt && file_) loaded = load(space, op);  // from the file that replaced it
  return loaded;
}

Result<KvTable::Entry*> KvTable::load(std::string_view space, const KvOp& op) {
  if (!file_) return *problem_;
  Cached slot;
  if (Status read = file_->read(space, op.key, slot); !read) return note_read_failure(read.error());
  young_octets_ += name_.size() + slot.value.size();
  return &*young_.emplace(name_, std::move(slot)).first;
}

void KvTable::touch(Entry& entry) {
  if (entry.second.state == State::changed) return;
  entry.second.state = State::changed;
  changed_.push_back(&entry);
  if (!changed_since_) changed_since_ = std::chrono::steady_clock::now();
}

void KvTable::make_room() {
  if (young_.size() < options_.max_cached && young_octets_ < options_.max_cached_octets) return;
  if (!problem_) commit();
  age();
}

// The older generation goes. What could not be saved stays, with nothing else beside it.
void KvTable::age() {
  auto is_saved = [](const Entry& entry) { return entry.second.state == State::saved; };
  old_.clear();
  if (changed_.empty() && written_.empty()) std::swap(young_, old_);
  else std::erase_if(young_, is_saved);
  young_octets_ = 0;
}

std::optional<KvTable::Time> KvTable::commit_at() const {
  if (problem_) return retry_at_;
  if (!changed_since_) return std::nullopt;
  if (changed_.size() + written_.size() >= options_.max_unsaved) return Time{};
  return *changed_since_ + options_.commit_within;
}

void KvTable::commit() {
  Status stored = save_all();
  if (!stored) failed(stored.error());
  else if (problem_) recovered();
  log_.flush();
}

Status KvTable::save_all() {
  if (!file_) {
    auto file = KvFile::open(options_.path, options_.max_octets);
    if (!file) return file.error();
    file_ = std::move(*file);
  }
  if (Status stored = save(); !stored) return stored;
  if (Status stable = file_->commit(); !stable) return stable;
  saved();
  return {};
}

// Into the file's open transaction. Removals go first: what they free may be what the others need.
Status KvTable::save() {
  if (changed_.empty()) return {};
  if (Status begun = file_->begin(); !begun) return begun;
  for (bool removals : {true, false})
    for (Entry* entry : changed_)
      if (entry->second.present != removals)
        if (Status stored = write(*entry); !stored) return stored;
  changed_.clear();
  return {};
}

Status KvTable::write(Entry& entry) {
  std::string_view name = entry.first;
  size_t end_of_space = name.find('\0');
  Status stored = file_->write(name.substr(0, end_of_space), name.substr(end_of_space + 1), entry.second);
  if (!stored) return stored;
  entry.second.state = State::written;
  written_.push_back(&entry);
  return {};
}

void KvTable::saved() {
  if (!written_.empty()) ++commits_;
  for (Entry* entry : written_)
    if (entry->second.state == State::written) entry->second.state = State::saved;
  written_.clear();
  changed_since_.reset();
}

// Nothing of the open transaction counts: all of it has to be written again.
void KvTable::undo() {
  if (file_) file_->roll_back();
  std::vector<Entry*> again = std::move(changed_);
  again.insert(again.end(), written_.begin(), written_.end());
  changed_.clear();
  written_.clear();
  for (Entry* entry : again) entry->second.state = State::saved;
  for (Entry* entry : again) touch(*entry);
}

void KvTable::failed(const Error& why) {
  undo();
  if (why.code == Errc::corrupt) return set_aside(why);
  if (!problem_) log_.write(events::kKvWriteFailed, {{"file", options_.path}, {"reason", why.text}});
  problem_ = why;
  retry_at_ = std::chrono::steady_clock::now() + options_.retry_after;
}

void KvTable::recovered() {
  problem_.reset();
  log_.write(events::kKvWritesAgain, {{"file", options_.path}});
}

// Entries in memory are good: they go into the new file.
void KvTable::set_aside(const Error& why) {
  file_.reset();
  std::string aside = options_.path + ".damaged-" + std::to_string(milliseconds(clock_.wall()) / 1000);
  int renamed = std::rename(options_.path.c_str(), aside.c_str());
  std::rename((options_.path + "-wal").c_str(), (aside + "-wal").c_str());
  log_.write(events::kKvDamaged, {{"file", options_.path}, {"set_aside", aside}, {"reason", why.text}});
  young_.merge(old_);
  old_.clear();
  changed_.clear();
  written_.clear();
  for (Entry& entry : young_) {
    entry.second.state = State::saved;
    if (entry.second.present) touch(entry);
  }
  Error moved = fail(Errc::io, "the damaged file could not be set aside");
  auto file = renamed == 0 ? KvFile::open(options_.path, options_.max_octets) : Result<std::unique_ptr<KvFile>>(moved);
  if (file) file_ = std::move(*file);
  else failed(file.error().code == Errc::corrupt ? moved : file.error());
}

Error KvTable::note_read_failure(const Error& why) {
  if (why.code == Errc::corrupt) failed(why);
  return why;
}

bool KvTable::sweep(int limit) {
  if (!file_ || (problem_ && problem_->code != Errc::no_space)) return false;
  bool within_another = file_->in_transaction();
  Status begun = file_->begin();
  Result<int> removed = begun ? file_->sweep(milliseconds(clock_.wall()), limit) : Result<int>(begun.error());
  if (!removed) failed(removed.error());
  else if (*removed > 0) commit();
  else if (!within_another) file_->roll_back();
  log_.flush();
  return removed && *removed == limit;
}

}  // namespace veredus::kv
