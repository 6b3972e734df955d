/* A plugin for tests: writes every hook call, with what it could read, as an event, and does what a note or the settings tell it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <veredus/veredus.h>

#ifndef NAME
#define NAME "recorder"
#endif
#ifndef MODE
#define MODE VRD_PER_LOOP
#endif

static const vrd_core_log_1 *log_;
static const vrd_core_hook_1 *hook_;
static const vrd_core_message_1 *message_;
static const vrd_core_edit_1 *edit_;
static const vrd_core_conf_1 *conf_;
static const vrd_core_authres_1 *authres_;
static const vrd_host *host_;

typedef struct self {
  const vrd_host *host;
  vrd_str refuse, hold_loop;
  int64_t fail_on;
} self;
static self only[64];
static int made;

static void wait_for_file(vrd_str path) {
  while (path.len > 0 && access(path.ptr, F_OK) != 0) usleep(1000);
}

static int is(vrd_str a, vrd_str b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

/* Writes what was found so far, and adds a finding of its own. */
static vrd_status at_helo(void *shard, vrd_stage *stage, vrd_verdict *out) {
  self *me = shard;
  const vrd_view *view = hook_->view(stage);
  vrd_authres row = {VRD_SIZED(vrd_authres), 0, {"", 0}, {"", 0}, {"", 0}, NULL, 0};
  vrd_str name, value;
  (void)out;
  for (uint32_t i = 0; i < authres_->count(view); ++i) {
    if (authres_->at(view, i, &row) != VRD_OK || authres_->property(view, i, 0, &name, &value) != VRD_OK) return VRD_E_FAULT;
    vrd_pair values[] = {{VRD_STR("method"), row.method}, {VRD_STR("result"), row.result}, {VRD_STR("property"), name}, {VRD_STR("value"), value}};
    log_->write(me->host, VRD_LOG_INFO, VRD_STR("found"), view, values, 4);
    if (authres_->property(view, i, (uint32_t)row.property_count, &name, &value) != VRD_E_NOT_FOUND) return VRD_E_FAULT;
  }
  if (authres_->at(view, authres_->count(view), &row) != VRD_E_NOT_FOUND) return VRD_E_FAULT;
  vrd_pair property = {VRD_STR("smtp.helo"), VRD_STR(NAME)};
  vrd_authres own = {VRD_SIZED(vrd_authres), 0, VRD_STR("spf"), VRD_STR("pass"), {"", 0}, &property, 1};
  return authres_->add(hook_->edits(stage), &own);
}

static vrd_status at_rcpt(void *shard, vrd_stage *stage, vrd_verdict *out) {
  self *me = shard;
  const vrd_view *view = hook_->view(stage);
  vrd_value sender, recipient, none;
  message_->attr(view, VRD_ATTR_SENDER_DOMAIN, &sender);
  message_->attr(view, VRD_ATTR_RECIPIENT, &recipient);
  message_->attr(view, VRD_ATTR_FINAL_STATE, &none);
  vrd_pair values[] = {{VRD_STR("sender"), sender.text}, {VRD_STR("recipient"), recipient.text}};
  log_->write(me->host, VRD_LOG_INFO, VRD_STR("saw"), view, values, 2);
  if (none.kind != VRD_NONE) return VRD_E_FAULT;
  if (me->refuse.len > 0 && is(recipient.text, me->refuse)) {
    const uint8_t code[3] = {5, 7, 27};
    out->action = VRD_REJECT;
    edit_->reply(hook_->edits(stage), 551, code, VRD_STR("not for you"));
    edit_->rule(hook_->edits(stage), VRD_STR("refuse"));
  }
  return VRD_OK;
}

static vrd_status at_message(void *shard, vrd_stage *stage, vrd_verdict *out) {
  const vrd_view *view = hook_->view(stage);
  vrd_str value;
  uint32_t at;
  (void)shard, (void)out;
  if (message_->header(view, VRD_STR("subject"), 1, &value, &at) != VRD_OK) return VRD_OK;
  if (strlen(value.ptr) != value.len) return VRD_E_FAULT;
  char seen[64];
  int size = snprintf(seen, sizeof seen, "%u of %u:%s", at, message_->header_count(view), value.ptr);
  edit_->insert_header(hook_->edits(stage), 0, VRD_STR("X-Seen"), (vrd_str){seen, (size_t)size});
  return VRD_OK;
}

