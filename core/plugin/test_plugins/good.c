/* A plugin for tests with every kind of setting, two hooks and a command. Does nothing. */
#include <veredus/plugin.h>

#define SETTING(key, type, flags, dflt, bounds, doc) \
  static const vrd_setting s_##key = {VRD_SIZED(vrd_setting), type, flags, 1, #key, dflt, bounds, doc}

SETTING(delay, VRD_SETTING_DURATION, 0, "5m", "1s..1d", "How long to wait.");
SETTING(count, VRD_SETTING_INT, 0, "-3", "-10..100", "How many.");
SETTING(size, VRD_SETTING_SIZE, VRD_SETTING_RESTART, "10KiB", "1KiB..1GiB", "How large.");
SETTING(mode, VRD_SETTING_CHOICE, 0, "soft", "soft|hard", "How strict.");
SETTING(on, VRD_SETTING_BOOL, 0, "true", NULL, "Whether at all.");
SETTING(greeting, VRD_SETTING_TEXT, 0, NULL, "1..20", "What to say.");
SETTING(file, VRD_SETTING_PATH, 0, "list.txt", NULL, "Where to look.");
SETTING(networks, VRD_SETTING_NETWORK, VRD_SETTING_LIST, "[192.0.2.0/24]", NULL, "From where.");
SETTING(domains, VRD_SETTING_PATTERN, VRD_SETTING_LIST, NULL, NULL, "For whom.");
SETTING(users, VRD_SETTING_TABLE, 0, NULL, NULL, "A table of users.");
SETTING(labels, VRD_SETTING_MAP, 0, NULL, NULL, "Free keys.");
SETTING(password, VRD_SETTING_TEXT, VRD_SETTING_SECRET, NULL, "4..64", "The password.");
SETTING(rules, VRD_SETTING_RECORD, VRD_SETTING_LIST, NULL, NULL, "Rules, the first that fits counts.");
static const vrd_setting s_sender = {VRD_SIZED(vrd_setting), VRD_SETTING_PATTERN, VRD_SETTING_REQUIRED | VRD_SETTING_LIST, 1,
                                     "rules[].sender", NULL, NULL, "Whose mail."};
static const vrd_setting s_weight = {VRD_SIZED(vrd_setting), VRD_SETTING_INT, 0, 1, "rules[].weight", "1", "1..10", "How much."};

static const vrd_setting *const settings[] = {&s_delay,   &s_count, &s_size,   &s_mode,     &s_on,    &s_greeting, &s_file,   &s_networks,
                                              &s_domains, &s_users, &s_labels, &s_password, &s_rules, &s_sender,   &s_weight, NULL};

static vrd_status next(void *shard, vrd_stage *stage, vrd_verdict *out) {
  (void)shard, (void)stage, (void)out;
  return VRD_OK;
}
static const vrd_hook at_rcpt = {VRD_SIZED(vrd_hook), VRD_STAGE_RCPT, 5, 0, VRD_MAY_NOTES | VRD_MAY_RECIPIENTS, VRD_ON_FAULT_NEXT, 0, 0, next, NULL};
static const vrd_hook at_future = {VRD_SIZED(vrd_hook), 999, 0, 0, 0, VRD_ON_FAULT_TEMPFAIL, VRD_HOOK_OPTIONAL, 0, next, NULL};
static const vrd_hook *const hooks[] = {&at_rcpt, &at_future, NULL};

static vrd_status run(void *self, const vrd_str *argv, size_t argc, vrd_pending command, vrd_err *err) {
  (void)self, (void)argv, (void)argc, (void)command, (void)err;
  return VRD_E_UNSUPPORTED;
}
static const vrd_command command = {VRD_SIZED(vrd_command), 0, "good stats", "[NAME]", "Numbers.", run};
static const vrd_command *const commands[] = {&command, NULL};
static const char *const services[] = {"svc.table/1", NULL};

static int instance;
static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **self, vrd_err *err) {
  (void)host, (void)conf, (void)prev, (void)err;
  *self = &instance;
  return VRD_OK;
}
static const void *provide(void *self, const char *id) {
  (void)self, (void)id;
  return NULL;
}

const vrd_plugin *veredus_plugin_1(void) {
  static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "good", "1.2", "Apache-2.0", "Does nothing well.",
                                    settings, hooks, commands, services, create, NULL, NULL, NULL, NULL, provide};
  return &plugin;
}
