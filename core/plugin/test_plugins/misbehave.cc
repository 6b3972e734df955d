// A plugin for tests that does one thing wrong, as its setting says, at stage rcpt; and things that are allowed but rare.
#include <atomic>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <veredus/veredus.h>

namespace {

const vrd_core_hook_1* hook;
const vrd_core_edit_1* edit;
const vrd_core_conf_1* conf_table;
const vrd_core_message_1* message;

std::vector<const void*>& kept_for_good = *new std::vector<const void*>;  // where a search for leaks does not see it

struct Plugin {
  const vrd_host* host;
  std::string how;
  vrd_stage* kept = nullptr;
  const vrd_view* view = nullptr;
  vrd_pending token = 0;
  std::atomic<int> cancelled{0}, won{0};
  int races = 0;
  std::vector<std::thread> threads;
  ~Plugin() {
    for (std::thread& thread : threads) thread.join();
  }
};

vrd_edits* noted(Plugin& me, const char* value) {
  vrd_edits* edits = edit->create(me.host);
  edit->note(edits, VRD_STR("misbehave.note"), {value, std::strlen(value)});
  return edits;
}

using Deed = vrd_status (*)(Plugin&, vrd_stage*, vrd_verdict*);

struct Named {
  const char* how;
  Deed deed;
};

const Named kDeeds[] = {
    {"nonsense", [](Plugin&, vrd_stage*, vrd_verdict* out) -> vrd_status { out->action = 77; return VRD_OK; }},
    {"reserved", [](Plugin&, vrd_stage*, vrd_verdict* out) -> vrd_status { out->reserved[9] = 1; return VRD_OK; }},
    {"fault", [](Plugin&, vrd_stage*, vrd_verdict* out) -> vrd_status { out->action = VRD_REJECT; return VRD_E_IO; }},
    {"throws", [](Plugin&, vrd_stage*, vrd_verdict*) -> vrd_status { throw std::runtime_error("of no use"); }},
    {"throws_int", [](Plugin&, vrd_stage*, vrd_verdict*) -> vrd_status { throw 7; }},
    {"no_token", [](Plugin&, vrd_stage*, vrd_verdict* out) -> vrd_status { out->action = VRD_PENDING; return VRD_OK; }},
    {"no_right", [](Plugin&, vrd_stage* stage, vrd_verdict*) -> vrd_status { return edit->set_sender(hook->edits(stage), VRD_STR("a@b.test")); }},
    {"twice", [](Plugin&, vrd_stage* stage, vrd_verdict* out) -> vrd_status {
       vrd_pending token = hook->defer(stage, 5000);
       vrd_verdict first{}, second{};
       first.action = VRD_TEMPFAIL;
       second.action = VRD_REJECT;
       out->action = VRD_PENDING;
       if (hook->complete(token, &first, nullptr) != VRD_OK) return VRD_E_FAULT;
       return hook->complete(token, &second, nullptr) == VRD_E_LATE ? VRD_OK : VRD_E_FAULT;
     }},
    {"never", [](Plugin& me, vrd_stage* stage, vrd_verdict* out) -> vrd_status {  // then too late
       if (me.token != 0)
         return hook->complete(me.token, nullptr, nullptr) == VRD_E_LATE && hook->complete(12345, nullptr, nullptr) == VRD_E_INVALID
                    ? VRD_OK : VRD_E_FAULT;
       me.token = hook->defer(stage, 50);
       out->action = VRD_PENDING;
       return me.token != 0 && hook->defer(stage, 50) == 0 ? VRD_OK : VRD_E_FAULT;
     }},
    {"thread", [](Plugin& me, vrd_stage* stage, vrd_verdict* out) -> vrd_status {
       vrd_pending token = hook->defer(stage, 5000);
       const vrd_view* view = hook->view_retain(hook->view(stage));
       out->action = VRD_PENDING;
       me.threads.emplace_back([&me, token, view] {
         vrd_value who{};
         message->attr(view, VRD_ATTR_RECIPIENT_LOCAL, &who);
         vrd_verdict verdict{};
         verdict.action = who.text.len == 2 && std::string(who.text.ptr) == "me" ? VRD_ACCEPT : VRD_REJECT;
         hook->view_release(view);
         hook->complete(token, &verdict, noted(me, "thread"));
       });
       return edit->note(hook->edits(stage), VRD_STR("misbehave.first"), VRD_STR("loop"));
     }},
    {"race", [](Plugin& me, vrd_stage* stage, vrd_verdict* out) -> vrd_status {  // each race has one winner
       for (std::thread& thread : me.threads) thread.join();
       me.threads.clear();
       if (me.won != me.races) return VRD_E_FAULT;
       ++me.races;
       vrd_pending token = hook->defer(stage, 5000);
       out->action = VRD_PENDING;
       for (int i = 0; i < 3; ++i)
         me.threads.emplace_back([&me, token] {
           if (hook->complete(token, nullptr, noted(me, "race")) == VRD_OK) ++me.won;
         });
       return VRD_OK;
     }},
    {"wrong_thread", [](Plugin&, vrd_stage* stage, vrd_verdict*) -> vrd_status {
       bool refused = false;
       std::thread([&] { refused = hook->view(stage) == nullptr && hook->edits(stage) == nullptr && hook->defer(stage, 100) == 0; }).join();
       return refused ? VRD_OK : VRD_E_FAULT;
     }},
    {"keeps_stage", [](Plugin& me, vrd_stage* stage, vrd_verdict*) -> vrd_status {
       vrd_stage* before = me.kept;
       me.kept = stage;
       return !before || (hook->view(before) == nullptr && hook->number(before) == 0) ? VRD_OK : VRD_E_FAULT;
     }},
    {"leaks", [](Plugin& me, vrd_stage* stage, vrd_verdict*) -> vrd_status {
       kept_for_good.push_back(edit->create(me.host));
       kept_for_good.push_back(hook->view_retain(hook->view(stage)));
       return kept_for_good.back() ? VRD_OK : VRD_E_FAULT;
     }},
    {"slow", [](Plugin&, vrd_stage*, vrd_verdict*) -> vrd_status {
       auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
       while (std::chrono::steady_clock::now() < until) {
       }
       return VRD_OK;
     }},
    {"gives_away", [](Plugin&, vrd_stage* stage, vrd_verdict* out) -> vrd_status {
       vrd_pending token = hook->defer(stage, 5000);
       out->action = VRD_PENDING;
       if (hook->complete(token, nullptr, hook->edits(stage)) != VRD_E_INVALID) return VRD_E_FAULT;
       return hook->complete(token, nullptr, nullptr);
     }},
    {"bad_edits", [](Plugin&, vrd_stage* stage, vrd_verdict*) -> vrd_status {
       vrd_edits* edits = hook->edits(stage);
       bool all = edit->insert_header(edits, 0, VRD_STR("X Bad"), VRD_STR("v")) == VRD_E_INVALID &&
                  edit->insert_header(edits, 0, VRD_STR("X-Bad"), VRD_STR("a\r\nBcc: x")) == VRD_E_INVALID &&
                  edit->insert_header(edits, 0, VRD_STR("X-Bad"), VRD_STR("a\nb")) == VRD_E_INVALID &&
                  edit->add_recipient(edits, VRD_STR("<>"), VRD_STR("")) == VRD_E_INVALID &&
                  edit->set_route(edits, 0, VRD_STR("smtp://"), VRD_STR("")) == VRD_E_INVALID &&
                  edit->note(edits, VRD_STR("Upper"), VRD_STR("")) == VRD_E_INVALID &&
                  edit->set_field(edits, VRD_STR("priority"), VRD_STR("101")) == VRD_E_INVALID &&
                  edit->reply(edits, 0, nullptr, VRD_STR("a\r\n250 b")) == VRD_E_INVALID;
       return all ? VRD_OK : VRD_E_FAULT;
     }},
};

vrd_status at_rcpt(void* shard, vrd_stage* stage, vrd_verdict* out) {
  auto& me = *static_cast<Plugin*>(shard);
  for (const Named& each : kDeeds)
    if (me.how == each.how) return each.deed(me, stage, out);
  return VRD_OK;
}

void cancelled(void* shard, vrd_pending) { static_cast<Plugin*>(shard)->cancelled++; }

const vrd_hook kRcpt = {VRD_SIZED(vrd_hook), VRD_STAGE_RCPT, 0, 0, VRD_MAY_NOTES, VRD_ON_FAULT_TEMPFAIL, 0, 0, at_rcpt, cancelled};
const vrd_hook* const kHooks[] = {&kRcpt, nullptr};
const vrd_setting kHow = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "how", "not", nullptr, "What to do wrong."};
const vrd_setting* const kSettings[] = {&kHow, nullptr};

vrd_status create(const vrd_host* host, const vrd_conf* conf, void*, void** self, vrd_err*) {
  hook = static_cast<const vrd_core_hook_1*>(host->iface(host, VRD_CORE_HOOK_1));
  edit = static_cast<const vrd_core_edit_1*>(host->iface(host, VRD_CORE_EDIT_1));
  conf_table = static_cast<const vrd_core_conf_1*>(host->iface(host, VRD_CORE_CONF_1));
  message = static_cast<const vrd_core_message_1*>(host->iface(host, VRD_CORE_MESSAGE_1));
  auto* plugin = new Plugin{host, conf_table->text(conf_table->get(conf, "how")).ptr};
  *self = plugin;
  return VRD_OK;
}

void destroy(void* self) { delete static_cast<Plugin*>(self); }

}  // namespace

extern "C" const vrd_plugin* veredus_plugin_1(void) {
  static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, MODE, 0, NAME, "1.0", "Apache-2.0", "Does one thing wrong.",
                                    kSettings, kHooks, nullptr, nullptr, create, nullptr, nullptr, nullptr, destroy, nullptr};
  return &plugin;
}
