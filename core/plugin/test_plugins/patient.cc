// A plugin for tests that answers every recipient later, from two threads of its own. Calls are numbered; each token is completed by both
// threads, so that one of them at least is late.
//
// `race: true`: at once, with time-outs of a few milliseconds. Otherwise the tokens wait, with a view each, until stage `bounce` is asked:
// then every third is answered; the others have 60 s and 600 s. When the plugin ends it writes what came of all of them.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <veredus/veredus.h>

namespace {

constexpr int kThreads = 2;

const vrd_core_hook_1* hook;
const vrd_core_edit_1* edit;
const vrd_core_log_1* log_;
const vrd_core_conf_1* conf_table;
const vrd_core_message_1* message;

struct Waiting {
  uint64_t number;
  vrd_pending token;
  const vrd_view* view;  // null in a race
};

struct Plugin {
  const vrd_host* host;
  bool race;
  uint64_t calls = 0;           // the loop's
  std::vector<Waiting> kept;    // likewise
  std::atomic<uint64_t> cancelled{0}, won{0}, late{0}, odd{0}, won_twice{0};
  std::mutex mutex;
  std::condition_variable more;
  std::deque<Waiting> queues[kThreads];
  std::vector<uint8_t> winners;  // by number, under the mutex
  bool stop = false;
  std::vector<std::thread> threads;
};

void answer(Plugin& me, const Waiting& one) {
  vrd_verdict verdict{};
  verdict.action = one.view ? VRD_REJECT : VRD_ACCEPT;
  if (one.view) {
    vrd_value who{};
    message->attr(one.view, VRD_ATTR_RECIPIENT, &who);
    if (who.text.len == 0) ++me.odd;
    hook->view_release(one.view);
  }
  vrd_edits* edits = nullptr;
  if (one.number % 16 == 0) {
    edits = edit->create(me.host);
    edit->note(edits, VRD_STR("patient.late"), VRD_STR("yes"));
  }
  vrd_status status = hook->complete(one.token, &verdict, edits);
  if (status == VRD_E_LATE) ++me.late;
  else if (status != VRD_OK) ++me.odd;
  if (status != VRD_OK) return;
  ++me.won;
  std::lock_guard lock(me.mutex);
  if (me.winners.size() <= one.number) me.winners.resize(one.number + 1);
  if (++me.winners[one.number] > 1) ++me.won_twice;
}

void work(Plugin* me, int thread) {
  std::unique_lock lock(me->mutex);
  for (;;) {
    me->more.wait(lock, [&] { return me->stop || !me->queues[thread].empty(); });
    if (me->queues[thread].empty()) return;
    Waiting one = me->queues[thread].front();
    me->queues[thread].pop_front();
    lock.unlock();
    answer(*me, one);
    lock.lock();
  }
}

void hand_over(Plugin& me, Waiting one) {
  std::lock_guard lock(me.mutex);
  for (int i = 0; i < kThreads; ++i) {
    if (i > 0 && one.view) one.view = hook->view_retain(one.view);
    me.queues[i].push_back(one);
  }
  me.more.notify_all();
}

vrd_status at_rcpt(void* shard, vrd_stage* stage, vrd_verdict* out) {
  auto& me = *static_cast<Plugin*>(shard);
  uint64_t number = me.calls++;
  uint32_t patience = me.race ? 1 + number % 3 : number % 3 == 2 ? 600'000 : 60'000;
  Waiting one{number, hook->defer(stage, patience), nullptr};
  if (one.token == 0) return VRD_E_FAULT;
  out->action = VRD_PENDING;
  if (me.race) {
    hand_over(me, one);
  } else {
    one.view = hook->view_retain(hook->view(stage));
    me.kept.push_back(one);
  }
  return VRD_OK;
}

vrd_status at_bounce(void* shard, vrd_stage*, vrd_verdict*) {
  auto& me = *static_cast<Plugin*>(shard);
  for (const Waiting& one : me.kept) {
    if (one.number % 3 == 0) hand_over(me, one);
    else hook->view_release(one.view);
  }
  me.kept.clear();
  return VRD_OK;
}

void cancelled(void* shard, vrd_pending) { ++static_cast<Plugin*>(shard)->cancelled; }

const vrd_hook kRcpt = {VRD_SIZED(vrd_hook), VRD_STAGE_RCPT, 0, 0, VRD_MAY_NOTES, VRD_ON_FAULT_TEMPFAIL, 0, 0, at_rcpt, cancelled};
const vrd_hook kBounce = {VRD_SIZED(vrd_hook), VRD_STAGE_BOUNCE, 0, 0, 0, VRD_ON_FAULT_TEMPFAIL, 0, 0, at_bounce, nullptr};
const vrd_hook* const kHooks[] = {&kRcpt, &kBounce, nullptr};
const vrd_setting kRace = {VRD_SIZED(vrd_setting), VRD_SETTING_BOOL, 0, 1, "race", "false", nullptr, "Threads answer at once."};
const vrd_setting* const kSettings[] = {&kRace, nullptr};

vrd_status create(const vrd_host* host, const vrd_conf* conf, void*, void** self, vrd_err*) {
  hook = static_cast<const vrd_core_hook_1*>(host->iface(host, VRD_CORE_HOOK_1));
  edit = static_cast<const vrd_core_edit_1*>(host->iface(host, VRD_CORE_EDIT_1));
  log_ = static_cast<const vrd_core_log_1*>(host->iface(host, VRD_CORE_LOG_1));
  conf_table = static_cast<const vrd_core_conf_1*>(host->iface(host, VRD_CORE_CONF_1));
  message = static_cast<const vrd_core_message_1*>(host->iface(host, VRD_CORE_MESSAGE_1));
  auto* me = new Plugin;
  me->host = host;
  me->race = conf_table->number(conf_table->get(conf, "race")) != 0;
  for (int i = 0; i < kThreads; ++i) me->threads.emplace_back(work, me, i);
  *self = me;
  return VRD_OK;
}

void quiesce(void* self) {
  auto& me = *static_cast<Plugin*>(self);
  {
    std::lock_guard lock(me.mutex);
    me.stop = true;
    me.more.notify_all();
  }
  for (std::thread& thread : me.threads) thread.join();
}

void destroy(void* self) {
  auto* me = static_cast<Plugin*>(self);
  std::string numbers[] = {std::to_string(me->calls), std::to_string(me->won), std::to_string(me->late), std::to_string(me->cancelled),
                           std::to_string(me->won_twice + me->odd)};
  const char* names[] = {"calls", "won", "late", "cancelled", "wrong"};
  vrd_pair pairs[5];
  for (int i = 0; i < 5; ++i) pairs[i] = {{names[i], std::char_traits<char>::length(names[i])}, {numbers[i].data(), numbers[i].size()}};
  log_->write(me->host, VRD_LOG_INFO, VRD_STR("summary"), nullptr, pairs, 5);
  delete me;
}

}  // namespace

extern "C" const vrd_plugin* veredus_plugin_1(void) {
  static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "patient", "1.0", "Apache-2.0", "Answers later, from threads.",
                                    kSettings, kHooks, nullptr, nullptr, create, nullptr, nullptr, quiesce, destroy, nullptr};
  return &plugin;
}
