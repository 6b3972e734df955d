/* A plugin for tests whose commands need no daemon: they print, ask DNS, wait, block, refuse. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <veredus/clock.h>
#include <veredus/conf.h>
#include <veredus/control.h>
#include <veredus/dns.h>
#include <veredus/plugin.h>
#include <veredus/timer.h>

static const vrd_setting s_must = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, VRD_SETTING_REQUIRED, 1, "must", NULL, NULL, "Must be given."};
static const vrd_setting s_word = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "word", "hello", NULL, "A word."};
static const vrd_setting *const settings[] = {&s_must, &s_word, NULL};

static struct {
  const vrd_host *host;
  const vrd_core_control_1 *control;
  const vrd_core_clock_1 *clock;
  const vrd_core_conf_1 *conf;
  const vrd_core_dns_1 *dns;
  const vrd_core_timer_1 *timer;
  const vrd_conf *settings;
  vrd_pending waiting;
} me;

static void line(vrd_pending command, const char *text, size_t length) {
  me.control->write(command, (vrd_str){text, length});
  me.control->write(command, VRD_STR("\n"));
}

static vrd_status echo(void *self, const vrd_str *argv, size_t argc, vrd_pending command, vrd_err *err) {
  (void)self, (void)err;
  char text[100];
  vrd_str word = me.conf->text(me.conf->get(me.settings, "word"));
  line(command, word.ptr, word.len);
  for (size_t i = 0; i < argc; ++i) line(command, argv[i].ptr, argv[i].len);
  int length = snprintf(text, sizeof text, "time %lld, must %s", (long long)(me.clock->wall_ms(me.host) / 1000),
                        me.conf->get(me.settings, "must") ? "given" : "unset");
  line(command, text, (size_t)length);
  me.control->error(command, VRD_STR("to standard error\n"));
  return me.control->finish(command, 3);
}

static void answered(void *ctx, vrd_status status, const vrd_dns_answer *answer) {
  (void)ctx;
  for (uint32_t i = 0; status == VRD_OK && i < answer->count; ++i) line(me.waiting, answer->records[i]->text.ptr, answer->records[i]->text.len);
  me.control->finish(me.waiting, status == VRD_OK ? 0 : 69);
}

static vrd_status ask(void *self, const vrd_str *argv, size_t argc, vrd_pending command, vrd_err *err) {
  (void)self;
  vrd_dns_request request = {VRD_SIZED(vrd_dns_request), VRD_DNS_TXT, argc > 0 ? argv[0] : VRD_STR(""), 5000, 0};
  me.waiting = command;
  vrd_status status = me.dns->query(me.host, &request, NULL, answered, NULL);
  if (status != VRD_OK) me.conf->fail(err, NULL, VRD_STR("that is not a name"));
  return status;
}

static void over(void *ctx) {
  (void)ctx;
  line(me.waiting, "later", 5);
  me.control->finish(me.waiting, 0);
}

static vrd_status later(void *self, const vrd_str *argv, size_t argc, vrd_pending command, vrd_err *err) {
  (void)self, (void)argv, (void)argc, (void)err;
  me.waiting = command;
  line(command, "now", 3);
  return me.timer->start(me.host, 50, 0, NULL, over, NULL);
}

static vrd_status hang(void *self, const vrd_str *argv, size_t argc, vrd_pending command, vrd_err *err) {
  (void)self, (void)argv, (void)argc, (void)command, (void)err;
  for (;;) pause();
}

#define COMMAND(function, doc) \
  static const vrd_command c_##function = {VRD_SIZED(vrd_command), VRD_COMMAND_OFFLINE, "offline " #function, "[WORD...]", doc, function}
COMMAND(echo, "Prints its words.");
COMMAND(ask, "Asks for TXT records.");
COMMAND(later, "Ends later.");
COMMAND(hang, "Never ends.");
static const vrd_command *const commands[] = {&c_echo, &c_ask, &c_later, &c_hang, NULL};

static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **self, vrd_err *err) {
  (void)prev, (void)err;
  me.host = host;
  me.settings = conf;
  me.control = host->iface(host, VRD_CORE_CONTROL_1);
  me.clock = host->iface(host, VRD_CORE_CLOCK_1);
  me.conf = host->iface(host, VRD_CORE_CONF_1);
  me.dns = host->iface(host, VRD_CORE_DNS_1);
  me.timer = host->iface(host, VRD_CORE_TIMER_1);
  *self = &me;
  return me.control && me.clock && me.conf && me.dns && me.timer ? VRD_OK : VRD_E_UNSUPPORTED;
}

const vrd_plugin *veredus_plugin_1(void) {
  static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "offline", "1.0", "Apache-2.0", "Commands without a daemon.",
                                    settings, NULL, commands, NULL, create, NULL, NULL, NULL, NULL, NULL};
  return &plugin;
}
