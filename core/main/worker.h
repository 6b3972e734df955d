// Worker: builds the object graph and runs it until it is told to end. The process that touches mail.
#pragma once

#include <string>

namespace veredus {

int run_worker(const std::string& conf_dir);  // an exit code of sysexits.h

}  // namespace veredus
