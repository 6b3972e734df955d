// KvTable: the entries as the store's thread sees them: those in use in memory, all in the file. A change is made in memory and written
// later, many in one transaction, so that a hot counter costs the disk one row a commit. When writing fails, changes already answered are
// kept and tried again, and new ones are refused until that worked. A damaged file is set aside. On the store's thread only.
#pragma once

#include <chrono>
#include <map>
#include <optional>

#include "log/log.h"
#include "store/kv_file.h"

namespace veredus::kv {

struct TableOptions {
  std::string path;
  uint64_t max_octets = uint64_t{1} << 30;
  size_t max_cached = 50'000;                // entries in each of two generations
  size_t max_cached_octets = 16 << 20;       // likewise
  size_t max_unsaved = 10'000;               // changed entries that make a commit due at once
  std::chrono::milliseconds commit_within{500};
  std::chrono::milliseconds retry_after{1000};
};

class KvTable {
 public:
  using Time = std::chrono::steady_clock::time_point;

  KvTable(TableOptions options, const Clock& clock, LogSink& sink) : options_(std::move(options)), clock_(clock), log_(clock, sink) {}
  Status open();
  KvAnswer run(std::string_view space, const KvOp& op);
  std::optional<Time> commit_at() const;  // when commit() is due
  void commit();
  bool sweep(int limit);  // true: there may be more
  uint64_t commits() const { return commits_; }  // that had changes

 private:
  enum class State : uint8_t { saved, changed, written };  // written: within the open transaction
  struct Cached : Slot {
    State state = State::saved;
  };
  using Cache = std::map<std::string, Cached, std::less<>>;  // a tree: strangers choose keys, and could choose colliding ones
  using Entry = Cache::value_type;

  Result<Entry*> find(std::string_view space, const KvOp& op);
  Result<Entry*> load(std::string_view space, const KvOp& op);
  KvAnswer run_entry(std::string_view space, const KvOp& op);
  KvAnswer run_listing(std::string_view space, const KvOp& op);
  void touch(Entry& entry);
  void make_room();
  void age();
  Status save();
  Status save_all();
  Status write(Entry& entry);
  void saved();
  void undo();
  void failed(const Error& why);
  void recovered();
  void set_aside(const Error& why);
  Error note_read_failure(const Error& why);

  TableOptions options_;
  const Clock& clock_;
  Log log_;
  std::unique_ptr<KvFile> file_;
  Cache young_, old_;
  size_t young_octets_ = 0;
  std::string name_;  // scratch: space, NUL, key
  std::vector<Entry*> changed_, written_;
  std::optional<Time> changed_since_;
  std::optional<Error> problem_;  // why nothing can be written
  Time retry_at_{};
  uint64_t commits_ = 0;
};

}  // namespace veredus::kv
