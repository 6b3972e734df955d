/* svc.router/1: a plugin that says where a recipient goes; used by `routes: - { match: ..., to: ["router:NAME"] }`. In another process:
 * as veredus/service.h says; the view as veredus/message.h says. */
#ifndef VEREDUS_SVC_ROUTER_H
#define VEREDUS_SVC_ROUTER_H

#include <veredus/types.h>

#define VRD_SVC_ROUTER_1 "svc.router/1"

VRD_BEGIN

/** Answer: a next hop, or why there is none. */
typedef struct vrd_router_answer {
  uint32_t size;     /**< sizeof(vrd_router_answer) */
  uint32_t smtp;     /**< 0: route; 4yz: not now; 5yz: never, the recipient fails */
  vrd_str next_hop;  /**< as in `routes`, several as "A|B*3,C" */
  vrd_str pool;      /**< source pool; may be empty */
  vrd_str text;      /**< of the failure */
} vrd_router_answer;

/** "svc.router/1" */
typedef struct vrd_svc_router_1 {
  uint32_t size; /**< sizeof(vrd_svc_router_1) */
  uint32_t zero; /**< 0 */
  /** Routes the recipient that the view is about (recipient.index); answers with a vrd_router_answer, now or later. No answer in 30 s, or
   *  a fault: the recipient is tried again later.
   *  @thread loop  @since 0.1
   *  @lifetime view: call; retain it to keep it
   *  @errors negative: as a fault */
  vrd_status (*route)(void *shard, const vrd_view *view, vrd_pending token);
} vrd_svc_router_1;

VRD_END
#endif
