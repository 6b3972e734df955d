// veredus: the administrator's command. Offline commands are carried out here; the others by the daemon over its control socket.
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "base/text.h"
#include "base/units.h"
#include "config/load.h"
#include "config/show.h"
#include "control/command.h"
#include "log/people.h"
#include "main/check_world.h"
#include "main/client.h"
#include "main/migrate.h"
#include "main/plugin_commands.h"
#include "main/spool_commands.h"
#include "plugin/offline_host.h"
#include "plugin/prepare.h"
#include "plugin/probe.h"
#include "sendmail/flags.h"
#include "sendmail/sendmail.h"

namespace veredus {

namespace {

struct Invocation {
  std::string conf;
  bool json = false;
  std::vector<std::string> words;
};

struct OfflineCommand {
  std::string_view name, usage, doc;
  int (*run)(const Invocation&, std::vector<std::string> arguments);
};

int say(const std::string& text, int code = EX_OK) {
  std::fwrite(text.data(), 1, text.size(), code == EX_OK ? stdout : stderr);
  return code;
}

template <int (*command)(const PluginInvocation&)>
int run_plugin(const Invocation& call, std::vector<std::string> arguments) {
  return command({call.conf, call.json, std::move(arguments)});
}

int run_log(const Invocation&, std::vector<std::string>) {
  for (std::string line; std::getline(std::cin, line);) std::cout << format_for_people(line) << '\n';
  return std::cout.flush() ? EX_OK : EX_IOERR;
}

int run_migrate(const Invocation&, std::vector<std::string> arguments) { return migrate_postfix_command(std::move(arguments)); }

int run_completion(const Invocation&, std::vector<std::string>);
int run_help(const Invocation&, std::vector<std::string>);
int run_version(const Invocation&, std::vector<std::string>) { return say("veredus " VEREDUS_VERSION "\n"); }

template <int (*command)(const SpoolInvocation&)>
int run_spool(const Invocation& call, std::vector<std::string> arguments) {
  return command({call.conf, call.json, std::move(arguments)});
}

template <int (*command)(const CheckCall&)>
int run_check_command(const Invocation& call, std::vector<std::string> arguments) {
  return command({call.conf, call.json, std::move(arguments)});
}

template <const char* const& program>
int run_mail_program(const Invocation& call, std::vector<std::string> arguments) {
  return run_sendmail(program, arguments, call.conf);
}
constexpr const char* kSendmail = "sendmail";
constexpr const char* kMailq = "mailq";
constexpr const char* kNewaliases = "newaliases";
constexpr const char* kRmail = "rmail";
constexpr const char* kRunq = "runq";

const OfflineCommand kOffline[] = {
    {"config check", "", "Test the configuration and its plugins' settings; every error with its place.", run_plugin<config_check>},
    {"config show", "", "Effective settings with their origin.", run_plugin<config_show>},
    {"config explain", "SETTING|PLUGIN.SETTING", "What a setting means, its type, bounds and default.", run_plugin<config_explain>},
    {"plugin list", "", "Plugins that are there, and the fragments that enable them.", run_plugin<plugin_list>},
    {"plugin show", "FILE|NAME", "All that a plugin says of itself: hooks, services, commands, settings. None of its code runs here.", run_plugin<plugin_show>},
    {"plugin lint", "FILE", "What is wrong with an object: symbols and description; 65 when something is.", run_plugin<plugin_lint>},
    {"plugin order", "", "The hooks of this configuration in the order in which they are asked, stage by stage.", run_plugin<plugin_order>},
    {"plugin new", "NAME", "A new plugin in ./NAME that builds, from the template.", run_plugin<plugin_new>},
    {"enable", "NAME", "Enable a plugin: its fragment is renamed back from .off, or the packaged one copied, with its helper's; a running daemon reloads.", run_plugin<plugin_enable>},
    {"disable", "NAME", "Disable a plugin: its fragment is renamed to .off; a running daemon reloads.", run_plugin<plugin_disable>},
    {"spool verify", "", "Read every record and body of the spool and compare its checksum; 65 when something is damaged.", run_spool<spool_verify>},
    {"spool list", "", "Every message of the spool that is not finished.", run_spool<spool_list>},
    {"spool export", "[FILE]", "Everything unfinished as one stream, to FILE or standard output.", run_spool<spool_export>},
    {"spool import", "[FILE]", "Put a stream of `spool export` into the spool of a stopped daemon; ids are kept.", run_spool<spool_import>},
    {"check tls", "HOST[:PORT] [--implicit] [--port N] [--name NAME] [--ca FILE] [--dns ADDRESS:PORT] [--timeout SECONDS]",
     "Look at the TLS of a mail server as an expert would: what it offers, its certificate, what each level would do with mail, what to mend.", run_check_command<check_tls>},
    {"check dane", "DOMAIN [--port N] [--ca FILE] [--dns ADDRESS:PORT] [--timeout SECONDS]",
     "Look at the DANE of a domain: MX, DNSSEC, TLSA records, the certificates behind them, what happens to mail, what to mend.", run_check_command<check_dane>},
    {"migrate postfix", "DIR [--to DIR]", "Write the configuration of the Postfix in DIR as fragments into a new directory, and list what has no counterpart.", run_migrate},
    {"sendmail", "[FLAGS] [RECIPIENT ...] < MESSAGE", "Hand in a message, as sendmail(1).", run_mail_program<kSendmail>},
    {"mailq", "[-v]", "List the queue, as mailq(1).", run_mail_program<kMailq>},
    {"newaliases", "", "Have a running daemon read aliases again, as newaliases(1).", run_mail_program<kNewaliases>},
    {"rmail", "RECIPIENT ... < MESSAGE", "Hand in a message that came by UUCP, as rmail(8).", run_mail_program<kRmail>},
    {"runq", "", "Try what waits in the queue now, as runq(8).", run_mail_program<kRunq>},
    {"log", "< FILE", "Log lines from standard input, for people.", run_log},
    {"completion", "", "Words for shell completion.", run_completion},
    {"help", "", "This list.", run_help},
    {"version", "", "The version.", run_version},
};

int run_completion(const Invocation&, std::vector<std::string>) {
  std::string out;
  for (const OfflineCommand& command : kOffline) out.append(command.name).append("\n");
  for (const CommandDef& command : commands()) out.append(command.name).append("\n");
  for (const CataloguedCommand& plugin : catalogued_commands()) out.append(plugin.command.name).append("\n");
  for (const std::string& word : completion_words()) out.append(word).append("\n");
  return say(out);
}

std::string row(std::string_view name, std::string_view usage, std::string_view doc) {
  std::string head = "  " + std::string(name) + (usage.empty() ? "" : " ") + std::string(usage);
  return head + "\n      " + std::string(doc) + "\n";
}

int run_help(const Invocation&, std::vector<std::string>) {
  std::string out = "usage: veredus [--conf DIR] [--json] COMMAND\n\ncommands carried out by the daemon:\n";
  for (const CommandDef& command : commands()) out += row(command.name, command.usage, command.doc);
  out += "\ncommands that need no daemon:\n";
  for (const OfflineCommand& command : kOffline) out += row(command.name, command.usage, command.doc);
  std::string of_plugins;
  for (const CataloguedCommand& plugin : catalogued_commands())
    of_plugins += row(plugin.command.name, plugin.command.args, plugin.command.doc + (plugin.command.offline() ? " Needs no daemon." : ""));
  if (!of_plugins.empty()) out += "\ncommands of plugins:\n" + of_plugins;
  return say(out);
}

const OfflineCommand* find_offline(const std::vector<std::string>& words) {
  for (const OfflineCommand& command : kOffline) {
    auto parts = split(command.name, ' ');
    if (parts.size() <= words.size() && std::equal(parts.begin(), parts.end(), words.begin())) return &command;
  }
  return nullptr;
}

Result<Invocation> read_arguments(int argc, char** argv) {
  Invocation call;
  const char* from_environment = std::getenv("VEREDUS_CONF");
  call.conf = from_environment ? from_environment : "/etc/veredus/conf.d";
  std::vector<std::string> of_host;  // options of the host of offline commands, which may stand before the command
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--conf" && i + 1 == argc) return fail(Errc::invalid, "--conf wants a directory");
    if (word == "--conf") call.conf = argv[++i];
    else if (word == "--json") call.json = true;
    else if (call.words.empty() && (word == "--help" || word == "-h")) call.words = {"help"};
    else if (call.words.empty() && word == "--version") call.words = {"version"};
    else if (call.words.empty() && (word == "--dns" || word == "--time") && i + 1 < argc) of_host.insert(of_host.end(), {word, argv[++i]});
    else if (call.words.empty() && word.starts_with("-")) return fail(Errc::invalid, "unknown option '" + printable(word, 60) + "'");
    else call.words.push_back(std::move(word));
  }
  if (call.words.empty()) return fail(Errc::invalid, "no command given");
  call.words.insert(call.words.end(), of_host.begin(), of_host.end());
  return call;
}

// `status --wait SECONDS` is the one option that the command itself understands.
Result<std::optional<Millis>> take_wait(Invocation& call) {
  if (call.words.size() < 2 || call.words[0] != "status" || !call.words[1].starts_with("--wait")) return std::optional<Millis>();
  std::string value = call.words[1].starts_with("--wait=") ? call.words[1].substr(7) : call.words.size() > 2 ? call.words[2] : "";
  auto seconds = parse_uint(value, 86'400);
  if (!seconds) return fail(Errc::invalid, "--wait wants a number of seconds");
  call.words = {"status"};
  return std::optional<Millis>(Seconds(*seconds));
}

int run_offline(const CataloguedCommand& found, std::vector<std::string> words) {
  auto options = take_offline_options(words);
  if (!options) return say("veredus: " + options.error().text + "\n", EX_USAGE);
  return run_offline_command(found.path, std::move(words), *options);
}

int run_online(Invocation call) {
  auto wait = take_wait(call);
  if (!wait) return say("veredus: " + wait.error().text + "\n", EX_USAGE);
  bool of_core = find_command(call.words) != nullptr;
  auto of_plugin = of_core ? std::nullopt : find_catalogued_command(call.words);
  if (!of_core && !of_plugin) return say("veredus: " + unknown_command(call.words) + "\n", EX_USAGE);
  if (of_plugin && call.json) call.words.push_back("--json");
  if (of_plugin && of_plugin->command.offline()) return run_offline(*of_plugin, std::move(call.words));
  // A daemon that runs can be asked, and told to reload, whatever is being edited on disk.
  auto config = load_config(call.conf, options_with_plugins(Catalogue::standard()));
  ControlRequest request{call.words, call.json};
  if (Status read = add_password(request); !read) return say("veredus: " + read.error().text + "\n", EX_NOINPUT);
  std::string path = config ? config.value().settings->control : find_control_path(call.conf);
  auto code = *wait ? wait_for_daemon(path, request, **wait) : ask_daemon(path, request);
  if (code) return *code;
  if (!config) return say(config.error_text(), EX_CONFIG);
  return say("veredus: " + code.error().text + "\n", *wait ? EX_TEMPFAIL : code.error().code == Errc::refused ? EX_NOPERM : EX_UNAVAILABLE);
}

}  // namespace

// By the name that was called, or `veredus [--conf DIR] sendmail ...`: what follows is theirs, whatever it looks like.
std::optional<int> run_as_mail_program(int argc, char** argv) {
  const char* from_environment = secure_getenv("VEREDUS_CONF");
  std::string conf = from_environment ? from_environment : "/etc/veredus/conf.d";
  auto base = [](std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); };
  int first = 0;
  std::string program = argc > 0 ? base(argv[0]) : std::string();
  if (!is_sendmail_name(program)) {
    first = 1;
    if (first + 1 < argc && std::string_view(argv[first]) == "--conf") conf = argv[first + 1], first += 2;
    program = first < argc ? argv[first] : "";
  }
  if (!is_sendmail_name(program)) return std::nullopt;
  return run_sendmail(program, {argv + std::min(first + 1, argc), argv + argc}, conf);
}

int run_veredus(int argc, char** argv) {
  auto call = read_arguments(argc, argv);
  if (!call) return say("veredus: " + call.error().text + "; 'veredus help' lists the commands\n", EX_USAGE);
  if (const OfflineCommand* offline = find_offline(call->words)) {
    if (offline->name == "log" && call->words.size() > 1) return run_online(std::move(*call));
    size_t used = split(offline->name, ' ').size();
    return offline->run(*call, {call->words.begin() + static_cast<long>(used), call->words.end()});
  }
  return run_online(std::move(*call));
}

}  // namespace veredus

int main(int argc, char** argv) {
  if (auto code = veredus::run_as_mail_program(argc, argv)) return *code;
  if (auto code = veredus::run_as_probe_child(argc, argv)) return *code;
  return veredus::run_veredus(argc, argv);
}
