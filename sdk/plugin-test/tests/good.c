/* A plugin that keeps every rule, in plain C: it uses each interface once or more, and answers at once, later, and from a thread. For the tests
 * of veredus-plugin-test; per loop. */
#include <veredus/veredus.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const vrd_host *host;
  const vrd_core_hook_1 *hook;
  const vrd_core_message_1 *message;
  const vrd_core_edit_1 *edit;
  const vrd_core_authres_1 *authres;
  const vrd_core_body_1 *body;
  const vrd_core_dns_1 *dns;
  const vrd_core_kv_1 *kv;
  const vrd_core_table_1 *table;
  const vrd_core_http_1 *http;
  const vrd_core_timer_1 *timer;
  const vrd_core_work_1 *work;
  const vrd_core_log_1 *log;
  const vrd_core_metric_1 *metric;
  const vrd_core_control_1 *control;
  const vrd_core_service_1 *service;
  const vrd_core_conf_1 *conf;
  int64_t delay_ms;
  uint32_t users, asked_metric, ticks_metric;
} good;

/* A wait of one hook call: everything it needs when its answer comes. */
typedef struct {
  good *self;
  vrd_pending token;
  const vrd_view *view;
  vrd_pending service; /* of a command or service instead */
} wait;

static vrd_status refuse(vrd_err *err, const good *self, const char *text) {
  if (self->conf) self->conf->fail(err, NULL, (vrd_str){text, strlen(text)});
  return VRD_E_UNSUPPORTED;
}

static void end_wait(wait *w, const vrd_verdict *verdict, vrd_edits *edits) {
  w->self->hook->complete(w->token, verdict, edits);
  w->self->hook->view_release(w->view);
  free(w);
}

/* NULL: no token. The view may be missing. */
static wait *new_wait(good *self, vrd_stage *stage) {
  vrd_pending token = self->hook->defer(stage, 10000);
  if (!token) return NULL;
  wait *w = calloc(1, sizeof *w);
  w->self = self;
  w->token = token;
  w->view = self->hook->view_retain(self->hook->view(stage));
  return w;
}

static void say(good *self, const char *event, const vrd_view *view) {
  if (self->log) self->log->write(self->host, VRD_LOG_INFO, (vrd_str){event, strlen(event)}, view, NULL, 0);
}

/* connect: a name of the client's address decides. */
static void listed(void *ctx, vrd_status status, const vrd_dns_answer *answer) {
  wait *w = ctx;
  vrd_verdict verdict;
  memset(&verdict, 0, sizeof verdict);
  vrd_edits *edits = NULL;
  if (status == VRD_OK && answer->count > 0) {
    verdict.action = VRD_REJECT;
    edits = w->self->edit->create(w->self->host);
    if (edits) w->self->edit->reply(edits, 554, (const uint8_t[3]){5, 7, 1}, VRD_STR("your address is listed"));
    if (edits) w->self->edit->rule(edits, VRD_STR("listed"));
    say(w->self, "listed", w->view);
  }
  if (status != VRD_OK) say(w->self, "dns_failed", NULL);
  end_wait(w, &verdict, edits);
}

/* A hook that cannot wait says "pending" only when it has a token. A token without a request is completed at once. */
static vrd_status later(wait *w, vrd_status asked, vrd_verdict *out) {
  out->action = VRD_PENDING;
  if (asked != VRD_OK) end_wait(w, NULL, NULL);
  return VRD_OK;
}

static vrd_status at_connect(void *shard, vrd_stage *stage, vrd_verdict *out) {
  good *self = shard;
  vrd_value client;
  self->message->attr(self->hook->view(stage), VRD_ATTR_CLIENT_ADDRESS, &client);
  if (!self->dns || client.kind != VRD_TEXT || client.text.len == 0 || client.text.len > 40) return VRD_OK;
  char name[80];
  memcpy(name, client.text.ptr, client.text.len);
  memcpy(name + client.text.len, ".list.test", 11);
  wait *w = new_wait(self, stage);
  if (!w) return VRD_OK;
  if (self->metric) self->metric->add(self->host, self->asked_metric, 0, 1);
  vrd_dns_request request = {VRD_SIZED(vrd_dns_request), VRD_DNS_A, {name, client.text.len + 10}, 5000, 0};
  vrd_op op;
  return later(w, self->dns->query(self->host, &request, w, listed, &op), out);
}

