/* core.helper/1: programs that the supervisor starts with the privileges that `core: helpers:` gives them, over a socket pair: a frame
 * there, a frame back, with at most one descriptor each. A helper reads requests in order and may answer out of order. Frame: 4 octets
 * length of what follows (the number counts), 4 octets request number, then the octets; numbers in network order; a descriptor is sent
 * with the first octet, so who reads head and octets with reads of their own knows whose it is. The helper's end is its descriptor 3 and
 * is closed when the daemon has no more use for it: the helper then ends. In another process: the socket pair is handed on. */
#ifndef VEREDUS_HELPER_H
#define VEREDUS_HELPER_H

#include <veredus/types.h>

#define VRD_CORE_HELPER_1 "core.helper/1"

VRD_BEGIN

/** VRD_OK: the helper's answer; `fd` is a descriptor that now belongs to the plugin, or -1. VRD_E_TIMEOUT; VRD_E_CLOSED: the helper
 *  ended (it is started again); it is not known what it did.
 *  @thread loop  @since 0.1  @lifetime octets: call */
typedef void (*vrd_helper_fn)(void *ctx, vrd_status status, vrd_str octets, int32_t fd);

/** "core.helper/1" */
typedef struct vrd_core_helper_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** A helper by its name in the configuration. Only in create().
   *  @thread main  @since 0.1
   *  @errors VRD_E_NOT_FOUND; VRD_E_STATE: not in create() */
  vrd_status (*open)(const vrd_host *host, vrd_str name, uint32_t *helper);
  /** Sends a request of up to 1 MiB with a descriptor (-1: none; the host duplicates it). `timeout_ms`: 1 to 3,600,000.
   *  @thread loop  @since 0.1
   *  @errors VRD_E_THREAD; VRD_E_INVALID; VRD_E_BUSY: 1,000 requests are under way */
  vrd_status (*call)(const vrd_host *host, uint32_t helper, vrd_str octets, int32_t fd, uint32_t timeout_ms, void *ctx,
                     vrd_helper_fn fn, vrd_op *op);
  /** The callback will not be called; the request may still be carried out.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op op);
} vrd_core_helper_1;

VRD_END
#endif
