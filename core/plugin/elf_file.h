// ElfFile: the dynamic symbols and tags of a shared object, read from the file without loading it. Believes no offset or size. Blocks on
// the file; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace veredus {

struct ElfSummary {
  std::vector<std::string> exported, undefined, needed;
  std::string run_path;  // RPATH or RUNPATH
};

// Whether the file is a shared object of this machine; says what else it is.
Status check_elf(const std::string& path);
Result<ElfSummary> read_elf(const std::string& path);

}  // namespace veredus
