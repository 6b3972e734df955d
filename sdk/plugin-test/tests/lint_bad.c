/* A description that is wrong in several ways, and a symbol too many: for --lint. */
#include <veredus/veredus.h>

VRD_EXPORT int stray_symbol(void);
int stray_symbol(void) { return 1; }

static vrd_status at_helo(void *shard, vrd_stage *stage, vrd_verdict *out) {
  (void)shard, (void)stage, (void)out;
  return VRD_OK;
}

static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **out, vrd_err *err) {
  (void)host, (void)conf, (void)prev, (void)out, (void)err;
  return VRD_OK;
}

static const vrd_setting bounds = {VRD_SIZED(vrd_setting), VRD_SETTING_INT, 0, 1, "many", "500", "1..100", "A default out of its bounds."};
static const vrd_setting orphan = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "rules[].sender", NULL, NULL, "Of no record."};
static const vrd_setting reserved = {VRD_SIZED(vrd_setting), VRD_SETTING_TEXT, 0, 1, "timeout", NULL, NULL, "The host's own."};
static const vrd_setting *const settings[] = {&bounds, &orphan, &reserved, NULL};
static const vrd_hook bits = {VRD_SIZED(vrd_hook), VRD_STAGE_HELO, 0, 1u << 20, VRD_MAY_BODY, 0, 0, 0, at_helo, NULL};
static const vrd_hook stage = {VRD_SIZED(vrd_hook), 777, 0, 0, 0, 0, 0, 0, at_helo, NULL};
static const vrd_hook *const hooks[] = {&bits, &stage, NULL};
static const vrd_plugin plugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "Bad Id", "1.0", "", "Wrong.",
                                  settings, hooks, NULL, NULL, create, NULL, NULL, NULL, NULL, NULL};

const vrd_plugin *veredus_plugin_1(void) { return &plugin; }
