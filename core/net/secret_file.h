// Files that this process may not open itself, such as keys that only root reads: whoever started it with more rights may hand them over,
// open. As rights do, the way belongs to the process. Any thread; blocks.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace veredus {

class SecretFiles {
 public:
  virtual ~SecretFiles() = default;
  virtual Result<int> open(const std::string& path) = 0;  // a descriptor for reading, the caller's; the error says why not
};

void use_secret_files(std::shared_ptr<SecretFiles> files);  // before there are threads

// As open(2) for reading; what is denied is asked for. The error tells what to do.
Result<int> open_secret(const std::string& path);
// As stat(2). What was asked for is remembered for three seconds.
bool stat_secret(const std::string& path, struct stat& about);

}  // namespace veredus