/* mail: a counter in the store; more than two messages of a sender are too many. */
static void counted(void *ctx, vrd_status status, const vrd_kv_answer *answers, size_t count) {
  wait *w = ctx;
  vrd_verdict verdict;
  memset(&verdict, 0, sizeof verdict);
  if (status == VRD_OK && count == 1 && answers[0].number > 2) verdict.action = VRD_TEMPFAIL;
  end_wait(w, &verdict, NULL);
}

static vrd_status at_mail(void *shard, vrd_stage *stage, vrd_verdict *out) {
  good *self = shard;
  vrd_value sender;
  self->message->attr(self->hook->view(stage), VRD_ATTR_SENDER, &sender);
  if (!self->kv || sender.kind != VRD_TEXT || sender.text.len == 0 || sender.text.len > 500 || memchr(sender.text.ptr, 0, sender.text.len)) return VRD_OK;
  vrd_kv_op op = {VRD_SIZED(vrd_kv_op), VRD_KV_ADD, 0, 0, sender.text, {"", 0}, 60000, 1, 0, 0};
  const vrd_kv_op *ops[] = {&op};
  wait *w = new_wait(self, stage);
  if (!w) return VRD_OK;
  vrd_op request;
  return later(w, self->kv->run(self->host, ops, 1, 2000, w, counted, &request), out);
}

/* rcpt: a table of users. */
static void found(void *ctx, vrd_status status, const vrd_table_row *rows, size_t count) {
  wait *w = ctx;
  vrd_verdict verdict;
  memset(&verdict, 0, sizeof verdict);
  vrd_edits *edits = NULL;
  if (status != VRD_OK) verdict.action = VRD_TEMPFAIL;
  if (status == VRD_OK && count == 1 && !rows[0].found) verdict.action = VRD_REJECT;
  if (status == VRD_OK && count == 1 && rows[0].found && rows[0].value.len > 0) {
    vrd_value index;
    w->self->message->attr(w->view, VRD_ATTR_RECIPIENT_INDEX, &index);
    edits = w->self->edit->create(w->self->host);
    if (edits) w->self->edit->set_recipient(edits, (uint32_t)index.number, rows[0].value);
  }
  end_wait(w, &verdict, edits);
}

static vrd_status at_rcpt(void *shard, vrd_stage *stage, vrd_verdict *out) {
  good *self = shard;
  vrd_value to;
  self->message->attr(self->hook->view(stage), VRD_ATTR_RECIPIENT, &to);
  if (!self->table || to.kind != VRD_TEXT || to.text.len > 500) return VRD_OK;
  wait *w = new_wait(self, stage);
  if (!w) return VRD_OK;
  vrd_op op;
  vrd_status asked = w->view ? self->table->lookup(self->host, self->users, &to.text, 1, 2000, w, found, &op) : VRD_E_MEMORY;
  return later(w, asked, out);
}

/* body: rewrites; every capital X becomes an x. */
static vrd_status at_body(void *shard, vrd_stage *stage, vrd_verdict *out) {
  good *self = shard;
  (void)out;
  if (!self->body) return VRD_E_UNSUPPORTED;
  vrd_str chunk = self->body->chunk(stage);
  char *copy = malloc(chunk.len + 1);
  for (size_t i = 0; i < chunk.len; ++i) copy[i] = chunk.ptr[i] == 'X' ? 'x' : chunk.ptr[i];
  self->body->emit(stage, (vrd_str){copy, chunk.len});
  free(copy);
  return VRD_OK;
}

/* message: a job on a worker reads a view that was kept, then the loop answers. */
typedef struct {
  wait *w;
  size_t octets;
} job;

