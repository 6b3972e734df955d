/* core.timer/1: calls later, without a session. In another process: answered there. */
#ifndef VEREDUS_TIMER_H
#define VEREDUS_TIMER_H

#include <veredus/types.h>

#define VRD_CORE_TIMER_1 "core.timer/1"

VRD_BEGIN

/** @thread loop  @since 0.1 */
typedef void (*vrd_timer_fn)(void *ctx);

/** "core.timer/1" */
typedef struct vrd_core_timer_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Calls `fn` after `delay_ms`, and then every `period_ms` (0: once; else at least 10). Ends by itself before shard_stop(). Also in
   *  shard_start(). At most 100,000 an instance.
   *  @thread loop  @since 0.1
   *  @errors VRD_E_THREAD, VRD_E_INVALID, VRD_E_MEMORY */
  vrd_status (*start)(const vrd_host *host, uint64_t delay_ms, uint64_t period_ms, void *ctx, vrd_timer_fn fn, vrd_op *timer);
  /** Ends a timer; a stale one is harmless.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op timer);
} vrd_core_timer_1;

VRD_END
#endif
