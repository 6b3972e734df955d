// `veredus plugin new NAME`: a project of one's own from the template; @NAME@ in names and texts becomes the plugin's name.
#include <sysexits.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/problems.h"
#include "main/plugin_commands.h"
#include "plugin/catalogue.h"

namespace veredus {

namespace {

namespace fs = std::filesystem;

int complain(const std::string& text, int code) {
  std::fprintf(stderr, "veredus: %s\n", text.c_str());
  return code;
}

std::string filled(std::string text, const std::string& name) {
  constexpr std::string_view kMark = "@NAME@";
  for (size_t at = 0; (at = text.find(kMark, at)) != std::string::npos; at += name.size()) text.replace(at, kMark.size(), name);
  return text;
}

// A name is an id, a file's name, a word of commands and, with '_' for '-', part of metrics.
bool is_good_name(const std::string& name) {
  return is_plugin_id(name) && name[0] >= 'a' && name[0] <= 'z' && !name.ends_with('.') && !name.ends_with('-') && name.find("..") == std::string::npos;
}

void copy_one(const fs::path& from, const fs::path& to, const std::string& name) {
  std::ifstream in(from, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  std::ofstream out(to, std::ios::binary);
  out << filled(text.str(), name) << std::flush;
  if (!in || !out) throw fs::filesystem_error("cannot be copied", from, to, std::make_error_code(std::errc::io_error));
  fs::permissions(to, fs::status(from).permissions() | fs::perms::owner_write);
}

void copy_template(const fs::path& from, const fs::path& to, const std::string& name) {
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    fs::path target = to / filled(fs::relative(entry.path(), from).string(), name);
    if (entry.is_directory()) fs::create_directories(target);
    else copy_one(entry.path(), target, name);
  }
}

}  // namespace

int plugin_new(const PluginInvocation& call) {
  if (call.arguments.size() != 1) return complain("usage: veredus plugin new NAME", EX_USAGE);
  const std::string& name = call.arguments[0];
  if (!is_good_name(name))
    return complain(in_quotes(name) + " is no name for a plugin: a-z, 0-9, '-' and '.', at most 64, beginning with a letter; those of third parties like com.example.name", EX_USAGE);
  auto from = template_directory();
  if (!from) return complain("the template is not installed (it comes with the development files of Veredus)", EX_UNAVAILABLE);
  std::error_code error;
  if (fs::exists(fs::symlink_status(name, error))) return complain("./" + name + " exists already", EX_CANTCREAT);
  if (!fs::create_directory(name, error)) return complain("./" + name + " cannot be made: " + error.message(), EX_CANTCREAT);
  try {
    copy_template(*from, name, name);
  } catch (const fs::filesystem_error& failed) {
    fs::remove_all(name, error);
    return complain(failed.what(), EX_CANTCREAT);
  }
  std::printf("./%s is a plugin that builds; its README.md says how to go on:\n  cd %s && meson setup build && meson test -C build\n", name.c_str(), name.c_str());
  return EX_OK;
}

}  // namespace veredus
