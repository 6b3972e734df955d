/* core.table/1: look-ups in tables, which are instances of plugins that provide svc.table/1. In another process: request and answer
 * travel. */
#ifndef VEREDUS_TABLE_H
#define VEREDUS_TABLE_H

#include <veredus/types.h>

#define VRD_CORE_TABLE_1 "core.table/1"

VRD_BEGIN

/** Answer for one key. Frozen: it has no size and never grows. */
typedef struct vrd_table_row {
  uint32_t found; /**< 1: there is such a key */
  uint32_t zero;  /**< 0 */
  vrd_str value;  /**< its value; may be empty */
} vrd_table_row;

/** VRD_OK: `rows` has one row a key, in the order of the keys. VRD_E_TEMPORARY, VRD_E_TIMEOUT, VRD_E_FAULT: no answer, `rows` is NULL.
 *  @thread loop  @since 0.1  @lifetime rows: call */
typedef void (*vrd_table_fn)(void *ctx, vrd_status status, const vrd_table_row *rows, size_t count);

/** "core.table/1" */
typedef struct vrd_core_table_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** A table by name: an instance label, or the plugin's id if it has one instance only. Only in create(). That it exists is checked when
   *  all plugins of the configuration are there: an unknown one refuses the configuration.
   *  @thread main  @since 0.1
   *  @errors VRD_E_STATE: not in create(); VRD_E_INVALID; VRD_E_MEMORY: more than 64 */
  vrd_status (*open)(const vrd_host *host, vrd_str name, uint32_t *table);
  /** Looks keys up, 1 to 64 at once, each up to 512 octets. `timeout_ms`: 1 to 60,000.
   *  @thread loop  @since 0.1
   *  @lifetime keys: call
   *  @errors VRD_E_THREAD; VRD_E_INVALID; VRD_E_BUSY: 10,000 of this instance are under way */
  vrd_status (*lookup)(const vrd_host *host, uint32_t table, const vrd_str *keys, size_t count, uint32_t timeout_ms, void *ctx,
                       vrd_table_fn fn, vrd_op *op);
  /** The callback will not be called; a stale op is harmless.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op op);
} vrd_core_table_1;

VRD_END
#endif
