/* core.work/1: a blocking job on the pool, its end on the caller's loop. In another process: a pool there. */
#ifndef VEREDUS_WORK_H
#define VEREDUS_WORK_H

#include <veredus/types.h>

#define VRD_CORE_WORK_1 "core.work/1"

VRD_BEGIN

/** @thread worker  @since 0.1 */
typedef void (*vrd_work_fn)(void *ctx);
/** @thread loop  @since 0.1 */
typedef void (*vrd_work_done_fn)(void *ctx, vrd_status status);

/** "core.work/1" */
typedef struct vrd_core_work_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Runs `work` on a thread of the pool, then `done` with VRD_OK on this loop. At shutdown jobs that have not begun end with
   *  VRD_E_CANCELLED. A job under way is waited for before shard_stop().
   *  @thread loop  @since 0.1
   *  @errors VRD_E_THREAD; VRD_E_BUSY: 1,000 jobs of this instance are waiting */
  vrd_status (*run)(const vrd_host *host, void *ctx, vrd_work_fn work, vrd_work_done_fn done, vrd_op *job);
  /** A job that has not begun will not: `done` is called with VRD_E_CANCELLED. Others run to their end.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op job);
} vrd_core_work_1;

VRD_END
#endif
