// greylist: the first try of an unknown triplet of client network, sender and recipient is put off; who tries again after the delay passes.
// What is known is in core.kv, so all loops and restarts share it. Hooks run on loop threads, one Shard a loop; settings are only read.
#include <veredus/plugin.hpp>

#include <atomic>
#include <memory>

#include "triplet.hpp"

namespace {

using common::AddressPattern;
using common::NetworkPattern;
using vrd::milliseconds;

constexpr const char* kDecisions[] = {"new", "early", "passed", "known", "known_client", "exempt", "unavailable", nullptr};
enum Decided : uint32_t { first_try, early, passed, known, known_client, exempt, unavailable, kDecidedCount };

constexpr milliseconds kStoreTimeout{2'000}, kTableTimeout{5'000}, kWhole{30'000}, kStatistics{600'000};
constexpr size_t kBatch = 64;
constexpr const char* kDelayNote = "greylist.delay";

struct Options {
  explicit Options(const vrd::Setup& setup)
      : delay(setup.conf.duration("delay")),
        retry_window(setup.conf.duration("retry_window")),
        lifetime(setup.conf.duration("lifetime")),
        pass_after(setup.conf.number("pass_after")),
        v4_prefix(static_cast<uint32_t>(setup.conf.number("ipv4_prefix"))),
        v6_prefix(static_cast<uint32_t>(setup.conf.number("ipv6_prefix"))),
        exempt(common::patterns_of<NetworkPattern>(setup.conf, "exempt")),
        exempt_recipients(common::patterns_of<AddressPattern>(setup.conf, "exempt_recipients")),
        header(setup.conf.flag("header")),
        at_data(setup.conf.choice("stage") == 1),
        hostname(setup.host.core("hostname")) {
    if (retry_window <= delay) setup.conf["retry_window"].refuse("retry_window must be longer than delay: nobody could pass");
    if (setup.conf["exempt_table"]) table = setup.table(setup.conf.text("exempt_table"));
  }
  const milliseconds delay, retry_window, lifetime;
  const int64_t pass_after;
  const uint32_t v4_prefix, v6_prefix;
  const std::vector<NetworkPattern> exempt;
  const std::vector<AddressPattern> exempt_recipients;
  const bool header, at_data;
  const std::string hostname;
  std::optional<vrd::Table> table;
};

/** What the store has of a triplet: "w1700000000000" waits since then, "p1700000000000" has passed. */
struct Entry {
  bool known = false, has_passed = false;
  int64_t since = 0;
  explicit Entry(std::string_view value) {
    if (value.size() < 2 || (value[0] != 'w' && value[0] != 'p')) return;
    const char* const end = value.data() + value.size();
    const auto [at, error] = std::from_chars(value.data() + 1, end, since);
    known = error == std::errc() && at == end;
    has_passed = known && value[0] == 'p';
  }
};

int64_t number_of(std::string_view digits) {
  int64_t out = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return out;
}

class Greylist : public vrd::Plugin<> {
 public:
  explicit Greylist(vrd::Setup& setup)
      : Plugin(setup), options(setup), decided(setup.metric(VRD_METRIC_COUNTER, "decided_total", "Recipients by what was decided", "decision", kDecisions)) {}

  const Options options;
  const vrd::Metric decided;
  std::array<std::atomic<uint64_t>, kDecidedCount> since_statistics{};

  void count(Decided what, uint64_t times = 1) {
    decided.add(static_cast<int64_t>(times), what);
    since_statistics[what].fetch_add(times, std::memory_order_relaxed);
  }

  struct Job;
  struct Shard : vrd::ShardOf<Greylist> {
    explicit Shard(const vrd::ShardSetup<Greylist>& setup) : ShardOf(setup) {
      if (loop == 0) host.every(kStatistics).then([this](vrd::TimerResult) { statistics(); });
    }
    vrd::Verdict on_rcpt(vrd::Call& call);
    vrd::Verdict on_data(vrd::Call& call);
    vrd::Verdict on_message(vrd::Call& call);

