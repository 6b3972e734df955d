/* Plugins that each break one rule. BAD chooses which when this is compiled; the rule it breaks stands beside it in meson.build. */
#include <veredus/veredus.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREAD 1
#define STAGE_ENDED 2
#define NO_RIGHT 3
#define NOT_AT_STAGE 4
#define VIEW_LEAK 5
#define VIEW_STALE 6
#define EDITS_LEAK 7
#define UNANSWERED 8
#define REQUEST_LEFT 9
#define CREATE_ONLY 10
#define DESTROYED 11
#define UNKNOWN_BITS 12
#define VERDICT 13
#define BLOCKS 14
#define DESCRIPTION 15
#define GLOBAL 16
#define CRASH 17
#define CRASH_ON_ABORT 18
#define CRASH_ON_ERROR 19
#define CRASH_ON_NULL_IFACE 20
#define CRASH_ON_NO_MEMORY 21
#define TWICE 22
#define FOREVER 23
#define LATE_USE 24
#define ACTION 25

typedef struct {
  const vrd_host *host;
  const vrd_core_hook_1 *hook;
  const vrd_core_edit_1 *edit;
  const vrd_core_dns_1 *dns;
  const vrd_core_metric_1 *metric;
  const vrd_core_log_1 *log;
  const vrd_core_message_1 *message;
  const vrd_core_kv_1 *kv;
  const vrd_core_stream_1 *stream;
} bad;

typedef struct {
  bad *self;
  vrd_pending token;
} wait;

static vrd_stage *kept_stage;
static const vrd_view *kept_view;
static bad *last; /* what no plugin should have: one for all instances */
static char summary[] = "Breaks a rule.";
static vrd_pending cancelled_token;

static void answered(void *ctx, vrd_status status, const vrd_dns_answer *answer) {
  wait *w = ctx;
  bad *self = w->self;
#if BAD == CRASH_ON_ERROR
  (void)status;
  if (answer->count > 100) abort();
#elif BAD == CRASH_ON_NO_MEMORY
  (void)status, (void)answer;
  vrd_edits *edits = self->edit->create(self->host);
  if (!edits) abort();
  self->edit->destroy(edits);
#else
  (void)status, (void)answer;
#endif
#if BAD == LATE_USE
  if (cancelled_token == w->token) abort();
#endif
  self->hook->complete(w->token, NULL, NULL);
#if BAD == TWICE
  self->hook->complete(w->token, NULL, NULL);
#endif
  free(w);
}

static vrd_status ask(bad *self, vrd_stage *stage, vrd_verdict *out) {
  vrd_op op;
  vrd_dns_request request = {VRD_SIZED(vrd_dns_request), VRD_DNS_A, VRD_STR("a.test"), 5000, 0};
  wait *w = malloc(sizeof *w);
  w->self = self;
  w->token = self->hook->defer(stage, 10000);
  if (w->token) out->action = VRD_PENDING;
  if (w->token && self->dns->query(self->host, &request, w, answered, &op) == VRD_OK) return VRD_OK;
  if (w->token) self->hook->complete(w->token, NULL, NULL);
  free(w);
  return VRD_OK;
}

#if BAD == THREAD
static void *from_thread(void *ctx) {
  bad *self = ctx;
  vrd_op op;
  vrd_dns_request request = {VRD_SIZED(vrd_dns_request), VRD_DNS_A, VRD_STR("a.test"), 5000, 0};
  self->dns->query(self->host, &request, self, answered, &op);
  return NULL;
}
#endif

#if BAD == REQUEST_LEFT
static void opened(void *ctx, vrd_op stream, vrd_status status) { (void)ctx, (void)stream, (void)status; }
static void data(void *ctx, vrd_op stream, vrd_str octets) { (void)ctx, (void)stream, (void)octets; }
static const vrd_stream_events events = {VRD_SIZED(vrd_stream_events), 0, opened, data, opened};
#endif