static void read_all(void *ctx) {
  job *j = ctx;
  char buffer[512];
  size_t got = 1;
  while (got > 0 && j->w->self->message->read(j->w->view, j->octets, buffer, sizeof buffer, &got) == VRD_OK) j->octets += got;
}

static void was_read(void *ctx, vrd_status status) {
  job *j = ctx;
  good *self = j->w->self;
  vrd_edits *edits = status == VRD_OK ? self->edit->create(self->host) : NULL;
  if (edits) {
    vrd_str value;
    self->edit->insert_header(edits, 0, VRD_STR("X-Good"), VRD_STR("yes"));
    if (self->message->header(j->w->view, VRD_STR("Subject"), 1, &value, NULL) == VRD_OK)
      self->edit->replace_header(edits, VRD_STR("Subject"), 1, VRD_STR("changed"));
    self->edit->note(edits, VRD_STR("good.seen"), VRD_STR("1"));
    vrd_authres result = {VRD_SIZED(vrd_authres), 0, VRD_STR("iprev"), VRD_STR("pass"), {"", 0}, NULL, 0};
    if (self->authres) self->authres->add(edits, &result);
  }
  end_wait(j->w, NULL, edits);
  free(j);
}

static vrd_status at_message(void *shard, vrd_stage *stage, vrd_verdict *out) {
  good *self = shard;
  if (!self->work) return VRD_OK;
  wait *w = new_wait(self, stage);
  if (!w) return VRD_OK;
  job *j = calloc(1, sizeof *j);
  j->w = w;
  vrd_op op;
  vrd_status asked = w->view ? self->work->run(self->host, j, read_all, was_read, &op) : VRD_E_MEMORY;
  if (asked != VRD_OK) free(j);
  return later(w, asked, out);
}

/* queued: an answer from a thread of the plugin's own comes at `route`; here it is only logged. */
static vrd_status at_queued(void *shard, vrd_stage *stage, vrd_verdict *out) {
  good *self = shard;
  (void)out;
  say(self, "queued", self->hook->view(stage));
  return VRD_OK;
}

static void *answer_from_thread(void *ctx) {
  wait *w = ctx;
  vrd_edits *edits = w->self->edit->create(w->self->host);
  if (edits) w->self->edit->set_route(edits, 0, VRD_STR("relay.test"), (vrd_str){"", 0});
  end_wait(w, NULL, edits);
  return NULL;
}

static vrd_status at_route(void *shard, vrd_stage *stage, vrd_verdict *out) {
  good *self = shard;
  wait *w = new_wait(self, stage);
  if (!w) return VRD_OK;
  pthread_t thread;
  pthread_create(&thread, NULL, answer_from_thread, w);
  pthread_join(thread, NULL);
  out->action = VRD_PENDING;
  return VRD_OK;
}

static vrd_status at_result(void *shard, vrd_stage *stage, vrd_verdict *out) {
  good *self = shard;
  vrd_value code;
  self->message->attr(self->hook->view(stage), VRD_ATTR_REPLY_CODE, &code);
  if (code.kind == VRD_NUMBER && code.number == 550) out->action = VRD_TEMPFAIL;
  return VRD_OK;
}

static void tick(void *ctx) {
  good *self = ctx;
  if (self->metric) self->metric->add(self->host, self->ticks_metric, 0, 1);
}

static vrd_status run_status(void *instance, const vrd_str *argv, size_t argc, vrd_pending command, vrd_err *err) {
  good *self = instance;
  if (!self->control) return refuse(err, self, "no output");
  self->control->write(command, VRD_STR("good "));
  for (size_t i = 0; i < argc; ++i) self->control->write(command, argv[i]);
  self->control->finish(command, argc > 1 ? 64 : 0);
  return VRD_OK;
}