    bool is_exempt(const vrd::View& view) const;
    vrd::Verdict start(vrd::Call& call, std::vector<std::string> recipients);
    void statistics();
    common::Seldom store_failed, table_failed;
  };
};

/** The decision on one recipient, or at stage data on all: reads the triplets, then writes what is new. Owned by its callbacks. */
struct Greylist::Job : std::enable_shared_from_this<Job> {
  Job(Shard& of, vrd::Call& call, std::string with, std::vector<std::string> to)
      : shard(of), options(of.plugin.options), view(call.keep()), pending(call.defer(kWhole)), network(std::move(with)), recipients(std::move(to)) {
    for (const std::string& one : recipients) keys.push_back(greylist::triplet_key(network, view.text(VRD_ATTR_SENDER), one));
    client = greylist::client_key(network);
  }

  Shard& shard;
  const Options& options;
  vrd::KeptView view;
  vrd::Pending pending;
  std::string network, client;
  std::vector<std::string> recipients, keys;
  int64_t client_passed = 0;
  std::vector<Entry> entries;

  void ask_table() {
    std::vector<std::string> asked;
    const auto ask = [&](std::string_view key) {
      if (!key.empty() && key.size() <= 512 && asked.size() < kBatch) asked.push_back(common::lowered(key));
    };
    for (uint32_t attr : {VRD_ATTR_CLIENT_ADDRESS, VRD_ATTR_CLIENT_NAME, VRD_ATTR_SENDER, VRD_ATTR_SENDER_DOMAIN}) ask(view.text(attr));
    for (const std::string& one : recipients) ask(one), ask(std::string_view(one).substr(one.rfind('@') + 1));
    shard.host.lookup(*options.table, std::move(asked), kTableTimeout).then([self = shared_from_this()](vrd::TableResult result) { self->table_answered(result); });
  }

  void table_answered(const vrd::TableResult& result) {
    if (!result.ok() && shard.table_failed.now(shard.host.mono_ms())) shard.host.warning("table_failed", {{"status", result.status}}, view);
    const bool found = std::any_of(result.rows.begin(), result.rows.end(), [](const auto& row) { return row.has_value(); });
    if (found) return pass(exempt);
    read();
  }

  void read() {
    auto request = shard.host.kv(kStoreTimeout);
    const size_t from = entries.size(), end = std::min(keys.size(), from + kBatch - 1);
    request.get(client);
    for (size_t i = from; i < end; i++) request.get(keys[i]);
    request.then([self = shared_from_this()](vrd::KvResult result) { self->was_read(result); });
  }

  void was_read(const vrd::KvResult& result) {
    if (!result.ok() || result.answers.empty()) return give_up(result.status);
    client_passed = result.first().found() ? number_of(result.first().value) : 0;
    for (size_t i = 1; i < result.answers.size(); i++) entries.emplace_back(result.answers[i].found() ? result.answers[i].value : std::string());
    if (entries.size() < keys.size()) return read();
    judge();
  }

  void judge() {
    if (options.pass_after > 0 && client_passed >= options.pass_after) {
      auto request = shard.host.kv(kStoreTimeout);
      request.add_extend(client, 0, options.lifetime).then([](vrd::KvResult) {});
      return pass(known_client);
    }
    const int64_t now = shard.host.wall_ms();
    int64_t wait = 0, waited = -1;
    for (const Entry& one : entries) {
      if (one.has_passed) continue;
      const int64_t elapsed = one.known ? std::max<int64_t>(0, now - one.since) : 0;
      wait = std::max(wait, options.delay.count() - elapsed);
      waited = std::max(waited, elapsed);
    }
    if (wait > 0) return put_off(now, wait);
    remember(now);
    if (waited >= 0) shard.host.info("passed", {{"network", network}, {"waited_s", waited / 1000}}, view);
    pass(waited < 0 ? known : passed, waited);
  }

