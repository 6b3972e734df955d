/* What a plugin is: a static description with settings, hooks and commands, and the calls of its lifecycle. A plugin exports one function,
 * veredus_plugin_1, which returns the description without side effects.
 *
 * describe -> load -> host checks the settings -> create -> shard_start on each loop -> running -> quiesce -> shard_stop on each loop ->
 * destroy. A reload creates new instances beside the old ones; if one fails, the new ones are destroyed and nothing has changed. A session
 * keeps the instances that it began with. Several instances at once are normal. The host calls nothing after destroy. Code is never
 * unloaded. */
#ifndef VEREDUS_PLUGIN_H
#define VEREDUS_PLUGIN_H

#include <veredus/stage.h>
#include <veredus/types.h>

VRD_BEGIN

/** The ABI of these headers: generation in the upper half, minor number in the lower. Minor numbers only add. */
#define VRD_ABI 0x00010000u

/** Types of a setting. */
#define VRD_SETTING_TEXT 1u     /**< any scalar, as written; bounds: "MIN..MAX" octets */
#define VRD_SETTING_BOOL 2u     /**< true or false */
#define VRD_SETTING_INT 3u      /**< 64-bit integer; bounds: "1..100" */
#define VRD_SETTING_DURATION 4u /**< 500ms 5s 10m 1h 2d, in milliseconds; bounds: "1s..1d" */
#define VRD_SETTING_SIZE 5u     /**< 10KiB 50MiB, in octets; bounds: "1KiB..1GiB" */
#define VRD_SETTING_CHOICE 6u   /**< one of the words in bounds: "a|b|c" */
#define VRD_SETTING_PATH 7u     /**< a path; a relative one is below state/PLUGIN/ */
#define VRD_SETTING_NETWORK 8u  /**< an address or a network: 192.0.2.0/24 */
#define VRD_SETTING_PATTERN 9u  /**< a domain pattern: a.test, .a.test, * */
#define VRD_SETTING_TABLE 10u   /**< the name of a table: an instance of a plugin that provides svc.table */
#define VRD_SETTING_MAP 11u     /**< a mapping of free keys to scalars */
#define VRD_SETTING_RECORD 12u  /**< a mapping whose keys are declared as "KEY.NAME"; with VRD_SETTING_LIST "KEY[].NAME" */

/** Flags of a setting. */
#define VRD_SETTING_LIST 1u        /**< a list of these; a single one may stand without brackets */
#define VRD_SETTING_REQUIRED 2u    /**< must be given (within its record, if it is in one) */
#define VRD_SETTING_SECRET 4u      /**< never shown or logged; may be given as { file: PATH } */
#define VRD_SETTING_RESTART 8u     /**< a change takes effect only after a restart */

/** One setting of the plugin's fragment. Checked by the host before create(): unknown keys, types, bounds, required ones. */
typedef struct vrd_setting {
  uint32_t size;      /**< sizeof(vrd_setting) */
  uint32_t type;      /**< VRD_SETTING_TEXT ... */
  uint32_t flags;     /**< VRD_SETTING_LIST ... */
  uint32_t since;     /**< version of the plugin that first had it, 0xMMmm: 0.1 is 0x0001 */
  const char *key;    /**< "delay", or within records "rules[].sender"; lower case, `_` between words; forever */
  const char *dflt;   /**< the default as YAML text, or NULL: unset; forever */
  const char *bounds; /**< as the type says, or NULL; forever */
  const char *doc;    /**< one or two sentences; forever */
} vrd_setting;

/** A hook may be of a stage that this host does not know: it is then left out instead of refusing the plugin. */
#define VRD_HOOK_OPTIONAL 1u

/** One hook. The order at a stage: the number of the fragment, then `order`, then the place in the list. */
typedef struct vrd_hook {
  uint32_t size;     /**< sizeof(vrd_hook) */
  uint32_t stage;    /**< VRD_STAGE_CONNECT ... */
  int32_t order;     /**< among hooks of fragments with the same number; small first */
  uint32_t needs;    /**< VRD_NEED_CONTENT ...; unknown bits are refused */
  uint32_t may;      /**< VRD_MAY_HEADERS ...; unknown bits, and bits that the stage does not allow, are refused */
  uint32_t on_fault; /**< VRD_ON_FAULT_TEMPFAIL ... */
  uint32_t flags;    /**< VRD_HOOK_OPTIONAL */
  uint32_t zero;     /**< 0 */
  /** Called at the stage. Must not block. Writes its answer to `out`; at told stages the answer is ignored.
   *  @thread loop  @since 0.1
   *  @lifetime `stage` and everything reached through it: call
   *  @errors a negative status is a fault, whatever `out` says */
  vrd_status (*call)(void *shard, vrd_stage *stage, vrd_verdict *out);
  /** The session, transaction or delivery that waited for this token is gone; told at most once a token. Optional; reacting is too:
   *  a later complete() is harmless.
   *  @thread loop  @since 0.1 */
  void (*cancel)(void *shard, vrd_pending token);
} vrd_hook;

