// Table: the contents of one file, immutable once loaded; read by all loops at once. Knows files only, nothing of plugins. load() blocks:
// for a worker thread, or for the start.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/file_identity.hpp"

namespace table {

enum class Kind : uint8_t { hash, cidr, regex, domain };

constexpr size_t kMaxLines = 10'000'000;
constexpr size_t kMaxKey = 512, kMaxValue = 65'536;

struct Options {
  std::string file;
  Kind kind = Kind::hash;
  bool fold = true;           // keys are compared without regard to the case of ASCII letters
  bool missing_is_empty = false;
};

class Table {
 public:
  virtual ~Table() = default;
  virtual std::optional<std::string> find(std::string_view key) const = 0;
  virtual size_t size() const = 0;      // entries
  size_t repeated = 0;                  // keys that stood in the file before: the first one holds
  common::FileIdentity identity;
  Options options;
};

// `error` is set when there is no table: "FILE:LINE: what is wrong".
std::shared_ptr<const Table> load(const Options& options, std::string& error);

// A line of a file, for the makers of each kind. Views into the file's text; quotes are taken off.
struct Line {
  size_t number = 0;
  std::string key, value;
};

}  // namespace table