  /** The new ones are stored first: a try that is not remembered would be put off for ever. */
  void put_off(int64_t now, int64_t wait, size_t from = 0) {
    auto request = shard.host.kv(kStoreTimeout);
    size_t used = 0;
    for (; from < keys.size() && used < kBatch; from++)
      if (!entries[from].known) request.put_if_absent(keys[from], "w" + std::to_string(now), options.retry_window), used++;
    if (used == 0) return refuse(wait);
    request.then([self = shared_from_this(), now, wait, from](vrd::KvResult result) {
      if (!result.ok()) return self->give_up(result.status);
      self->put_off(now, wait, from);
    });
  }

  void refuse(int64_t wait) {
    const bool all_new = std::none_of(entries.begin(), entries.end(), [](const Entry& one) { return one.known; });
    shard.plugin.count(all_new ? first_try : early, recipients.size());
    const std::string seconds = std::to_string((wait + 999) / 1000);
    pending.answer(vrd::tempfail("4.7.1", "Unknown sender for this recipient, please try again in " + seconds + " seconds (greylisting)").rule("delay"));
  }

  /** All lives begin anew. Nobody waits for this: what is lost is found again. */
  void remember(int64_t now) {
    int64_t fresh = 0;
    for (size_t from = 0; from < keys.size();) {
      auto request = shard.host.kv(kStoreTimeout);
      for (size_t used = 1; from < keys.size() && used < kBatch; from++, used++) {
        fresh += entries[from].has_passed ? 0 : 1;
        request.put(keys[from], "p" + std::to_string(entries[from].has_passed ? entries[from].since : now), options.lifetime);
      }
      if (from == keys.size()) request.add_extend(client, fresh, options.lifetime);
      request.then([](vrd::KvResult) {});
    }
  }

  void pass(Decided why, int64_t waited = -1) {
    shard.plugin.count(why, recipients.size());
    vrd::OwnEdits edits;
    const int64_t before = number_of(view.note(kDelayNote).value_or("0"));
    if (options.header && waited / 1000 > before) {
      edits = pending.edits();
      edits.note(kDelayNote, std::to_string(waited / 1000));
    }
    pending.answer(vrd::next(), std::move(edits));
  }

