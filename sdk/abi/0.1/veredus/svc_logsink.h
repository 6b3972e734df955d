/* svc.logsink/1: a plugin that gets every event that is written, beside standard error. In another process: as veredus/service.h says,
 * lines in frames, dropped when the process does not keep up. */
#ifndef VEREDUS_SVC_LOGSINK_H
#define VEREDUS_SVC_LOGSINK_H

#include <veredus/log.h>
#include <veredus/types.h>

#define VRD_SVC_LOGSINK_1 "svc.logsink/1"

VRD_BEGIN

/** "svc.logsink/1" */
typedef struct vrd_svc_logsink_1 {
  uint32_t size; /**< sizeof(vrd_svc_logsink_1) */
  uint32_t zero; /**< 0 */
  /** Lines of the log: JSON objects, each ended by a newline, of one turn of one loop. Must not block and must not log. Events of the
   *  plugin itself are not among them. Needs VRD_SHARED or VRD_PER_LOOP.
   *  @thread loop  @since 0.1
   *  @lifetime lines: call */
  void (*write)(void *shard, vrd_str lines);
} vrd_svc_logsink_1;

VRD_END
#endif
