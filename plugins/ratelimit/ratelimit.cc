// ratelimit: counts connections, messages, recipients and octets in buckets of core.kv, and puts off, refuses or marks what is above a
// limit. All limits of a stage are one request. Hooks run on loop threads, one Shard a loop; limits are only read.
#include <veredus/plugin.hpp>

#include <memory>
#include <set>

#include "limit.hpp"

namespace {

using namespace ratelimit;

constexpr size_t kMostLimits = 64;  // of one request to the store
constexpr vrd::milliseconds kStoreTimeout{2'000}, kWhole{10'000};
constexpr const char* kActions[] = {"defer", "reject", "disconnect", "mark", nullptr};

std::vector<std::unique_ptr<Limit>> limits_of(const vrd::Conf& conf) {
  std::vector<std::unique_ptr<Limit>> out;
  std::set<std::string> names;
  for (const vrd::Conf& one : conf.list("limits")) {
    out.push_back(std::make_unique<Limit>(one));
    if (!names.insert(out.back()->name).second) one["name"].refuse("there are two limits '" + out.back()->name + "'");
  }
  if (out.size() > kMostLimits) conf["limits"].refuse("there are at most 64 limits; a second instance can have more");
  return out;
}

class Ratelimit : public vrd::Plugin<> {
 public:
  explicit Ratelimit(vrd::Setup& setup)
      : Plugin(setup),
        limits(limits_of(setup.conf)),
        exempt(common::patterns_of<common::NetworkPattern>(setup.conf, "exempt")),
        defer_on_error(setup.conf.choice("on_error") == 1),
        prefix(std::string(setup.host.instance()) + "/"),
        over(setup.metric(VRD_METRIC_COUNTER, "over_total", "What was above a limit, by what happened", "action", kActions)),
        unavailable(setup.counter("unavailable_total", "Requests that the store did not answer")) {}

  const std::vector<std::unique_ptr<Limit>> limits;
  const std::vector<common::NetworkPattern> exempt;
  const bool defer_on_error;
  const std::string prefix;
  const vrd::Metric over, unavailable;

  struct Shard : vrd::ShardOf<Ratelimit> {
    using ShardOf::ShardOf;
    vrd::Verdict on_connect(vrd::Call& call) { return count(connections, 1, call); }
    vrd::Verdict on_mail(vrd::Call& call) { return count(messages, 1, call); }
    vrd::Verdict on_rcpt(vrd::Call& call) { return count(recipients, 1, call); }
    vrd::Verdict on_message(vrd::Call& call) { return count(octets, call.number(VRD_ATTR_MESSAGE_SIZE), call); }

   private:
    struct Counted {
      const Limit* limit;
      std::string key;
    };
    /** A request to the store, and who waits for it. */
    struct Waiting {
      vrd::KeptView view;
      vrd::Pending pending;
      std::vector<Counted> counted;
    };