  void give_up(vrd_status status) {
    if (shard.store_failed.now(shard.host.mono_ms())) shard.host.warning("store_failed", {{"status", status}}, view);
    pass(unavailable);
  }
};

bool Greylist::Shard::is_exempt(const vrd::View& view) const {
  if (!view.text(VRD_ATTR_AUTH_ACCOUNT).empty()) return true;
  const auto address = common::address_octets(view.text(VRD_ATTR_CLIENT_ADDRESS));
  return !address || common::any_matches(plugin.options.exempt, *address);
}

vrd::Verdict Greylist::Shard::start(vrd::Call& call, std::vector<std::string> recipients) {
  const size_t all = recipients.size();
  std::erase_if(recipients, [&](const std::string& one) { return common::any_matches(plugin.options.exempt_recipients, one); });
  if (all > recipients.size()) plugin.count(exempt, all - recipients.size());
  if (recipients.empty()) return vrd::next();
  const auto address = common::address_octets(call.text(VRD_ATTR_CLIENT_ADDRESS));
  const auto job = std::make_shared<Job>(*this, call, common::network_of(*address, plugin.options.v4_prefix, plugin.options.v6_prefix), std::move(recipients));
  if (plugin.options.table) job->ask_table();
  else job->read();
  return vrd::later();
}

vrd::Verdict Greylist::Shard::on_rcpt(vrd::Call& call) {
  // Who asks with the null sender whether an address exists shall not be put off; real reports get as far as data.
  if (plugin.options.at_data || call.text(VRD_ATTR_SENDER).empty()) return vrd::next();
  if (is_exempt(call)) {
    plugin.count(exempt);
    return vrd::next();
  }
  return start(call, {std::string(call.text(VRD_ATTR_RECIPIENT))});
}

vrd::Verdict Greylist::Shard::on_data(vrd::Call& call) {
  if (!plugin.options.at_data && !call.text(VRD_ATTR_SENDER).empty()) return vrd::next();
  std::vector<std::string> recipients;
  for (uint32_t i = 0; i < call.recipients(); i++) recipients.emplace_back(call.text(VRD_ATTR_RECIPIENT, i));
  if (is_exempt(call)) {
    plugin.count(exempt, recipients.size());
    return vrd::next();
  }
  return start(call, std::move(recipients));
}

vrd::Verdict Greylist::Shard::on_message(vrd::Call& call) {
  const auto delay = call.note(kDelayNote);
  if (plugin.options.header && delay) call.edits().prepend_header("X-Greylist", "delayed " + std::string(*delay) + " seconds by " + plugin.options.hostname);
  return vrd::next();
}

void Greylist::Shard::statistics() {
  std::array<uint64_t, kDecidedCount> n{};
  uint64_t sum = 0;
  for (size_t i = 0; i < n.size(); i++) sum += n[i] = plugin.since_statistics[i].exchange(0, std::memory_order_relaxed);
  if (sum == 0) return;
  host.info("statistics", {{"new", n[first_try]}, {"early", n[early]}, {"passed", n[passed]}, {"known", n[known]}, {"known_client", n[known_client]},
                           {"exempt", n[exempt]}, {"unavailable", n[unavailable]}});
}

constexpr vrd::About kAbout{"greylist", "1.0", "Apache-2.0", "Puts off the first try of unknown senders"};

constexpr vrd_setting kSettings[] = {
    vrd::setting("delay", VRD_SETTING_DURATION, "5m", "1s..1d", "How long a new triplet is put off."),
    vrd::setting("retry_window", VRD_SETTING_DURATION, "2d", "1m..30d", "A try must come again within this time, else it counts as the first."),
    vrd::setting("lifetime", VRD_SETTING_DURATION, "36d", "1h..365d", "How long a triplet, or a client, is known after its last message."),
    vrd::setting("pass_after", VRD_SETTING_INT, "5", "0..1000", "A client's network with so many triplets that passed is known: nothing of it is put off. 0: never."),
    vrd::setting("ipv4_prefix", VRD_SETTING_INT, "24", "8..32", "Clients whose addresses agree in so many bits are one."),
    vrd::setting("ipv6_prefix", VRD_SETTING_INT, "64", "16..128", "The same of IPv6."),
    vrd::setting("exempt", VRD_SETTING_NETWORK, "[127.0.0.0/8, \"::1\"]", nullptr, "Clients that are never put off.", VRD_SETTING_LIST),
    vrd::setting("exempt_recipients", VRD_SETTING_TEXT, "[\"postmaster@\", \"abuse@\"]", "1..320",
                 "Recipients whose mail is never put off: user@a.test, @a.test, .a.test, user@ or *.", VRD_SETTING_LIST),
    vrd::setting("exempt_table", VRD_SETTING_TABLE, nullptr, nullptr,
                 "A table that is asked for client address, client name, sender, recipient and their domains; any that is in it is exempt."),
    vrd::setting("header", VRD_SETTING_BOOL, "true", nullptr, "Whether a message that was put off gets a field X-Greylist with the delay."),
    vrd::setting("stage", VRD_SETTING_CHOICE, "rcpt", "rcpt|data", "When it is decided. At data all recipients of a message wait for the newest."),
};

using S = Greylist::Shard;
constexpr vrd::Hook kHooks[] = {
    vrd::hook<&S::on_rcpt>(VRD_STAGE_RCPT, {.may = VRD_MAY_NOTES, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_data>(VRD_STAGE_DATA, {.may = VRD_MAY_NOTES, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_message>(VRD_STAGE_MESSAGE, {.may = VRD_MAY_HEADERS, .on_fault = VRD_ON_FAULT_NEXT}),
};

}  // namespace

VEREDUS_PLUGIN(Greylist, kAbout, kSettings, kHooks)
