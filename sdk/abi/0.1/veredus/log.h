/* core.log/1: events. One name per thing that happens, with values; no formatting. The event is written as "PLUGIN.NAME". In another
 * process: sent as it is. */
#ifndef VEREDUS_LOG_H
#define VEREDUS_LOG_H

#include <veredus/types.h>

#define VRD_CORE_LOG_1 "core.log/1"

VRD_BEGIN

#define VRD_LOG_DEBUG 0u   /**< for who looks for a fault */
#define VRD_LOG_INFO 1u    /**< normal work */
#define VRD_LOG_NOTICE 2u  /**< normal, rare, worth reading */
#define VRD_LOG_WARNING 3u /**< something is wrong, work goes on */
#define VRD_LOG_ERROR 4u   /**< something did not work */

/** "core.log/1" */
typedef struct vrd_core_log_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Whether an event of this level would be written: ask before costly work.
   *  @thread any  @since 0.1 */
  int32_t (*wants)(const vrd_host *host, uint32_t level);
  /** Writes an event. `event`: [a-z0-9_]{1,48}; names of values likewise; at most 16 values of 1,024 octets each, longer ones are cut.
   *  With a view the message's id is added. What does not fit is left out, never refused.
   *  @thread any  @since 0.1 */
  void (*write)(const vrd_host *host, uint32_t level, vrd_str event, const vrd_view *view, const vrd_pair *values, size_t count);
} vrd_core_log_1;

VRD_END
#endif