static vrd_status lookup(void *shard, const vrd_str *keys, size_t count, vrd_pending token) {
  good *self = shard;
  vrd_table_row rows[64];
  memset(rows, 0, sizeof rows);
  for (size_t i = 0; i < count && i < 64; ++i)
    if (keys[i].len > 0 && keys[i].ptr[0] == 'a') rows[i].found = 1, rows[i].value = keys[i];
  vrd_table_answer answer = {VRD_SIZED(vrd_table_answer), (uint32_t)count, rows};
  self->service->answer(token, VRD_OK, &answer);
  return VRD_OK;
}

static void got(void *ctx, vrd_status status, const vrd_http_answer *http, vrd_str error) {
  wait *w = ctx;
  (void)error;
  vrd_router_answer answer = {VRD_SIZED(vrd_router_answer), 451, {"", 0}, {"", 0}, VRD_STR("no route now")};
  if (status == VRD_OK && http->code == 200 && http->body.len > 0) answer.smtp = 0, answer.next_hop = http->body;
  w->self->service->answer(w->service, VRD_OK, &answer);
  free(w);
}

static vrd_status route_one(void *shard, const vrd_view *view, vrd_pending token) {
  good *self = shard;
  (void)view;
  if (!self->http) return VRD_E_UNSUPPORTED;
  wait *w = calloc(1, sizeof *w);
  w->self = self;
  w->service = token;
  vrd_http_request request = {VRD_SIZED(vrd_http_request), 2000, VRD_STR("GET"), VRD_STR("http://api.test/route"), NULL, 0, {"", 0}, 0, {"", 0}, {"", 0}};
  vrd_op op;
  vrd_status asked = self->http->request(self->host, &request, w, got, &op);
  if (asked != VRD_OK) free(w);
  return asked;
}

static const vrd_svc_table_1 table_service = {VRD_SIZED(vrd_svc_table_1), 0, lookup};
static const vrd_svc_router_1 router_service = {VRD_SIZED(vrd_svc_router_1), 0, route_one};

static const void *provide(void *self, const char *id) {
  (void)self;
  if (strcmp(id, VRD_SVC_TABLE_1) == 0) return &table_service;
  return strcmp(id, VRD_SVC_ROUTER_1) == 0 ? &router_service : NULL;
}

static vrd_status define(good *self) {
  static const char *const labels[] = {"a", "b", NULL};
  vrd_metric_def asked = {VRD_SIZED(vrd_metric_def), VRD_METRIC_COUNTER, "asked_total", "Questions asked.", NULL, NULL};
  vrd_metric_def ticks = {VRD_SIZED(vrd_metric_def), VRD_METRIC_GAUGE, "ticks", "Timer ticks.", "kind", labels};
  vrd_status status = self->metric->define(self->host, &asked, &self->asked_metric);
  return status == VRD_OK ? self->metric->define(self->host, &ticks, &self->ticks_metric) : status;
}

static void ask_all(good *self) {
  const vrd_host *h = self->host;
  self->hook = h->iface(h, VRD_CORE_HOOK_1);
  self->message = h->iface(h, VRD_CORE_MESSAGE_1);
  self->edit = h->iface(h, VRD_CORE_EDIT_1);
  self->authres = h->iface(h, VRD_CORE_AUTHRES_1);
  self->body = h->iface(h, VRD_CORE_BODY_1);
  self->dns = h->iface(h, VRD_CORE_DNS_1);
  self->kv = h->iface(h, VRD_CORE_KV_1);
  self->table = h->iface(h, VRD_CORE_TABLE_1);
  self->http = h->iface(h, VRD_CORE_HTTP_1);
  self->timer = h->iface(h, VRD_CORE_TIMER_1);
  self->work = h->iface(h, VRD_CORE_WORK_1);
  self->log = h->iface(h, VRD_CORE_LOG_1);
  self->metric = h->iface(h, VRD_CORE_METRIC_1);
  self->control = h->iface(h, VRD_CORE_CONTROL_1);
  self->service = h->iface(h, VRD_CORE_SERVICE_1);
  self->conf = h->iface(h, VRD_CORE_CONF_1);
}

