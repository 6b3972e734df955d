/* svc.tls_policy/1: a plugin that knows how a recipient domain wants its mail secured (MTA-STS, RFC 8461). Asked before the first
 * connection to a domain's mail exchangers, where neither the operator nor DANE has decided. In another process: as veredus/service.h says. */
#ifndef VEREDUS_SVC_TLS_POLICY_H
#define VEREDUS_SVC_TLS_POLICY_H

#include <veredus/types.h>

#define VRD_SVC_TLS_POLICY_1 "svc.tls_policy/1"

VRD_BEGIN

#define VRD_TLS_POLICY_NONE 0u    /**< the domain has no policy, or withdrew it (RFC 8461 8.3) */
#define VRD_TLS_POLICY_TESTING 1u /**< failures are reported, and mail goes all the same */
#define VRD_TLS_POLICY_ENFORCE 2u /**< mail goes to a next hop that matches, over TLS with a valid certificate, or not at all */

/** Answer. */
typedef struct vrd_tls_policy_answer {
  uint32_t size;     /**< sizeof(vrd_tls_policy_answer) */
  uint32_t mode;     /**< VRD_TLS_POLICY_NONE ... */
  vrd_str mx;        /**< names and patterns ("*.example.test") of allowed mail exchangers, a line each; required unless NONE */
  vrd_str text;      /**< the policy as it was published, for reports; lines end with LF */
  vrd_str result;    /**< with NONE: why a policy that is announced could not be had, a result type of RFC 8460 4.3; else empty */
  vrd_str problem;   /**< the same in a sentence; else empty */
} vrd_tls_policy_answer;

/** "svc.tls_policy/1" */
typedef struct vrd_svc_tls_policy_1 {
  uint32_t size; /**< sizeof(vrd_svc_tls_policy_1) */
  uint32_t zero; /**< 0 */
  /** Answers with a vrd_tls_policy_answer, now or later. `domain` is in lower case without a dot at the end. No answer in 30 s or a fault: the
   *  recipient is tried again later.
   *  @thread loop  @since 0.1
   *  @lifetime domain: call
   *  @errors negative: as a fault */
  vrd_status (*find)(void *shard, vrd_str domain, vrd_pending token);
} vrd_svc_tls_policy_1;

VRD_END
#endif
