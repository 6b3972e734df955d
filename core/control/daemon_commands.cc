// Commands about the daemon itself: status, reload, metrics, the log, DNS.
#include <sysexits.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/units.h"
#include "control/command.h"
#include "log/events.h"
#include "log/people.h"
#include "loop/wait.h"
#include "net/dns_name.h"
#include "net/dns_text.h"

namespace veredus {

namespace {

using nlohmann::ordered_json;

std::string line(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json status_json(const ControlContext& context) {
  QueueCounters queue = context.counters();
  SpoolStatus spool = context.spool.status();
  return {{"version", context.info.version},
          {"pid", context.info.pid},
          {"started", iso8601(context.info.started)},
          {"sessions", context.open_sessions()},
          {"messages", queue.messages},
          {"recipients_accepted", queue.accepted},
          {"recipients_finished", queue.delivered + queue.bounced + queue.expired + queue.discarded + queue.removed},
          {"recipients_queued", queue.queued},
          {"recipients_held", queue.held},
          {"spool_writable", spool.writable},
          {"spool_problem", spool.problem},
          {"spool_octets", spool.octets},
          {"spool_free", spool.free_octets},
          {"spool_set_aside", spool.set_aside}};
}

std::string status_text(const ordered_json& s) {
  std::string out = "veredusd " + s["version"].get<std::string>() + ", process " + s["pid"].dump() + ", since " +
                    s["started"].get<std::string>() + "\n";
  out += "sessions    " + s["sessions"].dump() + " open\n";
  out += "queue       " + s["messages"].dump() + " messages, " + s["recipients_queued"].dump() + " recipients (" +
         s["recipients_held"].dump() + " held)\n";
  out += "balance     " + s["recipients_accepted"].dump() + " accepted = " + s["recipients_finished"].dump() + " finished + " +
         s["recipients_queued"].dump() + " queued\n";
  out += "spool       " + std::string(s["spool_writable"].get<bool>() ? "writable" : "NOT WRITABLE") + ", " +
         format_size(s["spool_octets"].get<uint64_t>()) + " used, " + format_size(s["spool_free"].get<uint64_t>()) + " free\n";
  if (std::string problem = s["spool_problem"].get<std::string>(); !problem.empty()) out += "            " + problem + "\n";
  if (s["spool_set_aside"].get<uint64_t>() > 0)
    out += "            " + s["spool_set_aside"].dump() + " damaged records or files were set aside at start; the log names them\n";
  return out;
}

// Follows the log: lines come from any thread and are taken over by the control loop. A reader for whom more than this waits is let go.
class Follower final : public LogSink {
 public:
  static constexpr size_t kMostWaiting = 4 << 20;
  struct Box {
    explicit Box(Loop& loop) : lines(loop) {}
    Mailbox<std::string> lines;
    size_t octets = 0;
    bool overflowed = false;
  };

  explicit Follower(Loop& loop) : loop_(loop), box(std::make_shared<Box>(loop)) {}
  void write(std::string_view lines) override {
    loop_.post_call([weak = std::weak_ptr(box), text = std::string(lines)]() mutable { put(weak.lock(), std::move(text)); });
  }
  std::optional<std::string> take() {
    auto lines = box->lines.take();
    if (lines) box->octets -= lines->size();
    return lines;
  }

 private:
  static void put(const std::shared_ptr<Box>& box, std::string text) {
    if (!box) return;
    box->overflowed = box->overflowed || box->octets + text.size() > kMostWaiting;
    if (box->overflowed) return;
    box->octets += text.size();
    box->lines.put(std::move(text));
  }
  Loop& loop_;

 public:
  std::shared_ptr<Box> box;
};

struct Following {
  Following(FanOutSink& s, Follower& f) : sinks(s), follower(f) { sinks.add(&follower); }
  ~Following() { sinks.remove(&follower); }
  FanOutSink& sinks;
  Follower& follower;
};

int complain_lost(Output& output) {
  output.error("lines were lost: they come faster than they are read\n");
  return 75;
}

// One sample of Prometheus' text, `name{label="value"} 17`, as an object.
ordered_json sample_json(std::string_view sample) {
  size_t space = sample.rfind(' '), brace = std::min(sample.find('{'), space);
  ordered_json labels = ordered_json::object();
  for (size_t at = brace; at < space && sample[at] != '}';) {
    size_t equals = sample.find("=\"", ++at);
    if (equals == sample.npos) break;
    std::string value;
    size_t end = equals + 2;
    for (; end < space && sample[end] != '"'; ++end) value += sample[end] == '\\' && sample[++end] == 'n' ? '\n' : sample[end];
    labels[std::string(sample.substr(at, equals - at))] = value;
    at = end + 1;
  }
  ordered_json number = ordered_json::parse(sample.substr(space + 1), nullptr, false);
  return {{"name", sample.substr(0, brace)}, {"labels", labels}, {"value", number.is_number() ? number : ordered_json()}};
}

std::string for_people(std::string_view lines) {
  std::string out;
  for (std::string_view one : split(lines, '\n'))
    if (!one.empty()) out += format_for_people(one) + "\n";
  return out;
}

}  // namespace

Task<int> run_status(ControlContext& context, CommandCall call, Output& output) {
  ordered_json status = status_json(context);
  output.print(call.json ? line(status) : status_text(status));
  co_return 0;
}

Task<int> run_reload(ControlContext& context, CommandCall call, Output& output) {
  ReloadReport report = co_await context.reload();
  if (call.json) output.print(line({{"ok", report.ok}, {"text", report.text}}));
  else if (report.ok) output.print("reloaded\n" + report.text);
  else output.error(report.text + "nothing was changed\n");
  co_return report.ok ? 0 : 78;
}

Task<int> run_metrics(ControlContext& context, CommandCall call, Output& output) {
  std::string text = context.metrics();
  if (!call.json) output.print(text);
  for (std::string_view sample : call.json ? split(text, '\n') : std::vector<std::string_view>())
    if (!sample.empty() && sample[0] != '#') output.print(line(sample_json(sample)));
  co_return 0;
}

Task<int> run_log_follow(ControlContext& context, CommandCall call, Output& output) {
  Follower follower(context.loop);
  Following following(context.log_sinks, follower);
  for (;;) {
    co_await follower.box->lines.filled(Deadline::in(context.loop, Seconds(5)));
    Status sent;
    while (sent) {
      auto lines = follower.take();
      if (!lines) break;
      output.print(call.json ? *lines : for_people(*lines));
      sent = co_await output.flush();
    }
    if (follower.box->overflowed) {
      context.log.write(events::kControlFollowerLost, {{"by", call.by}});
      co_return complain_lost(output);
    }
    auto gone = co_await output.stream().fill(Deadline::in(context.loop, Millis(0)));
    if (!sent || (gone && *gone == 0) || (!gone && gone.error().code != Errc::timeout)) co_return 0;
  }
}

Task<int> run_plugin_stats(ControlContext& context, CommandCall call, Output& output) {
  if (!context.plugin_stats) co_return EX_UNAVAILABLE;
  Result<std::string> text = context.plugin_stats(call.arguments.empty() ? std::string() : call.arguments[0], call.json);
  if (!text) {
    output.error(text.error().text + "\n");
    co_return EX_NOINPUT;
  }
  output.print(*text);
  co_return 0;
}

// The command `veredus` has read the password; here it comes as an option that no user writes.
Task<int> run_auth_test(ControlContext& context, CommandCall call, Output& output) {
  if (!context.check_password) co_return EX_UNAVAILABLE;
  AuthTest test = co_await context.check_password(call.arguments[0], call.arguments[1], call.options["--password"]);
  using enum AuthTest::Result;
  if (test.result == unknown) {
    output.error("there is no plugin '" + printable(call.arguments[0], 60) + "' that knows accounts\n");
    co_return EX_UNAVAILABLE;
  }
  std::string_view word = test.result == ok ? "ok" : test.result == denied ? "denied" : "temporary";
  ordered_json said = {{"result", word}, {"mechanisms", test.mechanisms}};
  if (test.result == ok) said.update({{"account", test.account}, {"tenant", test.tenant}});
  output.print(call.json ? line(said) : std::string(word) + "\n");
  co_return test.result == ok ? 0 : test.result == denied ? EX_NOPERM : EX_TEMPFAIL;
}

Task<int> run_dns(ControlContext& context, CommandCall call, Output& output) {
  std::string name = call.arguments[0];
  auto type = dns_type_of(call.arguments[1]);
  if (!type || *type == DnsType::soa) {
    output.error("unknown type '" + printable(call.arguments[1], 20) + "'; one of MX A AAAA TXT PTR TLSA CNAME NS\n");
    co_return 64;
  }
  if (auto ip = IpAddress::parse(name); ip && *type == DnsType::ptr) name = reverse_name(*ip);
  auto answer = co_await context.resolver.query(name, *type, Deadline::in(context.loop, Seconds(20)));
  output.print(call.json ? describe_json(name, *type, *answer) + "\n" : describe(name, *type, *answer));
  co_return answer->temporary() ? 75 : 0;
}

}  // namespace veredus
