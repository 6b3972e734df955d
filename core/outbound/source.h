// Source: the identity a connection is made from, an address of each family and a HELO name. SourcePicker takes them from a pool in turn.
// Belongs to one loop.
#pragma once

#include <optional>
#include <string>

#include "config/settings.h"

namespace veredus {

struct Source {
  std::string name;  // empty: none configured
  IpAddress bind;    // none = the system's choice
  std::string helo;
};

class SourcePicker {
 public:
  // A source of the pool that can reach an address of this family (0 = a Unix socket); nullopt when the pool has none. An empty pool
  // name means the pool `default`, or the host itself when there is no such pool.
  std::optional<Source> pick(const Settings& settings, const std::string& pool, uint8_t family);

 private:
  uint64_t turn_ = 0;
};

}  // namespace veredus
