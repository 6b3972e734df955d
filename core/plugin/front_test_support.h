// Shared by the unit tests of what is known of plugins: the objects of test_plugins, directories that go away, fragments from text.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/load.h"

namespace veredus::test {

inline std::string object_path(const std::string& name) { return std::string(VEREDUS_TEST_PLUGINS) + "/" + name + ".so"; }

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "veredus-plugin-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(file(name)).parent_path());
    std::ofstream(file(name), std::ios::binary) << text;
    return file(name);
  }
  std::string copy(const std::string& object, const std::string& name) const {
    std::filesystem::create_directories(std::filesystem::path(file(name)).parent_path());
    std::filesystem::copy_file(object_path(object), file(name), std::filesystem::copy_options::overwrite_existing);
    return file(name);
  }

 private:
  std::string path_;
};

inline LoadOptions knowing(std::vector<std::string> names) {
  LoadOptions out(SystemNames{"host.example.test", ""});
  out.known_plugins = std::move(names);
  return out;
}

inline ConfigResult fragments(const std::vector<std::string>& texts, std::vector<std::string> names = {"good"}) {
  std::vector<ConfigFile> files = {{"conf.d/00-core.yaml", "core: { state: /var/state }\n"}};
  for (const std::string& text : texts) files.push_back({"conf.d/" + std::to_string(30 + files.size()) + "-x.yaml", text});
  return parse_config(files, knowing(std::move(names)));
}

}  // namespace veredus::test
