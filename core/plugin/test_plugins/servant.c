/* A plugin for tests: provides every service, and answers at once, later, never, twice or wrongly, as the setting `mode` says. */
#include <stdlib.h>
#include <string.h>
#include <veredus/veredus.h>

enum { NOW, LATER, NEVER, WRONG, REFUSE, TWICE, MENDS };

static const vrd_core_conf_1 *conf_;
static const vrd_core_control_1 *control_;
static const vrd_core_log_1 *log_;
static const vrd_core_message_1 *message_;
static const vrd_core_service_1 *service_;
static const vrd_core_timer_1 *timer_;

typedef struct self {
  const vrd_host *host;
  int64_t mode;
  int asked; /* of MENDS: ten wrong answers, then right ones */
} self;

typedef struct late {
  vrd_pending token;
  char octets[64];
  size_t size;
} late;

static int is(vrd_str a, vrd_str b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

static void answer_late(void *ctx) {
  late *one = ctx;
  vrd_call_answer answer = {VRD_SIZED(vrd_call_answer), 0, {one->octets, one->size}};
  service_->answer(one->token, VRD_OK, &answer);
  free(one);
}

static vrd_status call(void *shard, vrd_str method, vrd_str request, vrd_pending token) {
  self *me = shard;
  vrd_call_answer answer = {VRD_SIZED(vrd_call_answer), 0, request};
  if (is(method, VRD_STR("refuse"))) return VRD_E_DENIED;
  if (is(method, VRD_STR("short"))) answer.size = 4;
  if (me->mode == NEVER) return VRD_OK;
  if (me->mode == LATER) {
    late *one = calloc(1, sizeof *one);
    one->token = token;
    one->size = request.len < sizeof one->octets ? request.len : sizeof one->octets;
    memcpy(one->octets, request.ptr, one->size);
    return timer_->start(me->host, 1, 0, one, answer_late, NULL);
  }
  vrd_status first = service_->answer(token, VRD_OK, &answer);
  if (me->mode == TWICE && service_->answer(token, VRD_OK, &answer) != VRD_E_LATE) abort();
  return first == VRD_E_INVALID ? VRD_OK : first;
}
static const vrd_svc_call_1 svc_call = {VRD_SIZED(vrd_svc_call_1), 0, call};

/* Keys that begin with "k" are there, with themselves as value. */
static vrd_status lookup(void *shard, const vrd_str *keys, size_t count, vrd_pending token) {
  self *me = shard;
  vrd_table_row rows[64];
  if (me->mode == REFUSE) return VRD_E_TEMPORARY;
  if (me->mode == NEVER) return VRD_OK;
  for (size_t i = 0; i < count; ++i) rows[i] = (vrd_table_row){keys[i].len > 0 && keys[i].ptr[0] == 'k', 0, keys[i]};
  vrd_table_answer answer = {VRD_SIZED(vrd_table_answer), (uint32_t)count - (me->mode == WRONG || (me->mode == MENDS && me->asked++ < 10)), rows};
  service_->answer(token, VRD_OK, &answer);
  return VRD_OK;
}
static const vrd_svc_table_1 svc_table = {VRD_SIZED(vrd_svc_table_1), 0, lookup};

static vrd_status route(void *shard, const vrd_view *view, vrd_pending token) {
  self *me = shard;
  vrd_value domain;
  vrd_router_answer answer = {VRD_SIZED(vrd_router_answer), 0, VRD_STR("smtp://192.0.2.1:2525|smtp://192.0.2.2"), VRD_STR("bulk"), VRD_STR("")};
  if (me->mode == REFUSE) return VRD_E_TEMPORARY;
  if (me->mode == WRONG) answer.next_hop = VRD_STR("not a next hop");
  message_->attr(view, VRD_ATTR_RECIPIENT_DOMAIN, &domain);
  if (is(domain.text, VRD_STR("gone.test"))) answer = (vrd_router_answer){VRD_SIZED(vrd_router_answer), 550, VRD_STR(""), VRD_STR(""), VRD_STR("moved away")};
  return service_->answer(token, VRD_OK, &answer) == VRD_E_LATE ? VRD_E_FAULT : VRD_OK;
}
static const vrd_svc_router_1 svc_router = {VRD_SIZED(vrd_svc_router_1), 0, route};

/* The first recipient is delivered, the second later, the third never; others are not answered. */
static vrd_status deliver(void *shard, const vrd_view *view, const uint32_t *recipients, size_t count, vrd_str argument, vrd_pending token) {
  self *me = shard;
  (void)view;
  vrd_deliver_row rows[3] = {{0, 250, {0, 0, 0}, {0}, argument}, {0, 452, {4, 2, 2}, {0}, VRD_STR("full")}, {0, 550, {5, 1, 1}, {0}, VRD_STR("nobody")}};
  if (me->mode == NEVER) return VRD_OK;
  if (me->mode == REFUSE) return VRD_E_FAULT;
  if (count > 3) count = 3;
  for (size_t i = 0; i < count; ++i) rows[i].recipient = me->mode == WRONG ? 77 : recipients[i];
  vrd_deliver_answer answer = {VRD_SIZED(vrd_deliver_answer), (uint32_t)count, rows};
  service_->answer(token, VRD_OK, &answer);
  return VRD_OK;
}
static const vrd_svc_deliver_1 svc_deliver = {VRD_SIZED(vrd_svc_deliver_1), 0, deliver};

static vrd_status check(void *shard, const vrd_auth_request *request, vrd_pending token) {
  self *me = shard;
  vrd_auth_answer answer = {VRD_SIZED(vrd_auth_answer), 0, request->account, VRD_STR("acme"), VRD_STR("")};
  if (me->mode == REFUSE) return VRD_E_TEMPORARY;
  if (!is(request->secret, VRD_STR("sesame"))) return VRD_E_DENIED;
  return service_->answer(token, VRD_OK, &answer);
}
static const vrd_svc_auth_1 svc_auth = {VRD_SIZED(vrd_svc_auth_1), 0, check, 1u << VRD_AUTH_PASSWORD, 0};

/* "none.test" does not exist; everything else is at 192.0.2.9. */
static vrd_status resolve(void *shard, const vrd_dns_request *request, vrd_pending token) {
  self *me = shard;
  vrd_dns_record record = {VRD_SIZED(vrd_dns_record), request->type, 60, 0, request->name, VRD_STR("192.0.2.9"), VRD_STR("")};
  const vrd_dns_record *records[] = {&record};
  vrd_dns_answer answer = {VRD_SIZED(vrd_dns_answer), 1, 0, 1, records, 0, 0};
  if (me->mode == REFUSE) return VRD_E_TEMPORARY;
  if (me->mode == WRONG) record.text = VRD_STR("not an address");
  if (is(request->name, VRD_STR("none.test"))) answer.nxdomain = 1, answer.count = 0;
  if (is(request->name, VRD_STR("bogus.test"))) answer.bogus = 1, answer.secure = 0, answer.count = 0;
  if (is(request->name, VRD_STR("old.test"))) answer.size = offsetof(vrd_dns_answer, bogus), answer.bogus = 1;
  log_->write(me->host, VRD_LOG_INFO, VRD_STR("resolving"), NULL, NULL, 0);
  service_->answer(token, VRD_OK, &answer);
  return VRD_OK;
}
static const vrd_svc_resolver_1 svc_resolver = {VRD_SIZED(vrd_svc_resolver_1), 0, resolve};

/* Every key holds its own name in the namespace; a list is one pair. */
static vrd_status run(void *shard, vrd_str space, const vrd_kv_op *const *ops, size_t count, vrd_pending token) {
  self *me = shard;
  vrd_kv_answer answers[64];
  (void)space;
  if (me->mode == REFUSE) return VRD_E_TEMPORARY;
  for (size_t i = 0; i < count && i < 64; ++i)
    answers[i] = (vrd_kv_answer){ops[i]->kind == VRD_KV_REMOVE ? VRD_E_NOT_FOUND : VRD_OK, ops[i]->kind == VRD_KV_TAKE, ops[i]->number, ops[i]->key};
  vrd_store_answer answer = {VRD_SIZED(vrd_store_answer), (uint32_t)count, answers};
  service_->answer(token, VRD_OK, &answer);
  return VRD_OK;
}
static vrd_status list(void *shard, vrd_str space, vrd_str prefix, vrd_str after, uint32_t limit, vrd_pending token) {
  vrd_kv_answer one = {VRD_OK, 0, 0, {"key\0value", 9}};
  vrd_store_answer answer = {VRD_SIZED(vrd_store_answer), 1, &one};
  (void)shard, (void)space, (void)prefix, (void)after, (void)limit;
  service_->answer(token, VRD_OK, &answer);
  return VRD_OK;
}
static const vrd_svc_store_1 svc_store = {VRD_SIZED(vrd_svc_store_1), 0, run, list};

/* "sts.test" wants TLS to its mail exchangers, "broken.test" has a policy that cannot be had, others have none. */
static vrd_status find(void *shard, vrd_str domain, vrd_pending token) {
  self *me = shard;
  vrd_tls_policy_answer answer = {VRD_SIZED(vrd_tls_policy_answer), VRD_TLS_POLICY_NONE, VRD_STR(""), VRD_STR(""), VRD_STR(""), VRD_STR("")};
  if (me->mode == REFUSE) return VRD_E_TEMPORARY;
  if (me->mode == NEVER) return VRD_OK;
  if (is(domain, VRD_STR("sts.test")) || me->mode == WRONG)
    answer = (vrd_tls_policy_answer){VRD_SIZED(vrd_tls_policy_answer), VRD_TLS_POLICY_ENFORCE, VRD_STR("MX.sts.test\n*.sts.test\n"), VRD_STR("version: STSv1\n"), VRD_STR(""), VRD_STR("")};
  if (is(domain, VRD_STR("broken.test"))) answer.result = VRD_STR("sts-policy-invalid"), answer.problem = VRD_STR("no mx");
  if (me->mode == WRONG) answer.mx = VRD_STR("mx.sts.test *.sts.test");
  service_->answer(token, VRD_OK, &answer);
  return VRD_OK;
}
static const vrd_svc_tls_policy_1 svc_tls_policy = {VRD_SIZED(vrd_svc_tls_policy_1), 0, find};

static size_t octets_sunk;
static void sink(void *shard, vrd_str lines) {
  self *me = shard;
  octets_sunk += lines.len;
  log_->write(me->host, VRD_LOG_INFO, VRD_STR("sunk"), NULL, NULL, 0); /* must not come back */
}
static const vrd_svc_logsink_1 svc_logsink = {VRD_SIZED(vrd_svc_logsink_1), 0, sink};

static vrd_status greet(void *me, const vrd_str *argv, size_t argc, vrd_pending command, vrd_err *err) {
  (void)me;
  if (argc == 0) {
    conf_->fail(err, NULL, VRD_STR("whom?"));
    return VRD_E_INVALID;
  }
  control_->write(command, VRD_STR("hello "));
  control_->write(command, argv[0]);
  control_->error(command, VRD_STR("a remark\n"));
  control_->finish(command, 3);
  return control_->finish(command, 0) == VRD_E_LATE ? VRD_OK : VRD_E_FAULT;
}
static const vrd_command c_greet = {VRD_SIZED(vrd_command), 0, "servant greet", "NAME", "Says hello.", greet};
static const vrd_command *const commands[] = {&c_greet, NULL};

static const vrd_setting s_mode = {VRD_SIZED(vrd_setting), VRD_SETTING_CHOICE, 0, 1, "mode", "now", "now|later|never|wrong|refuse|twice|mends", "How to answer."};
static const vrd_setting *const settings[] = {&s_mode, NULL};
static const char *const services[] = {VRD_SVC_CALL_1,     VRD_SVC_TABLE_1, VRD_SVC_ROUTER_1,  VRD_SVC_DELIVER_1, VRD_SVC_AUTH_1,
                                       VRD_SVC_RESOLVER_1, VRD_SVC_STORE_1, VRD_SVC_LOGSINK_1, VRD_SVC_TLS_POLICY_1, NULL};

static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **out, vrd_err *err) {
  self *me = calloc(1, sizeof *me);
  (void)prev, (void)err;
  conf_ = host->iface(host, VRD_CORE_CONF_1);
  control_ = host->iface(host, VRD_CORE_CONTROL_1);
  log_ = host->iface(host, VRD_CORE_LOG_1);
  message_ = host->iface(host, VRD_CORE_MESSAGE_1);
  service_ = host->iface(host, VRD_CORE_SERVICE_1);
  timer_ = host->iface(host, VRD_CORE_TIMER_1);
  me->host = host;
  me->mode = conf_->number(conf_->get(conf, "mode"));
  *out = me;
  return VRD_OK;
}
static void destroy(void *me) { free(me); }

static const void *provide(void *me, const char *id) {
  const struct {
    const char *id;
    const void *table;
  } all[] = {{VRD_SVC_CALL_1, &svc_call}, {VRD_SVC_TABLE_1, &svc_table},       {VRD_SVC_ROUTER_1, &svc_router}, {VRD_SVC_DELIVER_1, &svc_deliver},
             {VRD_SVC_AUTH_1, &svc_auth}, {VRD_SVC_RESOLVER_1, &svc_resolver}, {VRD_SVC_STORE_1, &svc_store},   {VRD_SVC_LOGSINK_1, &svc_logsink},
             {VRD_SVC_TLS_POLICY_1, &svc_tls_policy}};
  (void)me;
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
    if (strcmp(id, all[i].id) == 0) return all[i].table;
  return NULL;
}

#ifndef MODE
#define MODE VRD_PER_LOOP
#endif
static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, MODE, 0, NAME, "1.0", "Apache-2.0", "Answers.", settings, NULL, commands, services,
                                  create, NULL, NULL, NULL, destroy, provide};
const vrd_plugin *veredus_plugin_1(void) { return &plugin; }
