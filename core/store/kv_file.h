// KvFile: the SQLite file behind KvStore. Owns the connection and its prepared statements; all errors come back as Error, corrupt meaning
// that the file is damaged. On the store's thread only.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <string>

#include "store/kv_ops.h"

namespace veredus::kv {

class KvFile {
 public:
  // exists-but-damaged is Errc::corrupt; held by another process Errc::busy; of a newer version Errc::unsupported.
  static Result<std::unique_ptr<KvFile>> open(const std::string& path, uint64_t max_octets);
  ~KvFile();
  KvFile(const KvFile&) = delete;

  Status begin();     // does nothing within a transaction
  Status commit();    // on disk when it returns
  void roll_back();
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

  Status read(std::string_view space, std::string_view key, Slot& into);  // absent: present stays false
  Status write(std::string_view space, std::string_view key, const Slot& slot);  // one that is not present is removed
  Status list(std::string_view space, const KvOp& op, int64_t now, KvAnswer& answer);
  Status count(std::string_view space, const KvOp& op, int64_t now, KvAnswer& answer);
  Result<int> sweep(int64_t now, int limit);  // how many expired entries were removed

 private:
  enum Query { kBegin, kCommit, kRollback, kRead, kWrite, kRemove, kList, kCount, kSweep, kQueries };
  class Run;
  KvFile() = default;
  Status set_up(uint64_t max_octets);
  Status check_version();
  Status prepare();
  Status simple(Query query);
  Status execute(const std::string& sql);
  Error error(int code) const;

  sqlite3* db_ = nullptr;
  sqlite3_stmt* queries_[kQueries] = {};
};

}  // namespace veredus::kv
