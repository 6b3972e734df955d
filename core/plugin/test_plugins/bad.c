/* One plugin for each thing that can be wrong; BAD_... of the build says which. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <veredus/plugin.h>

static int instance;
static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **self, vrd_err *err) {
  (void)host, (void)conf, (void)prev, (void)err;
  *self = &instance;
  return VRD_OK;
}
static vrd_status next(void *shard, vrd_stage *stage, vrd_verdict *out) {
  (void)shard, (void)stage, (void)out;
  return VRD_OK;
}

static const vrd_setting setting = {
    VRD_SIZED(vrd_setting), VRD_SETTING_INT, 0, 1, "count",
#ifdef BAD_SCHEMA
    "many", "1..10",
#else
    "1", "1..10",
#endif
    "How many."};
static const vrd_setting *const settings[] = {&setting, NULL};

#ifdef BAD_STAGE
#define STAGE 999
#else
#define STAGE VRD_STAGE_CONNECT
#endif
#ifdef BAD_RIGHTS
#define MAY VRD_MAY_BODY
#else
#define MAY 0
#endif
static const vrd_hook hook = {VRD_SIZED(vrd_hook), STAGE, 0, 0, MAY, VRD_ON_FAULT_TEMPFAIL, 0, 0, next, NULL};
static const vrd_hook *const hooks[] = {&hook, NULL};

#ifdef BAD_ABI
#define ABI (VRD_ABI + 5)
#else
#define ABI VRD_ABI
#endif
#ifdef BAD_SIZE
#define SIZE 40
#else
#define SIZE VRD_SIZED(vrd_plugin)
#endif
#ifdef BAD_ID
#define ID "another"
#else
#define ID NAME
#endif
#ifdef BAD_STRING
#define SUMMARY NULL
#else
#define SUMMARY "Wrong in one thing."
#endif

static const vrd_plugin plugin = {SIZE, ABI, VRD_PER_LOOP, 0, ID, "1.0", "Apache-2.0", SUMMARY, settings, hooks, NULL, NULL, create,
                                  NULL, NULL, NULL, NULL, NULL};

#ifdef BAD_SYMBOL
VRD_EXPORT const vrd_plugin *another_plugin(void) { return &plugin; }
#else
const vrd_plugin *veredus_plugin_1(void) { return &plugin; }
#endif

#ifdef BAD_EXPORTS
VRD_EXPORT int helpful_function(void) { return 1; }
#endif

/* What happens before anybody asks. */
__attribute__((constructor)) static void constructor(void) {
#if defined(BAD_CRASH)
  raise(SIGSEGV);
#elif defined(BAD_HANG)
  for (;;) pause();
#elif defined(BAD_EXIT)
  _exit(3);
#elif defined(BAD_NOISE)
  puts("{\"manifest\": {}}");
  fputs("noise\n", stderr);
  const char *path = getenv("VEREDUS_TEST_WRITES");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file) fclose(file);
  if (fork() == 0) _exit(0);
#endif
}
