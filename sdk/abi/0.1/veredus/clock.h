/* core.clock/1: the time, which tests can set. In another process: answered there. */
#ifndef VEREDUS_CLOCK_H
#define VEREDUS_CLOCK_H

#include <veredus/types.h>

#define VRD_CORE_CLOCK_1 "core.clock/1"

VRD_BEGIN

/** "core.clock/1" */
typedef struct vrd_core_clock_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Milliseconds since 1970-01-01 UTC.
   *  @thread any  @since 0.1 */
  int64_t (*wall_ms)(const vrd_host *host);
  /** Milliseconds since some moment; never goes back.
   *  @thread any  @since 0.1 */
  int64_t (*mono_ms)(const vrd_host *host);
} vrd_core_clock_1;

VRD_END
#endif
