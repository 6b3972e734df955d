// Places: where the daemon's submission socket and the drop directory are, as far as the caller may read the configuration.
#pragma once

#include <string>

namespace veredus {

struct Places {
  std::string conf;
  std::string submit;
  std::string drop;  // empty: where veredus-drop looks by itself
  bool subtract_arguments = false;
};

Places find_places(const std::string& conf);

}  // namespace veredus
