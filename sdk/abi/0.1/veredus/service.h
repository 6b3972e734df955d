/* core.service/1: how a plugin answers what its services are asked, and how plugins ask each other. Nobody holds a provider's pointers:
 * the host stands between, carries the request to the provider's thread, and adds deadline, breaker and numbers. In another process:
 * requests and answers of every service are flat structures of numbers and strings, and travel as such. */
#ifndef VEREDUS_SERVICE_H
#define VEREDUS_SERVICE_H

#include <veredus/types.h>

#define VRD_CORE_SERVICE_1 "core.service/1"
#define VRD_SVC_CALL_1 "svc.call/1"

VRD_BEGIN

/** "svc.call/1": what a plugin provides for other plugins, when no service of the host fits. */
typedef struct vrd_svc_call_1 {
  uint32_t size; /**< sizeof(vrd_svc_call_1) */
  uint32_t zero; /**< 0 */
  /** Asked for something; answers with core.service answer() and a vrd_call_answer, now or later.
   *  @thread loop  @since 0.1
   *  @lifetime method, request: call
   *  @errors negative: the request has failed with it */
  vrd_status (*call)(void *shard, vrd_str method, vrd_str request, vrd_pending token);
} vrd_svc_call_1;

/** Answer of svc.call/1. */
typedef struct vrd_call_answer {
  uint32_t size;  /**< sizeof(vrd_call_answer) */
  uint32_t zero;  /**< 0 */
  vrd_str octets; /**< up to 16 MiB */
} vrd_call_answer;

/** VRD_OK: the provider's octets. VRD_E_NOT_FOUND: no such provider; VRD_E_TIMEOUT; VRD_E_FAULT; or what the provider answered.
 *  @thread loop  @since 0.1  @lifetime octets: call */
typedef void (*vrd_call_fn)(void *ctx, vrd_status status, vrd_str octets);

/** "core.service/1" */
typedef struct vrd_core_service_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Answers a request to one of the plugin's services. `answer` is the answer struct of that service (it begins with its size); NULL
   *  with a negative status. Copies.
   *  @thread any  @since 0.1
   *  @lifetime answer: call
   *  @errors VRD_E_LATE; VRD_E_INVALID: an answer that its service does not allow: the request fails with VRD_E_FAULT */
  vrd_status (*answer)(vrd_pending token, vrd_status status, const void *answer);
  /** Asks svc.call/1 of a provider: an instance label or plugin id. `timeout_ms`: 1 to 600,000.
   *  @thread loop  @since 0.1
   *  @lifetime all: call
   *  @errors VRD_E_THREAD; VRD_E_INVALID; VRD_E_BUSY: 10,000 of this instance are under way */
  vrd_status (*call)(const vrd_host *host, vrd_str provider, vrd_str method, vrd_str request, uint32_t timeout_ms, void *ctx,
                     vrd_call_fn fn, vrd_op *op);
  /** The callback will not be called; a stale op is harmless.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op op);
} vrd_core_service_1;

VRD_END
#endif
