/* svc.store/1: a plugin behind core.kv, chosen by `core: kv: { store: NAME }`, for instance a shared server of a cluster. In another
 * process: as veredus/service.h says. */
#ifndef VEREDUS_SVC_STORE_H
#define VEREDUS_SVC_STORE_H

#include <veredus/kv.h>
#include <veredus/types.h>

#define VRD_SVC_STORE_1 "svc.store/1"

VRD_BEGIN

/** Answer of run(): one answer an operation; of list(): key, NUL, value in each `value`. */
typedef struct vrd_store_answer {
  uint32_t size;                /**< sizeof(vrd_store_answer) */
  uint32_t count;               /**< of answers */
  const vrd_kv_answer *answers; /**< in the order of the operations; of the keys */
} vrd_store_answer;

/** "svc.store/1" */
typedef struct vrd_svc_store_1 {
  uint32_t size; /**< sizeof(vrd_svc_store_1) */
  uint32_t zero; /**< 0 */
  /** Carries out operations of a namespace, each atomic, in order, as veredus/kv.h says; answers with a vrd_store_answer.
   *  @thread loop  @since 0.1
   *  @lifetime all: call
   *  @errors negative: all have failed with it */
  vrd_status (*run)(void *shard, vrd_str space, const vrd_kv_op *const *ops, size_t count, vrd_pending token);
  /** Lists as core.kv list() says; answers with a vrd_store_answer.
   *  @thread loop  @since 0.1
   *  @lifetime all: call
   *  @errors negative: it has failed with it */
  vrd_status (*list)(void *shard, vrd_str space, vrd_str prefix, vrd_str after, uint32_t limit, vrd_pending token);
} vrd_svc_store_1;

VRD_END
#endif
