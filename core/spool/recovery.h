// Recovery: from the files of a spool to an index of what is unfinished. Used at start, and read-only by the offline tools.
// Blocking; before any thread of the spool runs.
#pragma once

#include <vector>

#include "spool/index.h"
#include "spool/log_spool.h"
#include "spool/record.h"

namespace veredus::spool_detail {

enum class Access { owner, read_only };  // read-only: nothing is created, removed or set aside

struct Recovery {
  uint32_t highest = 0;                                 // number of the newest segment
  std::vector<Abandoned> abandoned;                     // of segments that still exist
  std::vector<uint32_t> unsealed;
  std::vector<std::pair<MessageId, uint32_t>> to_finish;  // finished, but a record that says so is missing: id and home
  uint64_t records = 0;
  uint64_t set_aside = 0;
  uint64_t newest_body = 0;
  bool damaged = false;  // bodies without a message are kept then
};

// Reads the file `format`; the owner creates it, and the directories, in an empty spool.
Result<FormatMark> open_format(Storage& storage, Access access, SpoolObserver& observer);

Result<Recovery> recover(Storage& storage, const FormatMark& mark, Index& index, SpoolObserver& observer, Access access);

// Copies octets of a segment to set-aside/, unless they are there already; returns the new file's name, empty when it failed.
std::string set_aside(Storage& storage, File& file, const std::string& stem, uint64_t from, uint64_t to);

}  // namespace veredus::spool_detail
