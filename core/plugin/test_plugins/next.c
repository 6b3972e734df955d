/* A plugin for tests that answers `next` at every stage that exists, and looks at nothing. */
#include <veredus/plugin.h>

static vrd_status next(void *shard, vrd_stage *stage, vrd_verdict *out) {
  (void)shard, (void)stage, (void)out;
  return VRD_OK;
}

#define AT(name, stage) \
  static const vrd_hook name = {VRD_SIZED(vrd_hook), stage, 0, 0, 0, VRD_ON_FAULT_TEMPFAIL, 0, 0, next, NULL}
AT(connect_, VRD_STAGE_CONNECT);
AT(helo, VRD_STAGE_HELO);
AT(starttls, VRD_STAGE_STARTTLS);
AT(tls_done, VRD_STAGE_TLS_DONE);
AT(auth, VRD_STAGE_AUTH);
AT(mail, VRD_STAGE_MAIL);
AT(rcpt, VRD_STAGE_RCPT);
AT(data, VRD_STAGE_DATA);
AT(headers, VRD_STAGE_HEADERS);
AT(body, VRD_STAGE_BODY);
AT(message, VRD_STAGE_MESSAGE);
AT(seal, VRD_STAGE_SEAL);
AT(queued, VRD_STAGE_QUEUED);
AT(route, VRD_STAGE_ROUTE);
AT(attempt, VRD_STAGE_ATTEMPT);
AT(connected, VRD_STAGE_CONNECTED);
AT(result, VRD_STAGE_RESULT);
AT(bounce, VRD_STAGE_BOUNCE);
AT(finished, VRD_STAGE_FINISHED);
AT(transaction_end, VRD_STAGE_TRANSACTION_END);
AT(disconnect, VRD_STAGE_DISCONNECT);
static const vrd_hook *const hooks[] = {&connect_, &helo,  &starttls, &tls_done, &auth,   &mail,   &rcpt,     &data,            &headers,    &body, &message,
                                        &seal,     &queued, &route,   &attempt,  &connected, &result, &bounce, &finished, &transaction_end, &disconnect, NULL};

static int nothing;
static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **self, vrd_err *err) {
  (void)host, (void)conf, (void)prev, (void)err;
  *self = &nothing;
  return VRD_OK;
}

const vrd_plugin *veredus_plugin_1(void) {
  static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "next", "1.0", "Apache-2.0", "Has no opinion anywhere.",
                                    NULL, hooks, NULL, NULL, create, NULL, NULL, NULL, NULL, NULL};
  return &plugin;
}