/** Flags of a command. */
#define VRD_COMMAND_OFFLINE 1u /**< runs in a host of its own: no daemon, no configuration needed; at most 20 s */

/** A command of `veredus`: "check spf", "dkim keygen". */
typedef struct vrd_command {
  uint32_t size;    /**< sizeof(vrd_command) */
  uint32_t flags;   /**< VRD_COMMAND_OFFLINE */
  const char *name; /**< one to three words; forever */
  const char *args; /**< the rest of the usage line, "--from ADDRESS [FILE]"; forever */
  const char *doc;  /**< one or two sentences; forever */
  /** Runs the command. Output goes through core.control write(); it ends with core.control finish(), now or later.
   *  @thread main  @since 0.1
   *  @lifetime argv: call
   *  @errors a negative status ends the command with exit code 70 (EX_SOFTWARE) and the text in `err` */
  vrd_status (*run)(void *self, const vrd_str *argv, size_t argc, vrd_pending command, vrd_err *err);
} vrd_command;

/** What the host offers to one instance. */
struct vrd_host {
  uint32_t size;       /**< sizeof(vrd_host) of the host */
  uint32_t abi;        /**< the host's VRD_ABI */
  const char *version; /**< of Veredus: "0.1.0"; forever */
  /** An interface by its id, "core.dns/1": the struct that the interface's header declares, or NULL when this host does not offer it.
   *  Ask in create() and cope with NULL.
   *  @thread any  @since 0.1
   *  @lifetime the table: forever */
  const void *(*iface)(const vrd_host *host, const char *id);
};

/** Threading modes. */
#define VRD_PER_LOOP 0u /**< one shard a loop, each called by its loop only: no locks */
#define VRD_SHARED 1u   /**< one object, called by all loops at once: the plugin locks; shard = self unless shard_start says else */
#define VRD_SERIAL 2u   /**< all calls on one loop, for interpreters that know one thread; the host carries calls there */

/** The description of a plugin. Static data: everything it points to lives forever. */
typedef struct vrd_plugin {
  uint32_t size;       /**< sizeof(vrd_plugin) */
  uint32_t abi;        /**< VRD_ABI, or the lowest that the plugin can work with; a host of a lower one refuses the plugin */
  uint32_t threading;  /**< VRD_PER_LOOP, VRD_SHARED, VRD_SERIAL */
  uint32_t flags;      /**< 0 */
  const char *id;      /**< "greylist"; plugins of third parties: "com.example.name"; [a-z0-9.-]{1,64} */
  const char *version; /**< "1.0" */
  const char *license; /**< SPDX identifier */
  const char *summary; /**< one line */
  const vrd_setting *const *settings; /**< NULL-ended, or NULL */
  const vrd_hook *const *hooks;       /**< NULL-ended, or NULL */
  const vrd_command *const *commands; /**< NULL-ended, or NULL */
  const char *const *services;        /**< ids that provide() answers, "svc.table/1"; NULL-ended, or NULL */
  /** Makes an instance from checked settings. Opens what must be there, defines metrics, opens tables; may block for a moment.
   *  `prev` is the instance that this one replaces, still running, or NULL: read-only, to take over caches. Who takes long is named in the
   *  log every 5 s (plugin.slow_start), and is waited for: there is no way to stop it.
   *  @thread main  @since 0.1
   *  @lifetime host, conf: until destroy() returns
   *  @errors negative with a text in `err`: the configuration is refused; a running daemon keeps its old one */
  vrd_status (*create)(const vrd_host *host, const vrd_conf *conf, void *prev, void **self, vrd_err *err);
  /** Makes the part of one loop. NULL: hooks get `self`.
   *  @thread loop  @since 0.1
   *  @errors as create() */
  vrd_status (*shard_start)(void *self, uint32_t loop, void **shard, vrd_err *err);
  /** No hook, callback or timer of this shard is called any more: what was still under way has been cancelled. Frees it. May be NULL.
   *  @thread loop  @since 0.1 */
  void (*shard_stop)(void *shard);
  /** No new work comes; threads of the plugin's own must have ended when this returns. May be NULL.
   *  @thread main  @since 0.1 */
  void (*quiesce)(void *self);
  /** Frees the instance. May be NULL.
   *  @thread main  @since 0.1 */
  void (*destroy)(void *self);
  /** The struct of a service listed in `services` ("svc.table/1": vrd_svc_table_1), or NULL.
   *  @thread any  @since 0.1
   *  @lifetime the table: forever */
  const void *(*provide)(void *self, const char *service_id);
} vrd_plugin;

/** The one exported symbol. Returns the description; must not do anything else.
 *  @thread any  @since 0.1
 *  @lifetime forever */
VRD_EXPORT const vrd_plugin *veredus_plugin_1(void);

VRD_END
#endif
