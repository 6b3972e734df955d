/* core.body/1: stage `body`. The hook is called with each chunk of the body while it arrives, and once more with `last`. A hook with
 * VRD_MAY_BODY rewrites: what it emits takes the chunk's place, and what it does not emit is gone. Others observe. A hook that defers
 * pauses the client: nothing more is read until it answers. In another process: chunks travel as frames, pausing is not sending. */
#ifndef VEREDUS_BODY_H
#define VEREDUS_BODY_H

#include <veredus/types.h>

#define VRD_CORE_BODY_1 "core.body/1"

VRD_BEGIN

/** "core.body/1" */
typedef struct vrd_core_body_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** The chunk of this call: up to 64 KiB, any boundaries, as received without dot-stuffing. Empty at other stages.
   *  @thread loop  @since 0.1
   *  @lifetime call */
  vrd_str (*chunk)(const vrd_stage *stage);
  /** 1 at the last call for this message (its chunk may be empty), else 0.
   *  @thread loop  @since 0.1 */
  int32_t (*last)(const vrd_stage *stage);
  /** Adds octets to what takes the chunk's place. Copies.
   *  @thread loop  @since 0.1
   *  @errors VRD_E_DENIED: without VRD_MAY_BODY; VRD_E_STATE: at another stage; VRD_E_MEMORY: more than 16 MiB in one call */
  vrd_status (*emit)(vrd_stage *stage, vrd_str octets);
} vrd_core_body_1;

VRD_END
#endif
