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
      {"status", "", "Whether the daemon runs, since when, and the balance of recipients.", {}, 0, 0, run_status},
      {"queue list", VRD_FILTERS " [--limit N]", "Messages in the queue, oldest first.", filters_and("--limit"), 0, kMany, run_queue_list},
      {"queue show", "ID", "Everything known of one message.", {}, 1, 1, run_queue_show},
      {"queue cat", "ID", "The octets of one message.", {}, 1, 1, run_queue_cat},
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
      {"dns", "NAME TYPE", "What the daemon's resolver answers: MX A AAAA TXT PTR TLSA CNAME.", {}, 2, 2, run_dns},
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
      return fail(Errc::invalid, "unknown option '" + printable(option, 60) + "'");
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
  co_return co_await stream_.write(std::exchange(frames_, {}), Deadline::in(loop_, Seconds(60)));
}

}  // namespace veredus
