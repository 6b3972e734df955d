/* svc.deliver/1: a plugin that delivers: to mailboxes, programs, web hooks. Next hop "plugin:NAME/ARGUMENT". In another process: as
 * veredus/service.h says; the view as veredus/message.h says. */
#ifndef VEREDUS_SVC_DELIVER_H
#define VEREDUS_SVC_DELIVER_H

#include <veredus/types.h>

#define VRD_SVC_DELIVER_1 "svc.deliver/1"

VRD_BEGIN

/** What became of one recipient. Frozen: it has no size and never grows. */
typedef struct vrd_deliver_row {
  uint32_t recipient;  /**< position in the view */
  uint32_t smtp;       /**< 2yz delivered, and durable; 4yz later; 5yz never */
  uint8_t enhanced[3]; /**< RFC 3463; all 0: by the code */
  uint8_t zero[5];     /**< 0 */
  vrd_str text;        /**< for log and DSN */
} vrd_deliver_row;

/** Answer: one row a recipient that was asked for; those left out are tried later. */
typedef struct vrd_deliver_answer {
  uint32_t size;               /**< sizeof(vrd_deliver_answer) */
  uint32_t count;              /**< of rows */
  const vrd_deliver_row *rows; /**< in any order */
} vrd_deliver_answer;

/** "svc.deliver/1" */
typedef struct vrd_svc_deliver_1 {
  uint32_t size; /**< sizeof(vrd_svc_deliver_1) */
  uint32_t zero; /**< 0 */
  /** Delivers one message to these recipients of its view, and answers with a vrd_deliver_answer, now or later, when every 2yz is on
   *  stable storage. No answer in time, or a fault: tried again later, so a delivery may then happen twice.
   *  @thread loop  @since 0.1
   *  @lifetime all: call; retain the view to keep it
   *  @errors negative: all recipients are tried later */
  vrd_status (*deliver)(void *shard, const vrd_view *view, const uint32_t *recipients, size_t count, vrd_str argument,
                        vrd_pending token);
} vrd_svc_deliver_1;

VRD_END
#endif
