// Reading a directory of fragments without judging it.
#include "plugin/fragments.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/read_stream.h"
#include "config/scalars.h"
#include "config/yaml.h"

namespace veredus {

namespace {

constexpr std::string_view kOff = ".off";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return read_at_most(in, kMaxConfigFile + 1);
}

std::string value_of(const ConfigNode& root, std::string_view key) {
  const ConfigEntry* entry = root.find(key);
  return entry && entry->value.kind == ConfigNode::Kind::scalar ? entry->value.text : "";
}

}  // namespace

bool is_fragment_name(std::string_view name) {
  return name.size() >= 9 && is_digit(name[0]) && is_digit(name[1]) && name[2] == '-' && name.ends_with(".yaml") &&
         is_name(name.substr(3, name.size() - 8));
}

Result<std::vector<FragmentFile>> read_fragment_files(const std::string& directory) {
  std::vector<FragmentFile> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    FragmentFile file;
    file.name = at->path().filename().string();
    file.off = file.name.ends_with(kOff);
    if (!is_fragment_name(std::string_view(file.name).substr(0, file.name.size() - (file.off ? kOff.size() : 0)))) continue;
    file.path = (directory.ends_with('/') ? directory : directory + "/") + file.name;
    out.push_back(std::move(file));
  }
  if (error) return fail(Errc::io, directory + ": cannot be read: " + error.message());
  std::sort(out.begin(), out.end(), [](const FragmentFile& a, const FragmentFile& b) { return a.name < b.name; });
  for (FragmentFile& file : out) {
    file.text = read_file(file.path);
    Problems ignored;
    auto root = read_yaml(file.text, file.path, ignored);
    if (!root || root->kind != ConfigNode::Kind::map) continue;
    file.plugin = value_of(*root, "plugin");
    file.instance = value_of(*root, "instance");
  }
  return out;
}

std::vector<ConfigFile> config_files(const std::vector<FragmentFile>& files) {
  std::vector<ConfigFile> out;
  for (const FragmentFile& file : files)
    if (!file.off) out.push_back({file.path, file.text});
  return out;
}

}  // namespace veredus