static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **out, vrd_err *err) {
  good *self = calloc(1, sizeof *self);
  (void)prev;
  self->host = host;
  ask_all(self);
  if (!self->conf || !self->hook || !self->message || !self->edit || !self->service) {
    vrd_status status = refuse(err, self, "this host is too small");
    free(self);
    return status;
  }
  self->delay_ms = self->conf->number(self->conf->get(conf, "tick"));
  if (self->conf->number(self->conf->get(conf, "level")) == 13) {
    self->conf->fail(err, self->conf->get(conf, "level"), VRD_STR("13 is unlucky"));
    free(self);
    return VRD_E_CONFIG;
  }
  if (self->metric) define(self);
  if (self->table) self->table->open(host, VRD_STR("users"), &self->users);
  *out = self;
  return VRD_OK;
}

static vrd_status shard_start(void *instance, uint32_t loop, void **shard, vrd_err *err) {
  good *self = instance;
  (void)loop;
  (void)err;
  vrd_op timer;
  if (self->timer) self->timer->start(self->host, (uint64_t)self->delay_ms, (uint64_t)self->delay_ms, self, tick, &timer);
  *shard = self;
  return VRD_OK;
}

static void destroy(void *self) { free(self); }

static const vrd_setting tick_setting = {VRD_SIZED(vrd_setting), VRD_SETTING_DURATION, 0, 1, "tick", "1m", "1s..1h", "How often the timer ticks."};
static const vrd_setting level_setting = {VRD_SIZED(vrd_setting), VRD_SETTING_INT, 0, 1, "level", "1", "0..20", "A number."};
static const vrd_setting rules_setting = {VRD_SIZED(vrd_setting), VRD_SETTING_RECORD, VRD_SETTING_LIST, 1, "rules", NULL, NULL, "Rules."};
static const vrd_setting sender_setting = {VRD_SIZED(vrd_setting), VRD_SETTING_PATTERN, VRD_SETTING_REQUIRED, 1, "rules[].sender", NULL, NULL, "Whose mail."};
static const vrd_setting action_setting = {VRD_SIZED(vrd_setting), VRD_SETTING_CHOICE, 0, 1, "rules[].action", "keep", "keep|drop", "What becomes of it."};
static const vrd_setting *const settings[] = {&tick_setting, &level_setting, &rules_setting, &sender_setting, &action_setting, NULL};

#define HOOK(name, stage, needs, may) \
  static const vrd_hook hook_##name = {VRD_SIZED(vrd_hook), stage, 0, needs, may, VRD_ON_FAULT_TEMPFAIL, 0, 0, at_##name, NULL}
HOOK(connect, VRD_STAGE_CONNECT, 0, 0);
HOOK(mail, VRD_STAGE_MAIL, 0, 0);
HOOK(rcpt, VRD_STAGE_RCPT, 0, VRD_MAY_RECIPIENTS);
HOOK(body, VRD_STAGE_BODY, 0, VRD_MAY_BODY);
HOOK(message, VRD_STAGE_MESSAGE, VRD_NEED_CONTENT, VRD_MAY_HEADERS | VRD_MAY_NOTES | VRD_MAY_AUTHRES);
HOOK(queued, VRD_STAGE_QUEUED, 0, 0);
HOOK(route, VRD_STAGE_ROUTE, 0, VRD_MAY_ROUTE);
HOOK(result, VRD_STAGE_RESULT, 0, 0);
static const vrd_hook *const hooks[] = {&hook_connect, &hook_mail, &hook_rcpt, &hook_body, &hook_message, &hook_queued, &hook_route, &hook_result, NULL};

static const vrd_command status_command = {VRD_SIZED(vrd_command), 0, "good status", "[WORD]", "Says that it is good.", run_status};
static const vrd_command *const commands[] = {&status_command, NULL};
static const char *const services[] = {VRD_SVC_TABLE_1, VRD_SVC_ROUTER_1, NULL};

static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "good", "1.0", "Apache-2.0", "Keeps every rule.",
                                  settings, hooks, commands, services, create, shard_start, NULL, NULL, destroy, provide};

const vrd_plugin *veredus_plugin_1(void) { return &plugin; }