    vrd::Verdict count(What what, int64_t amount, vrd::Call& call);
    void answered(Waiting& waiting, const vrd::KvResult& result);
    void without_store(Waiting& waiting, vrd_status status);
    vrd::Verdict verdict(const Limit& limit, int64_t wait_ms) const;
    common::Seldom store_failed;
  };
};

vrd::Verdict Ratelimit::Shard::count(What what, int64_t amount, vrd::Call& call) {
  const auto address = common::address_octets(call.text(VRD_ATTR_CLIENT_ADDRESS));
  if (address && common::any_matches(plugin.exempt, *address)) return vrd::next();
  auto request = host.kv(kStoreTimeout);
  Waiting waiting;
  for (const auto& limit : plugin.limits) {
    std::string key = limit->what == what ? limit->key(call) : std::string();
    if (key.empty()) continue;
    request.take(common::bounded_key(plugin.prefix + limit->name + " " + key), limit->bucket.tokens(amount), limit->bucket.capacity, limit->bucket.per_second);
    waiting.counted.push_back({limit.get(), std::move(key)});
  }
  if (waiting.counted.empty()) return vrd::next();
  waiting.view = call.keep();
  waiting.pending = call.defer(kWhole);
  request.then([this, waiting = std::move(waiting)](vrd::KvResult result) mutable { answered(waiting, result); });
  return vrd::later();
}

void Ratelimit::Shard::answered(Waiting& waiting, const vrd::KvResult& result) {
  if (!result.ok() || result.answers.size() != waiting.counted.size()) return without_store(waiting, result.status);
  vrd::Verdict out = vrd::next();
  vrd::OwnEdits edits;
  for (size_t i = 0; i < result.answers.size(); i++) {
    const vrd::KvAnswer& answer = result.answers[i];
    const Limit& limit = *waiting.counted[i].limit;
    if (answer.status < 0) return without_store(waiting, answer.status);
    if (answer.taken) continue;
    plugin.over.add(1, static_cast<uint32_t>(limit.over));
    host.info("over", {{"limit", limit.name}, {"key", waiting.counted[i].key}, {"action", kActions[limit.over]}, {"wait_ms", answer.number}}, waiting.view);
    if (limit.over == mark) {
      if (!edits) edits = waiting.pending.edits();
      edits.note("ratelimit." + limit.name, "over");
    } else if (out.action() == VRD_NEXT) {
      out = verdict(limit, answer.number);
    }
  }
  waiting.pending.answer(out, std::move(edits));
}

void Ratelimit::Shard::without_store(Waiting& waiting, vrd_status status) {
  plugin.unavailable.add();
  if (store_failed.now(host.mono_ms())) host.warning("store_failed", {{"status", status}}, waiting.view);
  if (!plugin.defer_on_error) waiting.pending.answer(vrd::next());
  else waiting.pending.answer(vrd::tempfail("4.3.0", "Rates cannot be counted for now, try again later").rule("store"));
}

vrd::Verdict Ratelimit::Shard::verdict(const Limit& limit, int64_t wait_ms) const {
  const std::string text = limit.reply(wait_ms), rule = limit.name;
  if (limit.over == reject) return vrd::reject("5.7.1", text).rule(rule);
  if (limit.over == disconnect) return vrd::disconnect("4.7.0", text, 421).rule(rule);
  return vrd::tempfail("4.7.1", text).rule(rule);
}

constexpr vrd::About kAbout{"ratelimit", "1.0", "Apache-2.0", "Limits rates of connections, messages, recipients and octets"};

#define RATELIMIT_WHO(P)                                                                                                                     \
  vrd::setting(P ".client", VRD_SETTING_NETWORK, nullptr, nullptr, "Address of the client.", VRD_SETTING_LIST),                              \
      vrd::setting(P ".account", VRD_SETTING_TEXT, nullptr, "1..255", "Authenticated account; * is any.", VRD_SETTING_LIST),                 \
      vrd::setting(P ".tenant", VRD_SETTING_TEXT, nullptr, "1..255", "Tenant; * is any.", VRD_SETTING_LIST),                                 \
      vrd::setting(P ".listener_role", VRD_SETTING_CHOICE, nullptr, RATELIMIT_ROLES, "Role of the listener.", VRD_SETTING_LIST)

constexpr vrd_setting kSettings[] = {
    vrd::setting("limits", VRD_SETTING_RECORD, "[]", nullptr, "Limits. Each counts for itself; of several that are reached the first decides.", VRD_SETTING_LIST),
    vrd::setting("limits[].name", VRD_SETTING_TEXT, nullptr, "1..40", "Name, for log, notes and the store: a to z, 0 to 9, - and _.", VRD_SETTING_REQUIRED),
    vrd::setting("limits[].what", VRD_SETTING_CHOICE, nullptr, RATELIMIT_WHATS, "What is counted.", VRD_SETTING_REQUIRED),
    vrd::setting("limits[].per", VRD_SETTING_CHOICE, "client", RATELIMIT_KEYS, "By what it is counted; of a list each combination for itself.", VRD_SETTING_LIST),
    vrd::setting("limits[].rate", VRD_SETTING_TEXT, nullptr, "3..40", "So much in so long: 100/1h, 50MiB/1d.", VRD_SETTING_REQUIRED),
    vrd::setting("limits[].burst", VRD_SETTING_SIZE, nullptr, "1..1024GiB", "So much at once. Default: the count of the rate."),
    vrd::setting("limits[].over", VRD_SETTING_CHOICE, "defer", RATELIMIT_OVERS, "What happens above it; mark leaves a note ratelimit.NAME."),
    vrd::setting("limits[].reply", VRD_SETTING_TEXT, nullptr, "1..300", "Text of the reply; {seconds} is how long to wait."),
    vrd::setting("limits[].when", VRD_SETTING_RECORD, nullptr, nullptr, "For whom it is: all of this holds. Unset: for all."),
    RATELIMIT_WHO("limits[].when"),
    vrd::setting("limits[].not", VRD_SETTING_RECORD, nullptr, nullptr, "For whom it is not: any of this holds."),
    RATELIMIT_WHO("limits[].not"),
    vrd::setting("exempt", VRD_SETTING_NETWORK, "[]", nullptr, "Clients that are not counted.", VRD_SETTING_LIST),
    vrd::setting("on_error", VRD_SETTING_CHOICE, "accept", "accept|defer", "What happens while the store does not answer."),
};

using S = Ratelimit::Shard;
constexpr vrd::Hook kHooks[] = {
    vrd::hook<&S::on_connect>(VRD_STAGE_CONNECT, {.may = VRD_MAY_NOTES, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_mail>(VRD_STAGE_MAIL, {.may = VRD_MAY_NOTES, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_rcpt>(VRD_STAGE_RCPT, {.may = VRD_MAY_NOTES, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_message>(VRD_STAGE_MESSAGE, {.may = VRD_MAY_NOTES, .needs = VRD_NEED_CONTENT, .on_fault = VRD_ON_FAULT_NEXT}),
};

}  // namespace

VEREDUS_PLUGIN(Ratelimit, kAbout, kSettings, kHooks)
