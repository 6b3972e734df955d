// The table of commands, and how a command line is matched against it.
#include "control/command.h"

#include <algorithm>

#include "base/text.h"
#include "control/protocol.h"

namespace veredus {

namespace {

#define VRD_FILTERS "[ID ...] [--sender A] [--recipient A] [--domain D] [--destination NAME] [--state S] [--older DUR] [--younger DUR] [--tenant T]"

const std::vector<std::string_view> kFilterOptions = {"--sender", "--recipient", "--domain",  "--destination",
                                                      "--state",  "--older",     "--younger", "--tenant"};
std::vector<std::string_view> filters_and(std::string_view more) {
  std::vector<std::string_view> out = kFilterOptions;
  out.push_back(more);
  return out;
}

}  // namespace

const std::vector<CommandDef>& commands() {
  constexpr size_t kMany = 100'000;
  static const std::vector<CommandDef> table = {
      {"status", "[--wait SECONDS]", "Whether the daemon runs, since when, the balance of recipients, and the spool; with --wait, once it is ready.", {"--wait"}, 0, 0, run_status},
      {"queue list", VRD_FILTERS " [--limit N]", "Messages in the queue, oldest first.", filters_and("--limit"), 0, kMany, run_queue_list},
      {"queue show", "ID", "Everything known of one message.", {}, 1, 1, run_queue_show},
      {"queue cat", "ID", "The octets of one message, unchanged, also with --json.", {}, 1, 1, run_queue_cat},
      {"queue retry", VRD_FILTERS, "Try now instead of at the scheduled time.", kFilterOptions, 0, kMany, run_queue_retry},
      {"queue hold", VRD_FILTERS, "Make no more attempts until released.", kFilterOptions, 0, kMany, run_queue_hold},
      {"queue release", VRD_FILTERS, "End a hold.", kFilterOptions, 0, kMany, run_queue_release},
      {"queue bounce", VRD_FILTERS, "Give up now and tell the sender.", kFilterOptions, 0, kMany, run_queue_bounce},
      {"queue delete", VRD_FILTERS, "Remove without telling the sender; the log names who did it.", kFilterOptions, 0, kMany, run_queue_delete},
      {"destinations", "", "Where mail is waiting to go, with connections and back-off.", {}, 0, 0, run_destinations},
      {"suspend", "DESTINATION", "Start no attempts to destinations matching a pattern.", {}, 1, 1, run_suspend},
      {"resume", "DESTINATION", "End a suspension.", {}, 1, 1, run_resume},
      {"reload", "", "Test the configuration whole and put it in force.", {}, 0, 0, run_reload},
      {"metrics", "", "Counters in Prometheus' text form.", {}, 0, 0, run_metrics},
      {"log follow", "", "Log lines as they are written, until interrupted.", {}, 0, 0, run_log_follow},
      {"plugin stats", "[NAME]", "What plugins were asked, what they answered, and what it took, by stage.", {}, 0, 1, run_plugin_stats},
      {"auth test", "NAME ACCOUNT [--password-file FILE]", "Whether a plugin takes the password, of the file or of standard input, as the account's: ok, denied or temporary; --json tells the account and the mechanisms too.", {"--password-file", "--password"}, 2, 2, run_auth_test},
      {"dns", "NAME TYPE", "What the daemon's resolver answers: MX A AAAA TXT PTR TLSA CNAME; PTR also takes an address.", {}, 2, 2, run_dns},
  };
  return table;
}

const CommandDef* find_command(std::span<const std::string> words) {
  const CommandDef* best = nullptr;
  for (const CommandDef& command : commands()) {
    auto parts = split(command.name, ' ');
    if (parts.size() > words.size() || (best && best->name.size() >= command.name.size())) continue;
    if (std::equal(parts.begin(), parts.end(), words.begin())) best = &command;
  }
  return best;
}

namespace {

// The nearest of the candidates, in a form to be appended to a sentence; empty when none is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  size_t nearest = word.size() / 3 + 2;
  std::string_view best;
  for (std::string_view candidate : candidates)
    if (size_t distance = edit_distance(word, candidate); distance < nearest) {
      nearest = distance;
      best = candidate;
    }
  return best.empty() ? "" : " (did you mean '" + std::string(best) + "'?)";
}

Error unknown_option(const CommandDef& command, const std::string& option) {
  std::vector<std::string_view> candidates = command.options;
  candidates.push_back("--json");
  return fail(Errc::invalid, "unknown option '" + printable(option, 60) + "'" + did_you_mean(option.substr(0, 60), candidates));
}

}  // namespace

std::string unknown_command(std::span<const std::string> words) {
  if (words.empty()) return "no command given";
  std::string typed = printable(words[0], 60), group;
  std::vector<std::string_view> names;
  for (const CommandDef& command : commands()) {
    names.push_back(command.name);
    if (command.name.starts_with(words[0] + " ")) group += " '" + std::string(command.name) + "'";
  }
  if (!group.empty() && words.size() == 1) return "'" + typed + "' is the beginning of several commands:" + group;
  if (words.size() > 1) {
    std::string two = typed + " " + printable(words[1], 60), meant = did_you_mean(two, names);
    if (!meant.empty() || !group.empty()) return "unknown command '" + two + "'" + meant;
  }
  return "unknown command '" + typed + "'" + did_you_mean(typed, names);
}

Result<CommandCall> parse_call(const CommandDef& command, std::span<const std::string> words) {
  CommandCall call;
  size_t name_words = split(command.name, ' ').size();
  for (size_t i = name_words; i < words.size(); ++i) {
    if (!words[i].starts_with("--")) {
      call.arguments.push_back(words[i]);
      continue;
    }
    size_t equals = words[i].find('=');
    std::string option = words[i].substr(0, equals);
    if (std::find(command.options.begin(), command.options.end(), option) == command.options.end())
      return unknown_option(command, option);
    if (equals == std::string::npos && ++i == words.size()) return fail(Errc::invalid, option + " needs a value");
    call.options[option] = equals == std::string::npos ? words[i] : words[i].substr(equals + 1);
  }
  if (call.arguments.size() < command.least_arguments || call.arguments.size() > command.most_arguments)
    return fail(Errc::invalid, "wrong number of arguments");
  return call;
}

void Output::error(std::string_view text) { frames_ += encode_err(text); }

Task<Status> Output::flush() {
  if (!pending_.empty()) frames_ += encode_out(std::exchange(pending_, {}));
  if (frames_.empty()) co_return Status{};
  auto sent = co_await stream_.write(std::exchange(frames_, {}), Deadline::in(loop_, Seconds(60)));
  co_await sleep_for(loop_, Millis(0));
  co_return sent;
}

}  // namespace veredus
