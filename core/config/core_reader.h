// CoreReader: reads `core:` mappings, which may be split over files, into one Draft. Internal to config.
#pragma once

#include <map>
#include <string>

#include "config/resolve.h"
#include "config/schema.h"

namespace veredus {

bool is_core_group(const std::string& key);  // "queue"
// The full name of the setting whose last word this is; empty if there is none.
std::string setting_of_word(const std::string& word);

class CoreReader {
 public:
  CoreReader(Draft& draft, Problems& problems) : draft_(draft), problems_(problems) {}
  void read(const ConfigEntry& core);

 private:
  void read_top(const ConfigEntry& entry);
  void read_group(const ConfigEntry& group);
  void read_row(const Setting& row, const ConfigEntry& entry);
  void read_table(const Setting& row, const ConfigEntry& entry);
  void store(const Setting& row, const ConfigNode& node);
  bool claim(const std::string& name, const Place& place);
  void report_unknown(const ConfigEntry& entry, const std::string& group);

  Draft& draft_;
  Problems& problems_;
  std::map<std::string, Place> claimed_;  // setting, or entry of a table -> where it was given
};

}  // namespace veredus
