// TablePort: what the core looks up in tables, which are instances of plugins. The plugin host implements it. Called on the loop that is given.
#pragma once

#include <string>

#include "loop/loop.h"
#include "loop/task.h"
#include "loop/wait.h"

namespace veredus {

struct TableAnswer {
  enum class Kind : uint8_t { found, absent, temporary } kind = Kind::temporary;
  std::string value;  // found; may be empty
  std::string problem;  // temporary: one sentence
};

class TablePort {
 public:
  virtual ~TablePort() = default;
  virtual bool offers(std::string_view table) const = 0;  // is there such a table now? [any]
  // Destroying the task means that nobody waits any more.
  virtual Task<TableAnswer> look_up(Loop& here, std::string table, std::string key, Deadline deadline) = 0;
};

}  // namespace veredus