static const vrd_hook rcpt = {VRD_SIZED(vrd_hook), VRD_STAGE_RCPT, 0, 0, 0, VRD_ON_FAULT_TEMPFAIL, 0, 0, at_rcpt, NULL};
static const vrd_hook message = {VRD_SIZED(vrd_hook), VRD_STAGE_MESSAGE, 0, VRD_NEED_CONTENT, VRD_MAY_HEADERS, VRD_ON_FAULT_TEMPFAIL, 0, 0, at_message, NULL};
static const vrd_hook helo = {VRD_SIZED(vrd_hook), VRD_STAGE_HELO, 0, 0, VRD_MAY_AUTHRES, VRD_ON_FAULT_TEMPFAIL, 0, 0, at_helo, NULL};
static const vrd_hook *const hooks[] = {&helo, &rcpt, &message, NULL};

static const vrd_setting s_refuse = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "refuse", NULL, NULL, "Whom to refuse."};
static const vrd_setting s_fail = {VRD_SIZED(vrd_setting), VRD_SETTING_BOOL, 0, 1, "fail", "false", NULL, "Whether create() fails."};
static const vrd_setting s_fail_loop = {VRD_SIZED(vrd_setting), VRD_SETTING_BOOL, 0, 1, "fail_loop", "false", NULL, "Whether shard_start() fails."};
static const vrd_setting s_fail_on = {VRD_SIZED(vrd_setting), VRD_SETTING_INT, 0, 1, "fail_on", "-1", "-1..255", "The loop on which shard_start() fails."};
static const vrd_setting s_hold = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "hold", "\"\"", NULL, "create() waits for this file."};
static const vrd_setting s_hold_loop = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "hold_loop", "\"\"", NULL, "shard_start() waits for this file, but not on loop 0."};
static const vrd_setting *const settings[] = {&s_refuse, &s_fail, &s_fail_loop, &s_fail_on, &s_hold, &s_hold_loop, NULL};

static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **out, vrd_err *err) {
  conf_ = host->iface(host, VRD_CORE_CONF_1);
  authres_ = host->iface(host, VRD_CORE_AUTHRES_1);
  log_ = host->iface(host, VRD_CORE_LOG_1);
  hook_ = host->iface(host, VRD_CORE_HOOK_1);
  message_ = host->iface(host, VRD_CORE_MESSAGE_1);
  edit_ = host->iface(host, VRD_CORE_EDIT_1);
  host_ = host;
  const vrd_conf *fail = conf_->get(conf, "fail");
  if (conf_->number(fail)) {
    conf_->fail(err, fail, VRD_STR("told to fail"));
    return VRD_E_CONFIG;
  }
  self *me = &only[made++ % 64];
  me->host = host;
  me->refuse = (vrd_str){"", 0};
  if (conf_->get(conf, "refuse")) me->refuse = conf_->text(conf_->get(conf, "refuse"));
  me->hold_loop = conf_->text(conf_->get(conf, "hold_loop"));
  me->fail_on = conf_->number(conf_->get(conf, "fail_on"));
  wait_for_file(conf_->text(conf_->get(conf, "hold")));
  log_->write(host, VRD_LOG_INFO, prev ? VRD_STR("created_again") : VRD_STR("created"), NULL, NULL, 0);
  *out = conf_->number(conf_->get(conf, "fail_loop")) ? NULL : me;
  return VRD_OK;
}

static vrd_status shard_start(void *self_, uint32_t loop, void **shard, vrd_err *err) {
  self *me = self_;
  if (!me || me->fail_on == (int64_t)loop) {
    conf_->fail(err, NULL, VRD_STR("told to fail on a loop"));
    return VRD_E_STATE;
  }
  if (loop != 0) wait_for_file(me->hold_loop);
  *shard = self_;
  return VRD_OK;
}
static void say(void *self_, vrd_str what) {
  if (self_) log_->write(((self *)self_)->host, VRD_LOG_INFO, what, NULL, NULL, 0);
}
static void shard_stop(void *shard) { say(shard, VRD_STR("shard_stop")); }
static void quiesce(void *self_) { say(self_, VRD_STR("quiesce")); }
static void destroy(void *self_) { say(self_, VRD_STR("destroy")); }

const vrd_plugin *veredus_plugin_1(void) {
  static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, MODE, 0, NAME, "1.0", "Apache-2.0", "Writes what it sees.",
                                    settings, hooks, NULL, NULL, create, shard_start, shard_stop, quiesce, destroy, NULL};
  return &plugin;
}
