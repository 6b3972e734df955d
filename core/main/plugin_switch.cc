// `veredus enable NAME`, `veredus disable NAME`: a fragment is renamed or copied, but only when the configuration is good with it; then a
// running daemon is told. When it refuses, the file is put back. A packaged fragment NN-helper-NAME.yaml has the helper of plugin NAME; it
// comes and goes with it. Helpers are started with the daemon only, so a new one wants a restart.
#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>

#include "main/client.h"
#include "main/plugin_commands.h"
#include "plugin/fragments.h"
#include "plugin/manifest_text.h"
#include "plugin/prepare.h"

namespace veredus {

namespace {

int complain(const std::string& text, int code) {
  std::fprintf(stderr, "veredus: %s\n", text.c_str());
  return code;
}

void say(const std::string& text) { std::printf("%s\n", text.c_str()); }

Error system_error(const std::string& doing) {
  int number = errno;
  return fail(number == EACCES || number == EPERM || number == EROFS ? Errc::refused : Errc::io, doing + ": " + std::strerror(number));
}

int code_of(const Error& error) { return error.code == Errc::refused ? EX_NOPERM : EX_CANTCREAT; }

// Never over a file that is there.
Status move_file(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return system_error("renaming " + from + " to " + to);
  if (access(to.c_str(), F_OK) == 0) return fail(Errc::exists, to + " exists");
  return rename(from.c_str(), to.c_str()) == 0 ? Status() : system_error("renaming " + from + " to " + to);
}

// Appears whole or not at all.
Status create_file(const std::string& path, const std::string& text) {
  std::string half = path + ".new";
  int fd = open(half.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return system_error("writing " + half);
  bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  Status status = written ? Status() : system_error("writing " + half);
  close(fd);
  if (status) status = move_file(half, path);
  if (!status) unlink(half.c_str());
  return status;
}

std::string without_off(const std::string& name) { return name.substr(0, name.size() - 4); }

// A change of the directory that is not made yet: what to do, how to undo it, and the files as they will be.
struct Change {
  enum class Helper { as_before, comes, goes };
  std::vector<FragmentFile> after;
  std::vector<std::function<Status()>> steps, undo;
  std::vector<std::string> told;        // "conf.d/30-greylist.yaml, a copy of ...": of each file
  std::string done, end;                // "greylist is enabled by "; told; what ends the sentence
  Helper helper = Helper::as_before;
  std::string text() const { return done + joined(told, " and ") + end; }
};

Status apply(const Change& change) {
  for (size_t i = 0; i < change.steps.size(); ++i) {
    Status status = change.steps[i]();
    if (status) continue;
    for (size_t back = i; back-- > 0;) (void)change.undo[back]().ok();
    return status;
  }
  return {};
}

int undo(const Change& change, int code) {
  std::string left;
  for (size_t i = change.undo.size(); i-- > 0;)
    if (Status status = change.undo[i](); !status) left += "; " + status.error().text;
  return complain("the daemon refused it: everything is as it was" + left, code);
}

// Tells a daemon, if one runs.
int reload_daemon(const std::string& control, const Change& change) {
  auto code = ask_daemon(control, ControlRequest{{"reload"}, false});
  std::string idle = change.helper == Change::Helper::goes ? "; its helper runs on, unused, until the daemon is restarted" : "";
  if (code && *code == EX_OK) return say(change.text() + "; the daemon has reloaded" + idle), EX_OK;
  if (code) return undo(change, *code);
  if (code.error().code == Errc::refused)
    return complain(change.text() + ", but the daemon cannot be asked to reload: " + code.error().text, EX_NOPERM);
  say(change.text() + "; no daemon is running");
  return EX_OK;
}

// A daemon without the helper would refuse the plugin: it is not asked to reload.
int ask_for_restart(const std::string& control, const Change& change) {
  bool idle = !daemon_runs(control);
  say(change.text() + (idle ? "; no daemon is running" : "; restart the daemon, which starts the helper: until then it works as before, "
                                                         "and a reload would be refused (systemctl restart veredus)"));
  return EX_OK;
}

// The whole configuration first: with errors nothing changes.
int carry_out(const Change& change) {
  Catalogue catalogue = Catalogue::standard();
  auto prepared = prepare_plugins(parse_config(config_files(change.after), options_with_plugins(catalogue)), catalogue);
  if (!prepared) {
    std::fputs(prepared.error_text().c_str(), stderr);
    std::string hint = change.helper == Change::Helper::comes ? "; where core.helpers is set already, add the entry of the helper's fragment there" : "";
    return complain("nothing was changed" + hint, EX_CONFIG);
  }
  if (Status status = apply(change); !status) return complain(status.error().text + "; nothing was changed", code_of(status.error()));
  const std::string& control = prepared.value().config.settings->control;
  return change.helper == Change::Helper::comes ? ask_for_restart(control, change) : reload_daemon(control, change);
}

void add_move(Change& change, const std::string& from, const std::string& to) {
  change.steps.push_back([from, to] { return move_file(from, to); });
  change.undo.push_back([from, to] { return move_file(to, from); });
}

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

void sort_by_name(std::vector<FragmentFile>& files) {
  std::sort(files.begin(), files.end(), [](const FragmentFile& a, const FragmentFile& b) { return a.name < b.name; });
}

void switch_on(FragmentFile& file, Change& change) {
  std::string target = without_off(file.name), path = directory_of(file.path) + target;
  add_move(change, file.path, path);
  change.told.push_back(path);
  file.off = false, file.name = target, file.path = path;
}

void switch_off(FragmentFile& file, Change& change) {
  add_move(change, file.path, file.path + ".off");
  change.told.push_back(file.path);
  file.off = true, file.name += ".off", file.path += ".off";
}

// Fragments that are off, renamed back. False: there is none.
bool plan_rename(const std::string& name, Change& change) {
  for (FragmentFile& file : change.after)
    if (file.off && file.is_of(name)) switch_on(file, change);
  return !change.told.empty();
}

Status plan_copy(const FoundFragment& packaged, const std::string& conf, const std::string& name, Change& change) {
  std::ifstream in(packaged.path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return fail(Errc::io, packaged.path + " cannot be read");
  FragmentFile file;
  file.name = packaged.name;
  file.path = conf + "/" + packaged.name;
  file.text = text.str();
  for (const FragmentFile& other : change.after)
    if (other.name == file.name) return fail(Errc::exists, other.path + " exists, and does not belong to plugin " + in_quotes(name));
  change.steps.push_back([file] { return create_file(file.path, file.text); });
  change.undo.push_back([file] { return unlink(file.path.c_str()) == 0 ? Status() : system_error("removing " + file.path); });
  change.told.push_back(file.path + ", a copy of " + packaged.path);
  change.after.push_back(std::move(file));
  return {};
}

Status plan_plugin(const std::string& name, const std::string& conf, Change& change) {
  if (plan_rename(name, change)) return {};
  Catalogue catalogue = Catalogue::standard();
  if (!catalogue.find(name))
    return fail(Errc::not_found, "there is no plugin " + in_quotes(name) + " in " + joined(catalogue.directories(), ":") + did_you_mean(name, catalogue.names()));
  if (auto packaged = catalogue.packaged_fragment(name)) return plan_copy(*packaged, conf, name, change);
  return fail(Errc::not_found,
              "plugin " + in_quotes(name) + " brings no fragment; write one, such as " + conf + "/50-" + name + ".yaml with 'plugin: " + name + "'");
}

std::string without_instance(const std::string& name) { return name.substr(0, name.find('/')); }

FragmentFile* helper_fragment(const std::string& plugin, Change& change) {
  std::string name = "-helper-" + plugin + ".yaml";
  for (FragmentFile& file : change.after)
    if (file.plugin.empty() && file.name.substr(2) == name + (file.off ? ".off" : "")) return &file;
  return nullptr;
}

bool has_helper(const std::string& name, const Change& change) {
  auto config = parse_config(config_files(change.after), options_with_plugins(Catalogue::standard()));
  if (!config) return false;
  const auto& helpers = config.value().settings->helpers;
  return std::any_of(helpers.begin(), helpers.end(), [&](const HelperSettings& one) { return one.name == name; });
}

// The helper that a plugin's package brings: there too, unless it is.
Status plan_helper(const std::string& plugin, const std::string& conf, Change& change) {
  FragmentFile* there = helper_fragment(plugin, change);
  if (there && !there->off) return {};
  auto packaged = Catalogue::standard().packaged_fragment("helper-" + plugin);
  if ((!there && !packaged) || has_helper(plugin, change)) return {};
  change.helper = Change::Helper::comes;
  if (!there) return plan_copy(*packaged, conf, plugin, change);
  switch_on(*there, change);
  return {};
}

// The last fragment of a plugin that goes takes the helper along.
void plan_without_helper(const std::string& plugin, Change& change) {
  for (const FragmentFile& file : change.after)
    if (!file.off && file.is_of(plugin)) return;
  FragmentFile* there = helper_fragment(plugin, change);
  if (!there || there->off) return;
  change.helper = Change::Helper::goes;
  switch_off(*there, change);
}

std::string conf_directory(const PluginInvocation& call) {
  std::string out = call.conf;
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

}  // namespace

int plugin_enable(const PluginInvocation& call) {
  if (call.arguments.size() != 1) return complain("usage: veredus enable NAME", EX_USAGE);
  const std::string& name = call.arguments[0];
  std::string conf = conf_directory(call);
  auto files = read_fragment_files(conf);
  if (!files) return complain(files.error().text, EX_NOINPUT);
  auto enabled = std::find_if(files->begin(), files->end(), [&](const FragmentFile& file) { return !file.off && file.is_of(name); });
  Change change;
  change.after = *files;
  Status planned = enabled == files->end() ? plan_plugin(name, conf, change) : Status();
  if (planned) planned = plan_helper(without_instance(name), conf, change);
  if (!planned) return complain(planned.error().text, planned.error().code == Errc::io ? EX_NOINPUT : EX_USAGE);
  if (change.steps.empty()) return say(name + " is already enabled by " + enabled->path), EX_OK;
  sort_by_name(change.after);
  change.done = name + " is enabled by ";
  return carry_out(change);
}

int plugin_disable(const PluginInvocation& call) {
  if (call.arguments.size() != 1) return complain("usage: veredus disable NAME", EX_USAGE);
  const std::string& name = call.arguments[0];
  auto files = read_fragment_files(conf_directory(call));
  if (!files) return complain(files.error().text, EX_NOINPUT);
  Change change;
  change.after = *files;
  std::vector<std::string> enabled;
  bool off_already = false;
  for (FragmentFile& file : change.after) {
    if (!file.off && !file.plugin.empty()) enabled.push_back(file.plugin);
    off_already |= file.off && file.is_of(name);
    if (!file.off && file.is_of(name)) switch_off(file, change);
  }
  if (change.told.empty() && off_already) return say(name + " is already disabled"), EX_OK;
  if (change.told.empty()) return complain("no fragment enables a plugin " + in_quotes(name) + did_you_mean(name, enabled), EX_USAGE);
  plan_without_helper(without_instance(name), change);
  change.done = name + " is disabled: ";
  change.end = change.told.size() == 1 ? " is now called .off" : " are now called .off";
  return carry_out(change);
}

}  // namespace veredus
