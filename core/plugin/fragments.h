// Fragments on disk, each for itself: which plugin a file enables, and which files are set aside. Works beside errors in other files.
// Blocks on files; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/load.h"

namespace veredus {

struct FragmentFile {
  std::string path, name;        // "conf.d/30-greylist.yaml", "30-greylist.yaml"
  std::string text;
  std::string plugin, instance;  // empty: of the core, or not to be read
  bool off = false;              // "30-greylist.yaml.off"
  // `wanted`: a plugin's name, or NAME/INSTANCE for one of several.
  bool is_of(const std::string& wanted) const { return !plugin.empty() && (plugin == wanted || plugin + "/" + instance == wanted); }
};

bool is_fragment_name(std::string_view name);  // "NN-name.yaml"
// All fragments of a directory, also those that are off, in the order of their names.
Result<std::vector<FragmentFile>> read_fragment_files(const std::string& directory);
// What load_config would read.
std::vector<ConfigFile> config_files(const std::vector<FragmentFile>& files);

}  // namespace veredus
