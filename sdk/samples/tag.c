/* tag: a sample in plain C, with nothing but the headers. Adds a header field that says how many messages of the sender's domain came
 * within `lifetime`: "X-Sender-Count: example.test 17". Owns one instance, which all loops read and none changes; a request for the
 * counter is on the heap until its callback. If the store does not answer, the message passes without the field. */
#include <stdlib.h>
#include <string.h>
#include <veredus/veredus.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct instance {
  const vrd_host *host;
  const vrd_core_hook_1 *hook;
  const vrd_core_edit_1 *edit;
  const vrd_core_message_1 *message;
  const vrd_core_kv_1 *kv;
  const vrd_core_log_1 *log;
  const vrd_core_metric_1 *metric;
  vrd_str header;
  uint64_t lifetime_ms;
  uint32_t counted;
} instance;

typedef struct request {
  const instance *self;
  vrd_pending token;
  size_t domain_len;
  char domain[256];
} request;

/* Writes a number in decimal digits and gives their count: no printf, so that no locale has a say. */
static size_t digits(int64_t number, char *out) {
  char reversed[24];
  size_t count = 0, i;
  uint64_t rest = number < 0 ? 0 : (uint64_t)number;
  do reversed[count++] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  for (i = 0; i < count; i++) out[i] = reversed[count - 1 - i];
  return count;
}

static vrd_edits *field(const request *request, int64_t number) {
  const instance *self = request->self;
  char text[300];
  size_t len = request->domain_len;
  vrd_edits *edits = self->edit->create(self->host);
  if (edits == NULL) return NULL;
  memcpy(text, request->domain, len);
  text[len++] = ' ';
  len += digits(number, text + len);
  if (self->edit->insert_header(edits, UINT32_MAX, self->header, (vrd_str){text, len}) == VRD_OK) return edits;
  self->edit->destroy(edits);
  return NULL;
}

/* [loop] the counter is known, or not */
static void counted(void *ctx, vrd_status status, const vrd_kv_answer *answers, size_t count) {
  request *request = ctx;
  const instance *self = request->self;
  vrd_edits *edits = NULL;
  if (status == VRD_OK && count == 1 && answers[0].status == VRD_OK) {
    edits = field(request, answers[0].number);
    self->metric->add(self->host, self->counted, 0, 1);
  } else {
    self->log->write(self->host, VRD_LOG_WARNING, VRD_STR("not_counted"), NULL, NULL, 0);
  }
  self->hook->complete(request->token, NULL, edits);
  free(request);
}

static vrd_status ask(request *request) {
  const instance *self = request->self;
  const vrd_kv_op add = {VRD_SIZED(vrd_kv_op), VRD_KV_ADD, 0, 0, {request->domain, request->domain_len}, {NULL, 0},
                         self->lifetime_ms, 1, 0, 0};
  const vrd_kv_op *const ops[] = {&add};
  vrd_op op = 0;
  return self->kv->run(self->host, ops, COUNT(ops), 2000, request, counted, &op);
}

/* [loop] stage message */
static vrd_status on_message(void *shard, vrd_stage *stage, vrd_verdict *out) {
  const instance *self = shard;
  vrd_value domain;
  request *request;
  if (self->message->attr(self->hook->view(stage), VRD_ATTR_SENDER_DOMAIN, &domain) != VRD_OK || domain.kind != VRD_TEXT ||
      domain.text.len == 0 || domain.text.len > sizeof request->domain)
    return VRD_OK; /* the null sender has no domain to count */
  request = malloc(sizeof *request);
  if (request == NULL) return VRD_E_MEMORY;
  request->self = self;
  request->domain_len = domain.text.len;
  memcpy(request->domain, domain.text.ptr, domain.text.len);
  request->token = self->hook->defer(stage, 5000);
  if (request->token == 0) {
    free(request);
    return VRD_E_BUSY;
  }
  out->action = VRD_PENDING;
  if (ask(request) == VRD_OK) return VRD_OK;
  self->hook->complete(request->token, NULL, NULL);
  free(request);
  return VRD_OK;
}

/* Whether the host offers all that is used. */
static int complete(const instance *self) {
  return self->hook && self->edit && self->message && self->kv && self->log && self->metric;
}

static vrd_status fail(const vrd_core_conf_1 *conf, vrd_err *err, vrd_status status, vrd_str text) {
  conf->fail(err, NULL, text);
  return status;
}

/* [main] */
static vrd_status create(const vrd_host *host, const vrd_conf *settings, void *prev, void **self, vrd_err *err) {
  const vrd_core_conf_1 *conf = host->iface(host, VRD_CORE_CONF_1);
  const vrd_metric_def def = {VRD_SIZED(vrd_metric_def), VRD_METRIC_COUNTER, "counted_total", "Messages that got the field", NULL, NULL};
  instance *made;
  (void)prev;
  if (conf == NULL) return VRD_E_UNSUPPORTED;
  made = calloc(1, sizeof *made);
  if (made == NULL) return fail(conf, err, VRD_E_MEMORY, VRD_STR("no memory"));
  made->host = host;
  made->hook = host->iface(host, VRD_CORE_HOOK_1);
  made->edit = host->iface(host, VRD_CORE_EDIT_1);
  made->message = host->iface(host, VRD_CORE_MESSAGE_1);
  made->kv = host->iface(host, VRD_CORE_KV_1);
  made->log = host->iface(host, VRD_CORE_LOG_1);
  made->metric = host->iface(host, VRD_CORE_METRIC_1);
  made->header = conf->text(conf->get(settings, "header"));
  made->lifetime_ms = (uint64_t)conf->number(conf->get(settings, "lifetime"));
  if (!complete(made) || made->metric->define(host, &def, &made->counted) != VRD_OK) {
    free(made);
    return fail(conf, err, VRD_E_UNSUPPORTED, VRD_STR("this host does not offer all that the plugin needs"));
  }
  *self = made;
  return VRD_OK;
}

/* [main] */
static void destroy(void *self) { free(self); }

static const vrd_setting kHeader = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 0x0001, "header", "X-Sender-Count", "1..60",
                                    "Name of the header field."};
static const vrd_setting kLifetime = {VRD_SIZED(vrd_setting), VRD_SETTING_DURATION, 0, 0x0001, "lifetime", "1d", "1s..365d",
                                      "How long a counter lives after its first message."};
static const vrd_setting *const kSettings[] = {&kHeader, &kLifetime, NULL};

static const vrd_hook kMessage = {VRD_SIZED(vrd_hook), VRD_STAGE_MESSAGE, 0, 0, VRD_MAY_HEADERS, VRD_ON_FAULT_NEXT, 0, 0, on_message, NULL};
static const vrd_hook *const kHooks[] = {&kMessage, NULL};

static const vrd_plugin kPlugin = {
    VRD_SIZED(vrd_plugin), VRD_ABI,    VRD_PER_LOOP, 0,    "tag", "1.0", "Apache-2.0", "Counts messages of the sender's domain in a header field",
    kSettings,             kHooks,     NULL,         NULL, create, NULL, NULL,         NULL,
    destroy,               NULL,
};

const vrd_plugin *veredus_plugin_1(void) { return &kPlugin; }
