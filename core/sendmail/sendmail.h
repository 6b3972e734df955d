// sendmail(1) and its kin: mailq, newaliases, rmail, runq. What they are called decides. Runs as whoever called it, with no more rights.
#pragma once

#include <string>
#include <vector>

namespace veredus {

// `program`: name it was called by, without directories. `conf`: where the configuration is, if it can be read. An exit code of sysexits.h.
int run_sendmail(const std::string& program, const std::vector<std::string>& words, const std::string& conf);

}  // namespace veredus
