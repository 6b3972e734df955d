/* svc.resolver/1: a plugin that answers DNS questions instead of the built-in stub resolver; chosen by `core: resolver: NAME`. In
 * another process: as veredus/service.h says. */
#ifndef VEREDUS_SVC_RESOLVER_H
#define VEREDUS_SVC_RESOLVER_H

#include <veredus/dns.h>
#include <veredus/types.h>

#define VRD_SVC_RESOLVER_1 "svc.resolver/1"

VRD_BEGIN

/** "svc.resolver/1" */
typedef struct vrd_svc_resolver_1 {
  uint32_t size; /**< sizeof(vrd_svc_resolver_1) */
  uint32_t zero; /**< 0 */
  /** Answers with core.service answer() and a vrd_dns_answer (VRD_E_TIMEOUT or VRD_E_TEMPORARY when there is none). What has signatures
   *  that are wrong is VRD_OK with `bogus` 1 and no records, or VRD_E_TEMPORARY; both mean that nothing may be concluded. The host caches
   *  by the TTL. A plugin must not ask core.dns from here.
   *  @thread loop  @since 0.1
   *  @lifetime request: call
   *  @errors negative: it has failed with it */
  vrd_status (*resolve)(void *shard, const vrd_dns_request *request, vrd_pending token);
} vrd_svc_resolver_1;

VRD_END
#endif
