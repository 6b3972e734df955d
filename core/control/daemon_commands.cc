// Commands about the daemon itself: status, reload, metrics, the log, DNS.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/units.h"
#include "control/command.h"
#include "log/people.h"
#include "loop/wait.h"

namespace veredus {

namespace {

using nlohmann::ordered_json;

std::string line(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json status_json(const ControlContext& context) {
  QueueCounters queue = context.queue.counters();
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
          {"spool_free", spool.free_octets}};
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
  return out;
}

DnsType type_of(std::string_view name) {
  static const std::map<std::string, DnsType, std::less<>> types = {
      {"a", DnsType::a},   {"aaaa", DnsType::aaaa}, {"mx", DnsType::mx},      {"txt", DnsType::txt},
      {"ptr", DnsType::ptr}, {"tlsa", DnsType::tlsa}, {"cname", DnsType::cname}, {"ns", DnsType::ns}};
  auto found = types.find(lowered(name));
  return found == types.end() ? DnsType{} : found->second;
}

std::string_view status_word(DnsStatus status) {
  constexpr std::string_view words[] = {"ok", "no data", "no such name", "time-out", "server failure", "refused", "malformed answer"};
  return words[static_cast<size_t>(status)];
}

std::string record_value(const DnsRecord& record) {
  if (record.address) return record.address.text();
  if (record.type == DnsType::mx) return std::to_string(record.preference) + " " + (record.text.empty() ? "." : record.text);
  if (record.type != DnsType::tlsa) return record.text;
  std::string hex;
  for (char c : record.octets) {
    constexpr char digits[] = "0123456789abcdef";
    hex += digits[static_cast<unsigned char>(c) >> 4];
    hex += digits[c & 15];
  }
  return hex;
}

void print_answer(const DnsAnswer& answer, bool json, Output& output) {
  ordered_json head = {{"status", status_word(answer.status)}, {"authentic", answer.authentic}, {"bogus", answer.bogus},
                       {"canonical", answer.canonical},        {"server", answer.server},       {"problem", answer.problem}};
  ordered_json records = ordered_json::array();
  for (const DnsRecord& record : answer.records) records.push_back({{"name", record.name}, {"ttl", record.ttl}, {"value", record_value(record)}});
  head["records"] = records;
  if (json) return output.print(line(head));
  output.print(std::string(status_word(answer.status)) + (answer.authentic ? ", authentic" : ", not authenticated") +
               (answer.server.empty() ? "" : ", from " + answer.server) + (answer.problem.empty() ? "" : ": " + answer.problem) + "\n");
  for (const DnsRecord& record : answer.records)
    output.print("  " + record.name + "  " + std::to_string(record.ttl) + "  " + printable(record_value(record), 2000) + "\n");
}

// Follows the log: lines come from any thread and are taken over by the control loop. Keeps at most this much for a slow reader.
class Follower final : public LogSink {
 public:
  explicit Follower(Loop& loop) : loop_(loop), box(std::make_shared<Mailbox<std::string>>(loop)) {}
  void write(std::string_view lines) override {
    loop_.post_call([box = std::weak_ptr(box), text = std::string(lines)]() mutable {
      if (auto alive = box.lock(); alive && alive->size() < 10'000) alive->put(std::move(text));
    });
  }

 private:
  Loop& loop_;

 public:
  std::shared_ptr<Mailbox<std::string>> box;
};

struct Following {
  Following(FanOutSink& s, Follower& f) : sinks(s), follower(f) { sinks.add(&follower); }
  ~Following() { sinks.remove(&follower); }
  FanOutSink& sinks;
  Follower& follower;
};

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

Task<int> run_metrics(ControlContext& context, CommandCall, Output& output) {
  output.print(context.metrics());
  co_return 0;
}

Task<int> run_log_follow(ControlContext& context, CommandCall call, Output& output) {
  Follower follower(context.loop);
  Following following(context.log_sinks, follower);
  for (;;) {
    co_await follower.box->filled(Deadline::in(context.loop, Seconds(30)));
    while (auto lines = follower.box->take()) output.print(call.json ? *lines : for_people(*lines));
    auto sent = co_await output.flush();
    auto gone = co_await output.stream().fill(Deadline::in(context.loop, Millis(0)));
    if (!sent || (gone && *gone == 0) || (!gone && gone.error().code != Errc::timeout)) co_return 0;
  }
}

Task<int> run_dns(ControlContext& context, CommandCall call, Output& output) {
  DnsType type = type_of(call.arguments[1]);
  if (type == DnsType{}) {
    output.error("unknown type '" + printable(call.arguments[1], 20) + "'; one of MX A AAAA TXT PTR TLSA CNAME NS\n");
    co_return 64;
  }
  auto answer = co_await context.resolver.query(call.arguments[0], type, Deadline::in(context.loop, Seconds(20)));
  print_answer(*answer, call.json, output);
  co_return answer->temporary() ? 75 : 0;
}

}  // namespace veredus
