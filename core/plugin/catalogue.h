// Catalogue: where plugins and their packaged fragments are. Directories in order: VEREDUS_PLUGINS if it is set, else those of the build
// tree that the running program belongs to, else the installed one. Looks at the disk at each question; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace veredus {

struct FoundFragment {
  std::string path;  // of the packaged file
  std::string name;  // "30-greylist.yaml"
};

class Catalogue {
 public:
  static Catalogue standard();
  // `fragments`: directories of packaged fragments, beside those that lie with the plugins.
  explicit Catalogue(std::vector<std::string> directories, std::vector<std::string> fragments = {});

  std::vector<std::string> names() const;                      // sorted
  std::optional<std::string> find(std::string_view name) const;  // DIR/NAME.so or DIR/NAME/NAME.so
  std::optional<FoundFragment> packaged_fragment(std::string_view name) const;
  const std::vector<std::string>& directories() const { return directories_; }

 private:
  std::vector<std::string> directories_, fragments_;
};

// The template of `veredus plugin new`: of the source tree that this program was built from, else the installed one.
std::optional<std::string> template_directory();

}  // namespace veredus
