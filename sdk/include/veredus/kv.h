/* core.kv/1: a small store that survives restarts, embedded or behind another plugin (svc.store/1). Each plugin has a namespace of its
 * own; instances of a plugin share it. At a power cut at most the last second is lost. In another process: request and answer travel. */
#ifndef VEREDUS_KV_H
#define VEREDUS_KV_H

#include <veredus/types.h>

#define VRD_CORE_KV_1 "core.kv/1"

VRD_BEGIN

#define VRD_KV_GET 1u    /**< value of a key */
#define VRD_KV_PUT 2u    /**< sets a value; with VRD_KV_IF_ABSENT only when there is none (else VRD_E_STATE and the present value) */
#define VRD_KV_REMOVE 3u /**< removes a key */
#define VRD_KV_ADD 4u    /**< adds `number` to a counter (0 if absent) and answers the sum; the TTL holds from its creation */
#define VRD_KV_TAKE 5u   /**< takes `number` tokens from a bucket of `capacity` that refills with `rate` thousandths a second */

#define VRD_KV_IF_ABSENT 1u /**< VRD_KV_PUT */
#define VRD_KV_EXTEND 2u    /**< VRD_KV_ADD: the TTL begins anew */

/** One operation. */
typedef struct vrd_kv_op {
  uint32_t size;     /**< sizeof(vrd_kv_op) */
  uint32_t kind;     /**< VRD_KV_GET ... */
  uint32_t flags;    /**< VRD_KV_IF_ABSENT ... */
  uint32_t zero;     /**< 0 */
  vrd_str key;       /**< 1 to 512 octets, none of them NUL: else VRD_E_INVALID */
  vrd_str value;     /**< VRD_KV_PUT: up to 64 KiB */
  uint64_t ttl_ms;   /**< life of the entry; 0: no end. VRD_KV_TAKE sets its own */
  int64_t number;    /**< VRD_KV_ADD: amount; VRD_KV_TAKE: tokens wanted, 0 to `capacity`: else VRD_E_INVALID */
  int64_t capacity;  /**< VRD_KV_TAKE: of the bucket, 1 and more */
  int64_t rate;      /**< VRD_KV_TAKE: thousandths of a token a second, 1 and more */
} vrd_kv_op;

/** The answer to one operation. Frozen: it has no size and never grows. */
typedef struct vrd_kv_answer {
  int32_t status;  /**< VRD_OK; VRD_E_NOT_FOUND: no such key; VRD_E_STATE: VRD_KV_IF_ABSENT and there is one; VRD_E_INVALID */
  uint32_t taken;  /**< VRD_KV_TAKE: 1 when the tokens were there */
  int64_t number;  /**< VRD_KV_ADD: the sum; VRD_KV_TAKE: milliseconds until they will be there */
  vrd_str value;   /**< VRD_KV_GET, and VRD_KV_PUT with VRD_E_STATE */
} vrd_kv_answer;

/** VRD_OK: one answer an operation. VRD_E_TIMEOUT, VRD_E_IO, VRD_E_TEMPORARY: `answers` is NULL and it is not known what was done.
 *  @thread loop  @since 0.1  @lifetime answers: call */
typedef void (*vrd_kv_fn)(void *ctx, vrd_status status, const vrd_kv_answer *answers, size_t count);

/** "core.kv/1" */
typedef struct vrd_core_kv_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Carries out operations, 1 to 64, in order, each atomic by itself. `timeout_ms`: 1 to 60,000.
   *  @thread loop  @since 0.1
   *  @lifetime ops: call
   *  @errors VRD_E_THREAD; VRD_E_INVALID; VRD_E_BUSY */
  vrd_status (*run)(const vrd_host *host, const vrd_kv_op *const *ops, size_t count, uint32_t timeout_ms, void *ctx, vrd_kv_fn fn,
                    vrd_op *op);
  /** Lists keys that begin with `prefix` and sort behind `after`, with values, at most `limit` (1 to 1,000): `answers[i].value` holds
   *  key, NUL, value.
   *  @thread loop  @since 0.1
   *  @errors as run() */
  vrd_status (*list)(const vrd_host *host, vrd_str prefix, vrd_str after, uint32_t limit, uint32_t timeout_ms, void *ctx, vrd_kv_fn fn,
                     vrd_op *op);
  /** The callback will not be called; a stale op is harmless. What was asked for may still be done.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op op);
} vrd_core_kv_1;

VRD_END
#endif
