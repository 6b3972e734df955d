/* core.metric/1: counters and gauges. Defined in create(), then frozen; exported as veredus_plugin_PLUGIN_NAME. Adding costs one write
 * to memory of the own loop. In another process: cells are sent once a second. */
#ifndef VEREDUS_METRIC_H
#define VEREDUS_METRIC_H

#include <veredus/types.h>

#define VRD_CORE_METRIC_1 "core.metric/1"

VRD_BEGIN

#define VRD_METRIC_COUNTER 0u /**< only grows; its name ends in _total */
#define VRD_METRIC_GAUGE 1u   /**< goes up and down */

/** What a metric is. */
typedef struct vrd_metric_def {
  uint32_t size;                  /**< sizeof(vrd_metric_def) */
  uint32_t kind;                  /**< VRD_METRIC_COUNTER ... */
  const char *name;               /**< [a-z0-9_]{1,48}; forever */
  const char *doc;                /**< one line; forever */
  const char *label;              /**< name of the one label, or NULL; forever */
  const char *const *label_values; /**< NULL-ended, at most 32, or NULL; forever */
} vrd_metric_def;

/** "core.metric/1" */
typedef struct vrd_core_metric_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Defines a metric; only in create(). A metric of the same name of an earlier instance goes on counting.
   *  @thread main  @since 0.1
   *  @errors VRD_E_STATE: not in create(); VRD_E_INVALID; VRD_E_MEMORY: more than 64 */
  vrd_status (*define)(const vrd_host *host, const vrd_metric_def *def, uint32_t *metric);
  /** Adds to a metric; `label` is the position in label_values, 0 without labels. Unknown ones are ignored.
   *  @thread any  @since 0.1 */
  void (*add)(const vrd_host *host, uint32_t metric, uint32_t label, int64_t amount);
} vrd_core_metric_1;

VRD_END
#endif
