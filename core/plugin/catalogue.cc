// Where to look, and what lies there.
#include "plugin/catalogue.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "plugin/manifest.h"

namespace veredus {

namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::vector<fs::path> entries_of(const fs::path& directory) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) out.push_back(at->path());
  std::sort(out.begin(), out.end());
  return out;
}

// BUILD when BUILD/core/main/PROGRAM, or a test BUILD/core/FOLDER/PROGRAM, is running.
std::optional<fs::path> build_directory() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return std::nullopt;
  fs::path core = program.parent_path().parent_path();
  fs::path build = core.parent_path();
  if (core.filename() != "core" || !is_file(build / "meson-info/meson-info.json")) return std::nullopt;
  return build;
}

// The build knows where its sources are.
std::optional<fs::path> source_directory(const fs::path& build) {
  std::ifstream in(build / "meson-info/meson-info.json");
  auto json = nlohmann::json::parse(in, nullptr, false);
  if (!json.is_object() || !json.contains("directories") || !json["directories"].is_object()) return std::nullopt;
  auto source = json["directories"].find("source");
  if (source == json["directories"].end() || !source->is_string()) return std::nullopt;
  return fs::path(source->get<std::string>());
}

// "NN-NAME.yaml"
bool is_fragment_of(const std::string& file, std::string_view name) {
  return file.size() == name.size() + 8 && file[0] >= '0' && file[0] <= '9' && file[1] >= '0' && file[1] <= '9' && file[2] == '-' &&
         std::string_view(file).substr(3, name.size()) == name && file.ends_with(".yaml");
}

std::string absolute(std::string_view directory) {
  std::error_code error;
  fs::path path = fs::absolute(fs::path(directory), error).lexically_normal();
  std::string out = error ? std::string(directory) : path.string();
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

}  // namespace

Catalogue::Catalogue(std::vector<std::string> directories, std::vector<std::string> fragments)
    : directories_(std::move(directories)), fragments_(std::move(fragments)) {}

Catalogue Catalogue::standard() {
  std::vector<std::string> directories, fragments;
  auto build = build_directory();
  if (const char* given = std::getenv("VEREDUS_PLUGINS")) {
    for (std::string_view directory : split(given, ':'))
      if (!directory.empty()) directories.push_back(absolute(directory));
  } else {
    directories.push_back(build ? (*build / "plugins").string() : VEREDUS_PLUGIN_DIR);
  }
  if (auto source = build ? source_directory(*build) : std::nullopt) {
    for (const fs::path& plugin : entries_of(*source / "plugins"))
      if (is_folder(plugin / "conf.d")) fragments.push_back((plugin / "conf.d").string());
  } else {
    fragments.push_back(VEREDUS_DATA_DIR "/conf.d");
  }
  return Catalogue(std::move(directories), std::move(fragments));
}

std::vector<std::string> Catalogue::names() const {
  std::set<std::string> out;
  for (const std::string& directory : directories_) {
    for (const fs::path& entry : entries_of(directory)) {
      std::string name = entry.filename().string();
      if (name.ends_with(".so") && is_file(entry)) name.resize(name.size() - 3);
      else if (!is_file(entry / (name + ".so"))) continue;
      if (is_plugin_id(name)) out.insert(name);
    }
  }
  return {out.begin(), out.end()};
}

std::optional<std::string> Catalogue::find(std::string_view wanted) const {
  if (!is_plugin_id(wanted) || wanted.starts_with('.')) return std::nullopt;
  std::string name(wanted);
  for (const std::string& directory : directories_)
    for (const std::string& path : {directory + "/" + name + ".so", directory + "/" + name + "/" + name + ".so"})
      if (is_file(path)) return path;
  return std::nullopt;
}

std::optional<FoundFragment> Catalogue::packaged_fragment(std::string_view name) const {
  std::vector<fs::path> places;
  for (const fs::path directory : directories_) {
    places.push_back(directory / name / "conf.d");
    for (const char* beside : {"conf.d", "conf"}) places.push_back(directory.parent_path() / beside);
  }
  places.insert(places.end(), fragments_.begin(), fragments_.end());
  for (const fs::path& place : places)
    for (const fs::path& entry : entries_of(place))
      if (is_fragment_of(entry.filename().string(), name) && is_file(entry)) return FoundFragment{entry.string(), entry.filename().string()};
  return std::nullopt;
}

std::optional<std::string> template_directory() {
  std::vector<fs::path> places;
  auto build = build_directory();
  if (auto source = build ? source_directory(*build) : std::nullopt) places.push_back(*source / "sdk/template");
  places.push_back(VEREDUS_DATA_DIR "/template");
  for (const fs::path& place : places)
    if (is_folder(place)) return place.string();
  return std::nullopt;
}

}  // namespace veredus
