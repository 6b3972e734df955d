/* A plugin for tests: knows one account. `knows` says which service it shows: of today, from before the member `kinds`, or for tokens only. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <veredus/veredus.h>

static const vrd_core_conf_1 *conf_;
static const vrd_core_service_1 *service_;

typedef struct self {
  vrd_str account, password;
  int64_t knows;
} self;

static int is(vrd_str a, vrd_str b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

static vrd_status check(void *shard, const vrd_auth_request *request, vrd_pending token) {
  self *me = shard;
  vrd_auth_answer answer = {VRD_SIZED(vrd_auth_answer), 0, me->account, VRD_STR("acme"), VRD_STR("")};
  if (is(request->account, VRD_STR("trouble"))) return VRD_E_TEMPORARY;
  if (is(request->account, VRD_STR("rude"))) answer.account = VRD_STR("two\nlines");
  else if (request->kind != VRD_AUTH_TOKEN && !is(request->account, me->account)) return VRD_E_DENIED;
  if (request->acting_as.len > 0 && !is(request->acting_as, VRD_STR("role"))) return VRD_E_DENIED;
  if (!is(request->secret, me->password) || !is(request->client, VRD_STR("192.0.2.7"))) return VRD_E_DENIED;
  return service_->answer(token, VRD_OK, &answer);
}
static const vrd_svc_auth_1 today = {VRD_SIZED(vrd_svc_auth_1), 0, check, 1u << VRD_AUTH_PASSWORD | 1u << 30, 0};
static const vrd_svc_auth_1 old = {offsetof(vrd_svc_auth_1, kinds), 0, check, 0xFFFFFFFF, 0};
static const vrd_svc_auth_1 tokens = {VRD_SIZED(vrd_svc_auth_1), 0, check, 1u << VRD_AUTH_TOKEN, 0};

static const vrd_setting s_account = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "account", "ann", "1..99", "The account."};
static const vrd_setting s_password = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "password", "sesame", "1..99", "Its password."};
static const vrd_setting s_knows = {VRD_SIZED(vrd_setting), VRD_SETTING_CHOICE, 0, 1, "knows", "today", "today|old|tokens", "Which service."};
static const vrd_setting *const settings[] = {&s_account, &s_password, &s_knows, NULL};
static const char *const services[] = {VRD_SVC_AUTH_1, NULL};

static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **out, vrd_err *err) {
  self *me = calloc(1, sizeof *me);
  (void)prev, (void)err;
  conf_ = host->iface(host, VRD_CORE_CONF_1);
  service_ = host->iface(host, VRD_CORE_SERVICE_1);
  me->account = conf_->text(conf_->get(conf, "account"));
  me->password = conf_->text(conf_->get(conf, "password"));
  me->knows = conf_->number(conf_->get(conf, "knows"));
  *out = me;
  return VRD_OK;
}
static void destroy(void *me) { free(me); }
static const void *provide(void *me, const char *id) {
  const vrd_svc_auth_1 *all[] = {&today, &old, &tokens};
  return strcmp(id, VRD_SVC_AUTH_1) == 0 ? all[((self *)me)->knows] : NULL;
}

static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "keeper", "1.0", "Apache-2.0", "Knows an account.", settings, NULL, NULL, services,
                                  create, NULL, NULL, NULL, destroy, provide};
const vrd_plugin *veredus_plugin_1(void) { return &plugin; }
