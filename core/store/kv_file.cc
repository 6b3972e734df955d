// The SQLite file: its schema, its statements, its errors.
#include "store/kv_file.h"

namespace veredus::kv {

namespace {

constexpr int kVersion = 1;
constexpr int kApplicationId = 0x5672644B;
constexpr int kPage = 4096;

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS entry(space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, expires INTEGER NOT NULL,"
    " PRIMARY KEY(space, key)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS entry_expires ON entry(expires) WHERE expires > 0;";

constexpr const char* kText[] = {
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SELECT value, expires FROM entry WHERE space = ?1 AND key = ?2",
    "INSERT INTO entry(space, key, value, expires) VALUES(?1, ?2, ?3, ?4)"
    " ON CONFLICT(space, key) DO UPDATE SET value = excluded.value, expires = excluded.expires",
    "DELETE FROM entry WHERE space = ?1 AND key = ?2",
    // ?4 is an end of its own because there is no largest key to compare with.
    "SELECT key, value, expires FROM entry WHERE space = ?1 AND key >= ?2 AND (?4 OR key < ?3) AND (expires = 0 OR expires > ?5)"
    " ORDER BY key",
    "SELECT count(*) FROM (SELECT 1 FROM entry WHERE space = ?1 AND key >= ?2 AND (?4 OR key < ?3) AND (expires = 0 OR expires > ?5)"
    " LIMIT ?6)",
    "DELETE FROM entry WHERE (space, key) IN (SELECT space, key FROM entry WHERE expires > 0 AND expires <= ?1 LIMIT ?2)",
};

}  // namespace

// One use of a prepared statement; resets it at the end.
class KvFile::Run {
 public:
  Run(KvFile& file, Query query) : statement_(file.queries_[query]) {}
  ~Run() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Run(const Run&) = delete;
  void text(int at, std::string_view value) { sqlite3_bind_text(statement_, at, value.data(), static_cast<int>(value.size()), SQLITE_STATIC); }
  // Without an address it would be NULL instead of empty.
  void blob(int at, std::string_view value) {
    sqlite3_bind_blob(statement_, at, value.empty() ? "" : value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  }
  void integer(int at, int64_t value) { sqlite3_bind_int64(statement_, at, value); }
  void range(std::string_view space, std::string_view from, std::string_view end, int64_t now) {
    text(1, space);
    blob(2, from);
    blob(3, end);
    integer(4, end.empty());
    integer(5, now);
  }
  int step() { return sqlite3_step(statement_); }
  std::string_view blob_at(int column) {
    const void* octets = sqlite3_column_blob(statement_, column);
    return {static_cast<const char*>(octets), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
  }
  int64_t integer_at(int column) { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3_stmt* statement_;
};

Result<std::unique_ptr<KvFile>> KvFile::open(const std::string& path, uint64_t max_octets) {
  std::unique_ptr<KvFile> file(new KvFile);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(path.c_str(), &file->db_, flags, nullptr);
  if (code != SQLITE_OK) return file->error(code);
  if (Status ready = file->set_up(max_octets); !ready) return ready.error();
  return file;
}

KvFile::~KvFile() {
  for (sqlite3_stmt* query : queries_) sqlite3_finalize(query);
  sqlite3_close(db_);
}

// Exclusive from the first access on: no second daemon, and no file of shared memory. FULL, because in WAL mode NORMAL would leave
// commits unsynced until the next checkpoint.
Status KvFile::set_up(uint64_t max_octets) {
  sqlite3_extended_result_codes(db_, 1);
  std::string pragmas = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=" + std::to_string(kPage) +
                        "; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;"
                        "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA journal_size_limit=67108864;"
                        "PRAGMA max_page_count=" + std::to_string(max_octets / kPage) + ";";
  if (Status set = execute(pragmas); !set) return set;
  if (Status known = check_version(); !known) return known;
  if (Status made = execute(kSchema); !made) return made;
  if (Status marked = execute("PRAGMA application_id=" + std::to_string(kApplicationId) + "; PRAGMA user_version=" + std::to_string(kVersion)); !marked)
    return marked;
  return prepare();
}

Status KvFile::check_version() {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db_, "PRAGMA user_version", -1, &statement, nullptr);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  int version = code == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
  sqlite3_finalize(statement);
  if (code != SQLITE_ROW) return error(code);
  if (version > kVersion) return fail(Errc::unsupported, "the file is of version " + std::to_string(version) + ", which this program does not know");
  return {};
}

Status KvFile::prepare() {
  for (int i = 0; i < kQueries; ++i)
    if (int code = sqlite3_prepare_v3(db_, kText[i], -1, SQLITE_PREPARE_PERSISTENT, &queries_[i], nullptr); code != SQLITE_OK) return error(code);
  return {};
}

Status KvFile::execute(const std::string& sql) {
  int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Error KvFile::error(int code) const {
  std::string text = db_ ? sqlite3_errmsg(db_) : sqlite3_errstr(code);
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return fail(Errc::corrupt, std::move(text));
    case SQLITE_FULL: return fail(Errc::no_space, std::move(text));
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return fail(Errc::busy, "another process holds the file");
    default: return fail(Errc::io, std::move(text));
  }
}

Status KvFile::simple(Query query) {
  Run run(*this, query);
  int code = run.step();
  if (code != SQLITE_DONE) return error(code);
  return {};
}

Status KvFile::begin() {
  if (in_transaction()) return {};
  return simple(kBegin);
}

Status KvFile::commit() {
  if (!in_transaction()) return {};
  return simple(kCommit);
}

void KvFile::roll_back() {
  if (in_transaction()) (void)simple(kRollback);
}

Status KvFile::read(std::string_view space, std::string_view key, Slot& into) {
  Run run(*this, kRead);
  run.text(1, space);
  run.blob(2, key);
  int code = run.step();
  if (code == SQLITE_DONE) return {};
  if (code != SQLITE_ROW) return error(code);
  into.present = true;
  into.value = run.blob_at(0);
  into.expires = run.integer_at(1);
  return {};
}

Status KvFile::write(std::string_view space, std::string_view key, const Slot& slot) {
  Run run(*this, slot.present ? kWrite : kRemove);
  run.text(1, space);
  run.blob(2, key);
  if (slot.present) {
    run.blob(3, slot.value);
    run.integer(4, slot.expires);
  }
  int code = run.step();
  if (code != SQLITE_DONE) return error(code);
  return {};
}

Status KvFile::list(std::string_view space, const KvOp& op, int64_t now, KvAnswer& answer) {
  std::string from = op.value >= op.key && !op.value.empty() ? op.value + '\0' : op.key;  // the smallest key behind the cursor
  std::string end = end_of_prefix(op.key);
  Run run(*this, kList);
  run.range(space, from, end, now);
  size_t octets = 0;
  for (;;) {
    int code = run.step();
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) return error(code);
    octets += run.blob_at(0).size() + run.blob_at(1).size();
    if (answer.entries.size() == op.limit || (!answer.entries.empty() && octets > kKvMaxListedOctets)) {
      answer.next = answer.entries.back().key;
      break;
    }
    int64_t expires = run.integer_at(2);
    answer.entries.push_back({std::string(run.blob_at(0)), std::string(run.blob_at(1)), Millis(expires ? expires - now : 0)});
  }
  answer.number = static_cast<int64_t>(answer.entries.size());
  return {};
}

Status KvFile::count(std::string_view space, const KvOp& op, int64_t now, KvAnswer& answer) {
  std::string end = end_of_prefix(op.key);
  Run run(*this, kCount);
  run.range(space, op.key, end, now);
  run.integer(6, static_cast<int64_t>(op.limit));
  int code = run.step();
  if (code != SQLITE_ROW) return error(code);
  answer.number = run.integer_at(0);
  return {};
}

Result<int> KvFile::sweep(int64_t now, int limit) {
  Run run(*this, kSweep);
  run.integer(1, now);
  run.integer(2, limit);
  int code = run.step();
  if (code != SQLITE_DONE) return error(code);
  return sqlite3_changes(db_);
}

}  // namespace veredus::kv