static vrd_status at_helo(void *shard, vrd_stage *stage, vrd_verdict *out) {
  bad *self = shard;
  (void)stage, (void)out, (void)self;
#if BAD == THREAD
  pthread_t thread;
  pthread_create(&thread, NULL, from_thread, self);
  pthread_join(thread, NULL);
#elif BAD == STAGE_ENDED
  if (kept_stage) self->hook->number(kept_stage);
  kept_stage = stage;
#elif BAD == NO_RIGHT
  self->edit->note(self->hook->edits(stage), VRD_STR("bad.note"), VRD_STR("1"));
#elif BAD == NOT_AT_STAGE
  self->edit->insert_header(self->hook->edits(stage), 0, VRD_STR("X-Bad"), VRD_STR("1"));
#elif BAD == VIEW_LEAK
  self->hook->view_retain(self->hook->view(stage));
#elif BAD == VIEW_STALE
  vrd_value value;
  if (kept_view) self->message->attr(kept_view, VRD_ATTR_HELO, &value);
  kept_view = self->hook->view(stage);
#elif BAD == EDITS_LEAK
  self->edit->create(self->host);
#elif BAD == UNANSWERED
  self->hook->defer(stage, 1000);
  out->action = VRD_PENDING;
#elif BAD == REQUEST_LEFT
  vrd_op stream;
  vrd_stream_request request = {VRD_SIZED(vrd_stream_request), 1000, 1000, 0, VRD_STR("tcp://a.test:1")};
  self->stream->open(self->host, &request, &events, self, &stream);
#elif BAD == CREATE_ONLY
  uint32_t metric;
  static const vrd_metric_def def = {VRD_SIZED(vrd_metric_def), VRD_METRIC_GAUGE, "late", "Too late.", NULL, NULL};
  self->metric->define(self->host, &def, &metric);
#elif BAD == UNKNOWN_BITS
  vrd_op op;
  vrd_kv_op get = {VRD_SIZED(vrd_kv_op), VRD_KV_GET, 64, 0, VRD_STR("key"), {"", 0}, 0, 0, 0, 0};
  const vrd_kv_op *ops[] = {&get};
  self->kv->run(self->host, ops, 1, 1000, NULL, NULL, &op);
  self->kv->run(self->host, ops, 1, 1000, self, (vrd_kv_fn)(void (*)(void))answered, &op);
#elif BAD == VERDICT
  out->reserved[7] = 1;
#elif BAD == ACTION
  out->action = VRD_HOLD; /* nothing can be held yet */
#elif BAD == BLOCKS
  usleep(60000);
#elif BAD == GLOBAL
  if (last != self) out->action = VRD_REJECT;
#elif BAD == CRASH
  abort();
#elif BAD == FOREVER
  for (;;) sleep(1);
#elif BAD >= CRASH_ON_ABORT
  return ask(self, stage, out);
#endif
  return VRD_OK;
}

static void cancel(void *shard, vrd_pending token) {
  (void)shard;
  cancelled_token = token;
#if BAD == CRASH_ON_ABORT
  abort();
#endif
}

static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **out, vrd_err *err) {
  bad *self = calloc(1, sizeof *self);
  (void)conf, (void)prev;
  self->host = host;
  self->hook = host->iface(host, VRD_CORE_HOOK_1);
  self->edit = host->iface(host, VRD_CORE_EDIT_1);
  self->dns = host->iface(host, VRD_CORE_DNS_1);
  self->metric = host->iface(host, VRD_CORE_METRIC_1);
  self->log = host->iface(host, VRD_CORE_LOG_1);
  self->message = host->iface(host, VRD_CORE_MESSAGE_1);
  self->kv = host->iface(host, VRD_CORE_KV_1);
  self->stream = host->iface(host, VRD_CORE_STREAM_1);
  const vrd_core_conf_1 *settings = host->iface(host, VRD_CORE_CONF_1);
  if (!self->hook || !self->edit || !self->dns) {
    if (settings) settings->fail(err, NULL, VRD_STR("this host is too small"));
    free(self);
    return VRD_E_UNSUPPORTED;
  }
#if BAD == CRASH_ON_NULL_IFACE
  if (!self->log) abort();
#endif
#if BAD == DESCRIPTION
  summary[0] = 'b';
#endif
  last = self;
  *out = self;
  return VRD_OK;
}

#if BAD == DESTROYED
/* A thread that goes on after the instance has been destroyed: the host's tables are still there, the instance is not. */
static void destroy(void *self) { last = self; }
static void late(void) {}
static vrd_status late_create(const vrd_host *host, const vrd_conf *conf, void *prev, void **out, vrd_err *err) {
  if (prev) kept_view = NULL;
  if (last) last->log->wants(last->host, 0); /* of the instance before */
  (void)late;
  return create(host, conf, prev, out, err);
}
#define CREATE late_create
#else
static void destroy(void *self) { free(self); }
#define CREATE create
#endif

static const vrd_hook hook = {VRD_SIZED(vrd_hook), VRD_STAGE_HELO, 0, 0, 0, 0, 0, 0, at_helo, cancel};
static const vrd_hook *const hooks[] = {&hook, NULL};
static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "bad", "1.0", "Apache-2.0", summary,
                                  NULL, hooks, NULL, NULL, CREATE, NULL, NULL, NULL, destroy, NULL};

const vrd_plugin *veredus_plugin_1(void) { return &plugin; }
